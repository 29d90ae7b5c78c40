#include "agent/shim/runtime_child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "agent/launch/process_setup.h"
#include "agent/launch/terminal.h"

namespace plimsoll::shim {
namespace {

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> make_pipe() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("create a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Descriptors of a child: those for 0, 1 and 2 (-1: /dev/null), and those it inherits under their number.
struct ChildFds {
  std::array<int, 3> stdio = {-1, -1, -1};
  std::vector<int> inherited;
};

[[noreturn]] void become_runtime(const std::vector<std::string>& words, const ChildFds& fds, int parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != parent) ::_exit(1);  // it died before that took hold
  launch::reset_signals();
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int target = 0; target < 3; ++target) {
    const int source = fds.stdio[static_cast<std::size_t>(target)];
    if (::dup2(source >= 0 ? source : null, target) < 0) ::_exit(1);
  }
  for (const int fd : fds.inherited) {
    if (fd >= 0) ::fcntl(fd, F_SETFD, 0);
  }
  std::vector<char*> args;
  for (const std::string& word : words) args.push_back(const_cast<char*>(word.c_str()));
  args.push_back(nullptr);
  ::execv("/proc/self/exe", args.data());
  ::_exit(127);
}

Result<int> fork_runtime(const std::vector<std::string>& words, const ChildFds& fds) {
  const int parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork the runtime");
  if (pid == 0) become_runtime(words, fds, parent);
  return pid;
}

std::string read_to_end(int fd) {
  std::string out;
  std::array<char, 1024> buffer{};
  while (true) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return out;
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

std::vector<std::string> runtime_words(const Options& options, int report) {
  return {"plimsoll-runtime",  "--root",      options.root,          "--cgroup-root",
          options.cgroup_root, "--report-fd", std::to_string(report)};
}

// The two numbers of "PID STARTTIME\n".
Result<> read_report(const std::string& text, Held& held) {
  char* rest = nullptr;
  held.pid = static_cast<int>(std::strtol(text.c_str(), &rest, 10));
  held.start_time = std::strtoull(rest, nullptr, 10);
  if (held.pid <= 0) return fail("the runtime reported no process");
  return {};
}

// What make_process gives its child, and keeps open for as long as that takes.
struct Ends {
  Pipe report, in, out, err, gate;
  UniqueFd console, console_peer;
  ChildFds fds;
};

Result<Ends> make_ends(const Options& options) {
  Ends ends;
  PLIMSOLL_ASSIGN(ends.report, make_pipe());
  ends.fds.inherited = {ends.report.write.get()};
  if (options.is_exec()) {
    PLIMSOLL_ASSIGN(ends.gate, make_pipe());
    ends.fds.inherited.push_back(ends.gate.read.get());
  }
  if (options.tty) {
    int pair[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
      return fail_errno("create a socket pair");
    ends.console.reset(pair[0]);
    ends.console_peer.reset(pair[1]);
    ends.fds.inherited.push_back(ends.console_peer.get());
    return ends;
  }
  PLIMSOLL_ASSIGN(ends.out, make_pipe());
  PLIMSOLL_ASSIGN(ends.err, make_pipe());
  if (options.open_stdin) {
    PLIMSOLL_ASSIGN(ends.in, make_pipe());
  }
  ends.fds.stdio = {ends.in.read.get(), ends.out.write.get(), ends.err.write.get()};
  return ends;
}

}  // namespace

Result<Held> make_process(const Options& options) {
  PLIMSOLL_ASSIGN(Ends ends, make_ends(options));
  std::vector<std::string> words = runtime_words(options, ends.report.write.get());
  const auto add = [&words](std::initializer_list<std::string> more) { words.insert(words.end(), more); };
  if (options.is_exec()) {
    add({"exec", "--shim-child", "--process", options.process, "--hold-fd",
         std::to_string(ends.gate.read.get())});
  } else {
    add({"create", "--shim-child", "--bundle", options.bundle});
  }
  if (options.tty) add({"--console-fd", std::to_string(ends.console_peer.get())});
  add({options.id});
  PLIMSOLL_ASSIGN(const int runtime, fork_runtime(words, ends.fds));
  for (UniqueFd* theirs : {&ends.report.write, &ends.in.read, &ends.out.write, &ends.err.write,
                           &ends.gate.read, &ends.console_peer}) {
    theirs->reset();
  }
  const std::string report = read_to_end(ends.report.read.get());
  int status = 0;
  while (::waitpid(runtime, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) return fail(report.empty() ? "the runtime ended without a word" : report);
  Held held;
  PLIMSOLL_TRY(read_report(report, held));
  if (options.tty) {
    PLIMSOLL_ASSIGN(held.terminal, launch::receive_descriptor(ends.console.get()));
  }
  held.in = std::move(ends.in.write);
  held.out = std::move(ends.out.read);
  held.err = std::move(ends.err.read);
  held.gate = std::move(ends.gate.write);
  return held;
}

Result<int> start_delete(const Options& options) {
  std::vector<std::string> words = runtime_words(options, -1);
  words.resize(5);
  words.insert(words.end(), {"delete", "--force", options.id});
  return fork_runtime(words, {});
}

}  // namespace plimsoll::shim
