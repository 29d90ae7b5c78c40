// run: launch without holding, wait in the foreground (or not), delete.
#include <sys/socket.h>

#include "agent/kernel/file.h"
#include "agent/launch/main/foreground.h"
#include "agent/launch/main/verb.h"
#include "agent/launch/terminal.h"

namespace plimsoll::runtime {
namespace {

// In the foreground the terminal comes to us, over a pair of our own.
Result<UniqueFd> own_console(launch::LaunchOptions& options, UniqueFd& socket) {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("create a socket pair");
  socket.reset(ends[1]);
  options.console_socket = socket.get();
  return UniqueFd(ends[0]);
}

}  // namespace

Result<int> run_run(const Context& context, const Flags& flags) {
  const std::string& id = flags.words()[0];
  const bool detach = flags.has("--detach");
  UniqueFd socket;
  PLIMSOLL_ASSIGN(launch::LaunchOptions options, launch_options(flags, socket));
  options.hold = false;
  UniqueFd console;
  if (!detach && options.console_socket < 0) {
    PLIMSOLL_ASSIGN(console, own_console(options, socket));
  }
  if (!detach) hold_signals();
  PLIMSOLL_ASSIGN(launch::Spawned spawned, launch::launch(context.roots, context.clock, id, options));
  if (detach) {
    spawned.release();
    return 0;
  }
  socket.reset();
  UniqueFd master;
  if (console) {
    // Without a terminal nothing was sent, and there is none.
    if (auto received = launch::receive_descriptor(console.get())) master = std::move(*received);
  }
  auto status = wait_in_foreground(spawned, std::move(master));
  PLIMSOLL_TRY(launch::remove(context.roots, id, true));
  return status;
}

}  // namespace plimsoll::runtime
