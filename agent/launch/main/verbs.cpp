#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "agent/base/units.h"
#include "agent/launch/main/verb.h"
#include "agent/launch/terminal.h"

namespace plimsoll::runtime {
namespace {

const std::vector<Flag>& launch_flags() {
  static const std::vector<Flag> flags = {{"--bundle", "-b"},        {"--pid-file"},
                                          {"--console-socket"},      {"--preserve-fds"},
                                          {"--no-pivot", "", false}, {"--no-new-keyring", "", false},
                                          {"--console-fd"},          {"--shim-child", "", false}};
  return flags;
}

std::vector<Flag> with(std::vector<Flag> flags, std::initializer_list<Flag> more) {
  flags.insert(flags.end(), more);
  return flags;
}

}  // namespace

std::span<const Verb> verbs() {
  static const std::array<Verb, 8> table = {
      Verb{.name = "create",
           .arguments = "[flags] ID",
           .summary = "make a container that waits for `start`",
           .example = "create --bundle /srv/web --pid-file /run/web.pid web",
           .flags = launch_flags(),
           .run = run_create},
      Verb{.name = "start",
           .arguments = "ID",
           .summary = "run the program of a created container",
           .example = "start web",
           .run = run_start},
      Verb{.name = "state",
           .arguments = "ID",
           .summary = "print a container's state as JSON",
           .example = "state web",
           .run = run_state},
      Verb{.name = "kill",
           .arguments = "[--all] ID [SIGNAL]",
           .summary = "send a signal (default: TERM) to a container",
           .example = "kill web KILL",
           .flags = {{"--all", "-a", false}},
           .most_words = 2,
           .run = run_kill},
      Verb{.name = "delete",
           .arguments = "[--force] ID",
           .summary = "remove a stopped container's cgroup and state",
           .example = "delete --force web",
           .flags = {{"--force", "-f", false}},
           .run = run_delete},
      Verb{.name = "run",
           .arguments = "[flags] ID",
           .summary = "create, start, wait for the end and delete; its exit status is the container's",
           .example = "run --bundle /srv/web web",
           .flags = with(launch_flags(), {{"--detach", "-d", false}}),
           .run = run_run},
      Verb{.name = "exec",
           .arguments = "[flags] ID [COMMAND [ARGUMENT...]]",
           .summary = "run a further process in a running container",
           .example = "exec --tty --user 1000:1000 web sh",
           .flags = {{"--process", "-p"},
                     {"--tty", "-t", false},
                     {"--user", "-u"},
                     {"--cwd"},
                     {"--env", "-e"},
                     {"--cap", "-c"},
                     {"--no-new-privs", "", false},
                     {"--detach", "-d", false},
                     {"--pid-file"},
                     {"--console-socket"},
                     {"--preserve-fds"},
                     {"--console-fd"},
                     {"--hold-fd"},
                     {"--shim-child", "", false}},
           .stop_at_word = true,
           .most_words = static_cast<std::size_t>(-1),
           .error_status = 255,
           .run = run_exec},
      Verb{.name = "list",
           .arguments = "[flags]",
           .summary = "list the containers of this state folder",
           .example = "list --format json",
           .flags = {{"--format", "-f"}, {"--quiet", "-q", false}},
           .least_words = 0,
           .most_words = 0,
           .run = run_list},
  };
  return table;
}

Result<int> preserved(const Flags& flags) {
  PLIMSOLL_ASSIGN(const int count, flags.number("--preserve-fds", 0));
  for (int fd = 3; fd < 3 + count; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) return fail_errno("--preserve-fds: descriptor " + std::to_string(fd));
  }
  for (int fd = 3; fd < 3 + count; ++fd) ::fcntl(fd, F_SETFD, 0);
  return count;
}

Result<launch::LaunchOptions> launch_options(const Flags& flags, UniqueFd& socket) {
  launch::LaunchOptions options;
  options.bundle = flags.value("--bundle", ".");
  options.pid_file = flags.value("--pid-file");
  PLIMSOLL_ASSIGN(options.preserve_fds, preserved(flags));
  options.no_pivot = flags.has("--no-pivot");
  options.new_keyring = !flags.has("--no-new-keyring");
  options.sibling = flags.has("--shim-child");
  PLIMSOLL_ASSIGN(options.console_socket, console_socket(flags, socket));
  return options;
}

Result<int> console_socket(const Flags& flags, UniqueFd& owner) {
  PLIMSOLL_ASSIGN(const int inherited, flags.number("--console-fd", -1));
  if (inherited >= 0) {
    owner.reset(inherited);
    ::fcntl(inherited, F_SETFD, FD_CLOEXEC);
  } else if (flags.has("--console-socket")) {
    PLIMSOLL_ASSIGN(owner, launch::connect_unix(flags.value("--console-socket")));
  }
  return owner.get();
}

Result<> report(const Context& context, int pid) {
  if (context.report_fd < 0) return {};
  const auto started = launch::start_time(context.roots.proc, pid);
  const std::string line = std::to_string(pid) + " " + std::to_string(started.value_or(0)) + "\n";
  if (::write(context.report_fd, line.data(), line.size()) < 0) return fail_errno("report to the shim");
  return {};
}

Result<> print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(STDOUT_FILENO, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail_errno("write to standard output");
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

}  // namespace plimsoll::runtime
