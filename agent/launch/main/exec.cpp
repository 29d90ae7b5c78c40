#include <sys/socket.h>

#include "agent/launch/main/foreground.h"
#include "agent/launch/main/verb.h"
#include "agent/launch/terminal.h"

namespace plimsoll::runtime {
namespace {

Result<launch::ExecOptions> exec_options(const Flags& flags, UniqueFd& socket) {
  launch::ExecOptions options;
  options.process_file = flags.value("--process");
  options.args.assign(flags.words().begin() + 1, flags.words().end());
  options.env = flags.values("--env");
  options.capabilities = flags.values("--cap");
  options.cwd = flags.value("--cwd");
  options.user = flags.value("--user");
  options.terminal = flags.has("--tty");
  options.no_new_privileges = flags.has("--no-new-privs");
  options.pid_file = flags.value("--pid-file");
  options.sibling = flags.has("--shim-child");
  PLIMSOLL_ASSIGN(options.preserve_fds, preserved(flags));
  PLIMSOLL_ASSIGN(options.hold_fd, flags.number("--hold-fd", -1));
  PLIMSOLL_ASSIGN(options.console_socket, console_socket(flags, socket));
  return options;
}

Result<std::string> config_of(const Context& context, const std::string& id) {
  PLIMSOLL_ASSIGN(const launch::Entry entry, launch::Store(context.roots.state).open(id));
  return entry.config();
}

}  // namespace

Result<int> run_exec(const Context& context, const Flags& flags) {
  const std::string& id = flags.words()[0];
  const bool detach = flags.has("--detach") || flags.has("--shim-child");
  UniqueFd socket;
  PLIMSOLL_ASSIGN(launch::ExecOptions options, exec_options(flags, socket));
  PLIMSOLL_ASSIGN(const std::string config, config_of(context, id));
  PLIMSOLL_ASSIGN(const launch::ProcessPlan process, launch::plan_exec(config, options));
  UniqueFd console;
  if (!detach && process.terminal && options.console_socket < 0) {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      return fail_errno("create a socket pair");
    console.reset(ends[0]);
    socket.reset(ends[1]);
    options.console_socket = socket.get();
  }
  if (!detach) hold_signals();
  PLIMSOLL_ASSIGN(launch::Spawned spawned, launch::exec(context.roots, id, process, options));
  PLIMSOLL_TRY(spawned.let_go());
  if (options.hold_fd < 0) PLIMSOLL_TRY(spawned.wait_for_exec());
  if (detach) {
    PLIMSOLL_TRY(report(context, spawned.pid()));
    spawned.release();
    return 0;
  }
  socket.reset();
  UniqueFd master;
  if (console) {
    PLIMSOLL_ASSIGN(master, launch::receive_descriptor(console.get()));
  }
  return wait_in_foreground(spawned, std::move(master));
}

}  // namespace plimsoll::runtime
