#include "agent/kernel/pidfd.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace plimsoll::kernel {
namespace {

// glibc 2.36 has wrappers for these, older ones do not. ESRCH is "not found" like any other.
Error process_error(const std::string& doing) {
  const int number = errno;
  Error error = Error::from_errno(doing, number);
  return number == ESRCH ? std::move(error).as(ErrorKind::kNotFound) : std::move(error);
}

}  // namespace

Result<Pidfd> Pidfd::open(int pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));  // close-on-exec by definition
  if (!fd) return std::unexpected(process_error("open process " + std::to_string(pid)));
  return Pidfd(std::move(fd));
}

bool Pidfd::ended() const {
  pollfd poll_one{fd_.get(), POLLIN, 0};
  return ::poll(&poll_one, 1, 0) == 1;
}

Result<> Pidfd::signal(int number) const {
  if (::syscall(SYS_pidfd_send_signal, fd_.get(), number, nullptr, 0) == 0) return {};
  return std::unexpected(process_error("send signal " + std::to_string(number)));
}

}  // namespace plimsoll::kernel
