#!/usr/bin/env python3
"""`plimsoll-runtime shim` for tests without privileges: the contract of agent/shim/protocol.h around a plain process of
this host, without namespaces or cgroup. Command, environment and terminal come from the bundle's config.json."""
import argparse, datetime, json, os, select, signal, socket, struct, subprocess, sys, time

p = argparse.ArgumentParser()
p.add_argument("verb")
for flag in ("id", "bundle", "root", "dir", "cgroup-root", "cgroup", "exec", "shim-cgroup"):
    p.add_argument("--" + flag)
p.add_argument("--tty", action="store_true")
p.add_argument("--open-stdin", action="store_true")
p.add_argument("--log-size", type=int, default=10 << 20)
p.add_argument("--log-files", type=int, default=3)
p.add_argument("--ready-fd", type=int)
a = p.parse_args()
os.setsid()
OUT, ERR, STATUS, EXITED, ERROR, OK = 1, 2, 3, 4, 5, 6
STDIN, STDIN_END, ATTACH, START, SIGNAL, RESIZE, ASKED, RELEASE, KILL_ALL = range(16, 25)
document = json.load(open(a.exec or a.bundle + "/config.json"))
process = document if a.exec else document["process"]


def ready(text):
    os.write(a.ready_fd, text.encode() + b"\n")
    os.close(a.ready_fd)


def hold(path):
    """Waits while a test's file is there; another one says that this point was reached."""
    if os.path.exists(path):
        open(path + "-reached", "w").close()
    while os.path.exists(path):
        time.sleep(0.02)


if not a.exec:
    hold(a.bundle + "/hold-launch")
if process["args"][0].startswith("/missing"):
    ready("error exec %s: No such file or directory" % process["args"][0])
    sys.exit(1)


def now():
    t = time.time_ns()
    return datetime.datetime.fromtimestamp(t // 10**9, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + "%09dZ" % (t % 10**9)


def starttime(pid):
    return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[19]


gate_read, gate_write = os.pipe()
out_r, out_w = os.pipe()
err_r, err_w = os.pipe()
in_r, in_w = os.pipe()
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    os.close(gate_write)
    if os.read(gate_read, 1) != b"g":
        os._exit(137)
    for fd, to in ((in_r if a.open_stdin else os.open("/dev/null", os.O_RDONLY), 0), (out_w, 1), (err_w, 2)):
        os.dup2(fd, to)
    os.closerange(3, 64)
    environment = dict(one.split("=", 1) for one in process.get("env", []))
    try:
        os.execvpe(process["args"][0], process["args"], environment)
    except OSError:
        os._exit(127)
# By parent and child both: a signal to the group may come before the child has run at all.
os.setpgid(child, child)
for fd in (out_w, err_w, in_r, gate_read):
    os.close(fd)
server = socket.socket(socket.AF_UNIX)
server.bind(a.dir + "/shim.sock")
server.listen(64)
for name, pid in (("pid", os.getpid()), ("init", child)):
    open(f"{a.dir}/{name}", "w").write(f"{pid} {starttime(pid)}\n")
log = open(a.dir + "/log", "ab", buffering=0) if not a.exec else None
state, started, exit_text, code = "created", now(), None, 0
dies_at = 0.0
clients, attached, buffers, lines = [], {}, {}, {OUT: b"", ERR: b""}
sources = {out_r: OUT, err_r: ERR}
ready(f"ok {child}")


def send(client, kind, payload):
    try:
        client.sendall(struct.pack(">B3xI", kind, len(payload)) + payload)
    except OSError:
        drop(client)


def drop(client):
    if client in clients:
        clients.remove(client)
    attached.pop(client, None)


def write_log(kind, text):
    global log
    if log is None:
        return
    line = f"{now()} {'stdout' if kind == OUT else 'stderr'} F ".encode() + text + b"\n"
    if log.tell() + len(line) > a.log_size:
        log.close()
        for i in range(a.log_files - 1, 0, -1):
            older = a.dir + "/log" + ("" if i == 1 else f".{i - 1}")
            if os.path.exists(older):
                os.rename(older, f"{a.dir}/log.{i}")
        log = open(a.dir + "/log", "wb", buffering=0)
    log.write(line)


def serve(client, kind, payload):
    global state, started, dies_at
    if exit_text is not None and kind == RELEASE:
        hold(a.dir + "/hold-release")
        send(client, OK, b"")
        sys.exit(0)
    if exit_text is not None:
        return
    if kind == ATTACH:
        attached[client] = [{"stdout": OUT, "stderr": ERR}[s] for s in payload.decode().split(",") if s]
        send(client, OK, b"")
    elif kind == START:
        if state != "created":
            return send(client, ERROR, b"it runs already")
        if os.path.exists(a.dir + "/refuse-start"):
            dies_at = time.time() + 0.3  # killed, it takes its time
            return send(client, ERROR, b"start: refused")
        state, started = "running", now()
        os.write(gate_write, b"g")
        send(client, STATUS, f"running {child}".encode())
    elif kind == ASKED:
        send(client, STATUS, f"{state} {child}".encode())
    elif kind in (SIGNAL, KILL_ALL):
        try:
            number = 9 if kind == KILL_ALL else int(payload.split()[0])
            os.killpg(child, number) if number == 9 else os.kill(child, number)
        except ProcessLookupError:
            pass
        send(client, OK, b"")
    elif kind == STDIN:
        os.write(in_w, payload)
    elif kind == STDIN_END:
        os.close(in_w)
    elif kind == RELEASE:
        send(client, ERROR, b"the process lives")
    else:
        send(client, OK, b"")


def output(fd):
    kind = sources[fd]
    data = os.read(fd, 65536)
    if not data:
        del sources[fd]
        if lines[kind]:
            write_log(kind, lines[kind])
        return
    for client, kinds in list(attached.items()):
        if kind in kinds:
            send(client, kind, data)
    *whole, lines[kind] = (lines[kind] + data).split(b"\n")
    for line in whole:
        write_log(kind, line)


while True:
    readable, _, _ = select.select([server, *clients, *sources], [], [], 0.02 if not sources and exit_text is None else 1)
    for fd in readable:
        if fd is server:
            client, _ = server.accept()
            clients.append(client)
            buffers[client] = b""
            if exit_text is not None:
                send(client, EXITED, exit_text)
        elif isinstance(fd, int):
            output(fd)
        else:
            try:
                data = fd.recv(65536)
            except OSError:
                data = b""
            if not data:
                drop(fd)
                continue
            buffers[fd] += data
            while len(buffers[fd]) >= 8:
                kind, length = struct.unpack(">B3xI", buffers[fd][:8])
                if len(buffers[fd]) < 8 + length:
                    break
                payload, buffers[fd] = buffers[fd][8 : 8 + length], buffers[fd][8 + length :]
                serve(fd, kind, payload)
    if exit_text is None and not sources and time.time() > dies_at:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            code = 128 + number if number else os.WEXITSTATUS(status)
            exit_text = json.dumps({"exitCode": code, "signal": number, "oomKilled": code == 99, "oomKills": 0,
                                    "startedAt": started, "exitedAt": now(), "cpuUsageUsec": 1234}).encode()
            if os.path.exists(a.dir):
                open(a.dir + "/exit.json.new", "wb").write(exit_text)
                os.rename(a.dir + "/exit.json.new", a.dir + "/exit.json")
            for client in list(clients):
                send(client, EXITED, exit_text)
