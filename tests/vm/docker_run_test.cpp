// docker run: streams, exit codes, terminals, and what its flags do inside the container.
#include "tests/vm/docker_fixture.h"

namespace plimsoll::docker_test {
namespace {

using RunCli = DockerCli;

TEST_F(RunCli, BothStreamsAndTheExitCode) {
  const Outcome seven = docker({"run", "--rm", "demo", "sh", "-c", "echo out; echo err >&2; exit 7"});
  EXPECT_EQ(seven.status, 7);
  EXPECT_EQ(seven.out, "out\n");
  EXPECT_EQ(seven.err, "err\n");
}

TEST_F(RunCli, ExitCodesOfWhatCannotRun) {
  expect_refused({"run", "--rm", "demo", "nothing"}, 127, {"nothing", "executable file not found"});
  expect_refused({"run", "--rm", "demo", "/bin/nothing"}, 127, {"/bin/nothing", "no such file or directory"});
  expect_refused({"run", "--rm", "demo", "/etc/data"}, 126, {"/etc/data", "permission denied"});
  expect_refused({"run", "--rm", "demo", "/etc"}, 126, {"/etc"});
  const Outcome nope = docker({"run", "--rm", "nope", "true"});
  EXPECT_EQ(nope.status, 125);
  EXPECT_THAT(nope.err, HasSubstr("nope"));
}

TEST_F(RunCli, AKillGives137) {
  auto run = background({"run", "--name", "victim", "demo", "sleep", "1000"});
  ASSERT_TRUE(running("victim"));
  EXPECT_EQ(told({"kill", "victim"}), "victim");
  EXPECT_EQ(run.get().status, 137);
  EXPECT_EQ(told({"inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}", "victim"}),
            "exited 137 false");
}

TEST_F(RunCli, StandardInput) {
  std::string input;
  for (int i = 0; i < 100'000; ++i) input += std::to_string(i) + "\n";
  EXPECT_EQ(told({"run", "--rm", "-i", "demo", "wc", "-l"}, input), "100000");
  // Without -i, the container has none, and ours is left alone.
  EXPECT_EQ(told({"run", "--rm", "demo", "wc", "-c"}, "not read"), "0");
}

TEST_F(RunCli, MuchOutput) {
  const std::string text = told({"run", "--rm", "demo", "seq", "100000"});
  EXPECT_EQ(std::ranges::count(text, '\n'), 99'999);
  EXPECT_TRUE(text.ends_with("\n100000"));
}

TEST_F(RunCli, ATerminal) {
  Terminal terminal(command({"run", "--rm", "-it", "demo", "sh"}), 33, 101);
  EXPECT_TRUE(terminal.ask("tty\n", "/dev/pts/0")) << terminal.unseen();
  EXPECT_TRUE(terminal.ask("stty size\n", "33 101")) << terminal.unseen();
  terminal.resize(20, 60);
  EXPECT_TRUE(terminal.ask("stty size\n", "20 60")) << terminal.unseen();
  // Not before it runs: the shell itself takes no harm from the key.
  terminal.type("sh -c 'echo a$((40+2))b; exec sleep 1000'\n");
  EXPECT_TRUE(terminal.see("a42b")) << terminal.unseen();
  terminal.type("\x03");
  terminal.type("exit 3\n");
  EXPECT_EQ(terminal.wait(), 3) << terminal.unseen();
}

TEST_F(RunCli, DetachFromATerminalAndAttachAgain) {
  Terminal first(command({"run", "-it", "--name", "shell", "demo", "sh"}));
  ASSERT_TRUE(first.ask("X=kept; echo re''ady\n", "ready")) << first.unseen();
  first.type("\x10\x11");
  EXPECT_EQ(first.wait(), 0) << first.unseen();
  EXPECT_EQ(state("shell")["Status"], "running");
  Terminal second(command({"attach", "shell"}));
  EXPECT_TRUE(second.ask("echo $X$X\n", "keptkept")) << second.unseen();
  second.type("exit 4\n");
  EXPECT_EQ(second.wait(), 4) << second.unseen();
}

TEST_F(RunCli, EnvironmentFolderAndUser) {
  EXPECT_EQ(in_container({"-e", "SHAPE=round", "-e", "COLOUR=red"}, "echo $SHAPE $COLOUR"), "round red");
  EXPECT_EQ(in_container({"-w", "/srv"}, "pwd; echo $COLOUR"), "/srv\nblue");
  EXPECT_EQ(in_container({"-w", "/srv/made/for/it"}, "pwd"), "/srv/made/for/it");
  EXPECT_EQ(in_container({"-u", "web"}, "id -u; id -g; id -G; echo $HOME"), "7\n8\n8 44\n/srv");
  EXPECT_EQ(in_container({"-u", "1234:5678", "--group-add", "99"}, "id -u; id -G"), "1234\n5678 99");
  expect_refused({"run", "--rm", "-u", "nobody", "demo", "true"}, 125, {"unable to find user nobody"});
  EXPECT_EQ(in_container({"-h", "ship", "--add-host", "port:10.1.2.3"}, "hostname; grep port /etc/hosts"),
            "ship\n10.1.2.3\tport");
  EXPECT_EQ(told({"run", "--rm", "--entrypoint", "echo", "demo", "in", "place"}), "in place");
}

TEST_F(RunCli, FilesOfTheHost) {
  const std::filesystem::path folder = "/tmp/docker-shared";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "file") << "from the host\n";
  EXPECT_EQ(in_container({"-v", folder.string() + ":/shared"}, "cat /shared/file; echo back >/shared/reply"),
            "from the host");
  EXPECT_EQ(text_of(folder / "reply"), "back\n");
  EXPECT_EQ(in_container({"-v", folder.string() + ":/shared:ro"}, "touch /shared/x 2>&1 || cat /shared/file"),
            "touch: /shared/x: Read-only file system\nfrom the host");
  EXPECT_EQ(in_container({"--mount", "type=bind,source=" + folder.string() + ",target=/shared,readonly"},
                         "touch /shared/x 2>/dev/null || echo read-only"),
            "read-only");
  // -v makes a folder that is missing, --mount does not.
  EXPECT_EQ(in_container({"-v", "/tmp/docker-made:/made"}, "touch /made/it"), "");
  EXPECT_TRUE(std::filesystem::exists("/tmp/docker-made/it"));
  expect_refused({"run", "--rm", "--mount", "type=bind,source=/tmp/missing,target=/x", "demo", "true"}, 125,
                 {"bind source path does not exist: /tmp/missing"});
}

TEST_F(RunCli, Tmpfs) {
  EXPECT_THAT(in_container({"--tmpfs", "/scratch:size=1m,mode=1770"},
                           "grep ' /scratch ' /proc/mounts; stat -c %a /scratch"),
              MatchesRegex("tmpfs /scratch tmpfs [^\n]*size=1024k[^\n]*\n1770"));
  EXPECT_THAT(in_container({"--mount", "type=tmpfs,target=/scratch,tmpfs-size=2097152"},
                           "grep ' /scratch ' /proc/mounts"),
              HasSubstr("size=2048k"));
  EXPECT_THAT(in_container({"--shm-size", "3m"}, "grep ' /dev/shm ' /proc/mounts"), HasSubstr("size=3072k"));
}

TEST_F(RunCli, Limits) {
  EXPECT_EQ(in_container({"--memory", "64m", "--memory-swap", "96m", "--memory-reservation", "16m"},
                         "cd /sys/fs/cgroup; cat memory.max memory.swap.max memory.low"),
            "67108864\n33554432\n16777216");
  EXPECT_EQ(in_container({"--cpus", "0.5", "--pids-limit", "12", "--cpuset-cpus", "1"},
                         "cd /sys/fs/cgroup; cat cpu.max pids.max cpuset.cpus"),
            "50000 100000\n12\n1");
  EXPECT_EQ(in_container({"--cpu-period", "50000", "--cpu-quota", "20000", "--cpu-shares", "512"},
                         "cd /sys/fs/cgroup; cat cpu.max cpu.weight"),
            "20000 50000\n59");
  EXPECT_EQ(in_container({"--ulimit", "nofile=100:200", "--oom-score-adj", "77"},
                         "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj"),
            "100\n200\n77");
  EXPECT_EQ(in_container({"--sysctl", "net.ipv4.ip_forward=1"}, "cat /proc/sys/net/ipv4/ip_forward"), "1");
}

TEST_F(RunCli, OutOfMemory) {
  const Outcome hog = docker({"run", "--name", "hog", "--memory", "32m", "--memory-swap", "32m", "demo", "sh",
                              "-c", "tail /dev/zero"});
  EXPECT_EQ(hog.status, 137) << hog.err;
  EXPECT_EQ(told({"inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", "hog"}), "true 137");
}

TEST_F(RunCli, Rights) {
  EXPECT_EQ(in_container({"--read-only"},
                         "touch /x 2>&1"
                         " || true"),
            "touch: /x: Read-only file system");
  EXPECT_EQ(in_container({"--cap-drop", "ALL"}, "grep CapEff /proc/self/status"),
            "CapEff:\t0000000000000000");
  EXPECT_EQ(in_container({"--cap-drop", "ALL", "--cap-add", "CHOWN"}, "grep CapEff /proc/self/status"),
            "CapEff:\t0000000000000001");
  EXPECT_EQ(in_container({}, "grep CapEff /proc/self/status"), "CapEff:\t00000000a80425fb");
  EXPECT_EQ(in_container({"--security-opt", "no-new-privileges"}, "grep NoNewPrivs /proc/self/status"),
            "NoNewPrivs:\t1");
  EXPECT_EQ(in_container({"--privileged"}, "mknod /dev/loop99 b 7 99 && grep Seccomp: /proc/self/status"),
            "Seccomp:\t0");
  EXPECT_THAT(in_container({"--device", "/dev/kmsg:/dev/other:rw"}, "ls -l /dev/other"), HasSubstr("1,  11"));
  expect_refused({"run", "--rm", "--cap-add", "FLY", "demo", "true"}, 125, {"CAP_FLY"});
}

TEST_F(RunCli, NamespacesOfTheHost) {
  const std::string links =
      "readlink /proc/self/ns/net /proc/self/ns/pid /proc/self/ns/ipc /proc/self/ns/uts";
  const Outcome host = vm_test::run_program({"/bin/sh", "-c", links});
  EXPECT_EQ(in_container({"--network", "host", "--pid", "host", "--ipc", "host", "--uts", "host"},
                         "/bin/busybox " + links.substr(0, 8) +
                             " /proc/self/ns/net; for n in pid ipc uts; do /bin/busybox "
                             "readlink /proc/self/ns/$n; done") +
                "\n",
            host.out);
  EXPECT_EQ(in_container({"--network", "none"}, "ls /sys/class/net"), "lo");
}

TEST_F(RunCli, Restarts) {
  start("flaky", "echo again; exit 5", {"--restart", "on-failure:2"});
  ASSERT_TRUE(exited("flaky"));
  EXPECT_EQ(told({"inspect", "-f", "{{.RestartCount}} {{.State.ExitCode}} {{.HostConfig.RestartPolicy.Name}}",
                  "flaky"}),
            "2 5 on-failure");
  EXPECT_EQ(told({"logs", "flaky"}), "again\nagain\nagain");
  expect_refused({"run", "--rm", "--restart", "always", "demo", "true"}, 125, {"--restart", "--rm"});
  expect_refused({"run", "--restart", "sometimes", "demo", "true"}, 125, {"restart policy", "sometimes"});
}

TEST_F(RunCli, NamesLabelsAndFiles) {
  const std::string folder = "/tmp/docker-files";
  std::filesystem::create_directories(folder);
  std::filesystem::remove(folder + "/cid");
  std::ofstream(folder + "/env") << "# a comment\nFROM=file\n";
  std::ofstream(folder + "/labels") << "tier=back\n";
  start("web", "echo $FROM; sleep 1000",
        {"--label", "app=web", "--label-file", folder + "/labels", "--env-file", folder + "/env", "--cidfile",
         folder + "/cid", "--stop-signal", "KILL", "--stop-timeout", "3"});
  const auto shown = api("/containers/web/json");
  EXPECT_EQ(text_of(folder + "/cid"), shown["Id"]);
  EXPECT_EQ(shown["Config"]["Labels"], (nlohmann::json{{"app", "web"}, {"tier", "back"}}));
  EXPECT_EQ(shown["Config"]["StopSignal"], "KILL");
  EXPECT_TRUE(eventually([] { return told({"logs", "web"}) == "file"; }));
  expect_refused({"run", "-d", "--name", "web", "demo", "true"}, 125, {"\"/web\" is already in use"});
  expect_refused({"run", "-d", "--name", "we b", "demo", "true"}, 125, {"we b"});
  expect_refused({"create", "--name", "web", "demo", "true"}, 1, {"\"/web\" is already in use"});
}

TEST_F(RunCli, WhatCannotBeHeldIsRefusedByName) {
  const struct {
    Words flags;
    std::vector<std::string> parts;
  } cases[] = {
      {{"-p", "80:80"}, {"--publish"}},
      {{"-P"}, {"--publish-all"}},
      {{"--network", "bridge2"}, {"--network", "bridge2"}},
      {{"--link", "other"}, {"--link"}},
      {{"--dns", "1.1.1.1"}, {"--dns"}},
      {{"--mac-address", "02:00:00:00:00:01"}, {"--mac-address"}},
      {{"-v", "data:/data"}, {"--volume", "data:/data"}},
      {{"-v", "/data"}, {"--volume"}},
      {{"--mount", "type=volume,source=data,target=/data"}, {"--mount", "volume"}},
      {{"--volumes-from", "other"}, {"--volumes-from"}},
      {{"--volume-driver", "nfs"}, {"--volume-driver"}},
      {{"--storage-opt", "size=1g"}, {"--storage-opt"}},
      {{"--init"}, {"--init"}},
      {{"--runtime", "runc"}, {"--runtime", "runc"}},
      {{"--userns", "host"}, {"--userns"}},
      {{"--cgroupns", "host"}, {"--cgroupns"}},
      {{"--cgroup-parent", "/other"}, {"--cgroup-parent"}},
      {{"--pid", "container:other"}, {"--pid", "container:other"}},
      {{"--ipc", "container:other"}, {"--ipc", "container:other"}},
      {{"--log-driver", "syslog"}, {"--log-driver", "syslog"}},
      {{"--log-opt", "env=X"}, {"--log-opt", "env"}},
      {{"--security-opt", "apparmor=mine"}, {"--security-opt", "apparmor=mine"}},
      {{"--oom-kill-disable"}, {"--oom-kill-disable"}},
      {{"--memory-swappiness", "10"}, {"--memory-swappiness"}},
      {{"--blkio-weight", "100"}, {"--blkio-weight"}},
      {{"--device-read-bps", "/dev/null:1mb"}, {"--device-read-bps"}},
      {{"--device-cgroup-rule", "c 1:3 r"}, {"--device-cgroup-rule"}},
      {{"--gpus", "all"}, {"--gpus"}},
      {{"--health-cmd", "true"}, {"--health"}},
      {{"--cpu-rt-runtime", "1000"}, {"--cpu-rt-runtime"}},
      {{"--memory", "1m"}, {"--memory", "6 MiB"}},
      {{"--platform", "linux/s390x"}, {"platform", "linux/s390x"}},
  };
  std::vector<Refusal> all;
  for (const auto& one : cases) {
    Refusal refusal{.words = {"create"}, .parts = one.parts};
    refusal.words.insert(refusal.words.end(), one.flags.begin(), one.flags.end());
    refusal.words.insert(refusal.words.end(), {"demo", "true"});
    all.push_back(std::move(refusal));
  }
  expect_all_refused(all, 1);
}

}  // namespace
}  // namespace plimsoll::docker_test
