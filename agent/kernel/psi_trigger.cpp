#include "agent/kernel/psi_trigger.h"

#include <fcntl.h>
#include <unistd.h>

namespace plimsoll::kernel {
namespace {

constexpr Microseconds kUnprivilegedStep{2'000'000};

// 0, or errno.
int arm(int fd, PsiThreshold threshold) {
  const std::string text =
      "some " + std::to_string(threshold.stall.count()) + " " + std::to_string(threshold.window.count());
  // The kernel wants the terminating zero in the write, too.
  while (::write(fd, text.c_str(), text.size() + 1) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

bool refused_for_privilege(int error) { return error == EINVAL || error == EPERM; }

}  // namespace

PsiThreshold unprivileged(PsiThreshold wanted) {
  const auto steps = (wanted.window + kUnprivilegedStep - Microseconds(1)) / kUnprivilegedStep;
  const Microseconds window = kUnprivilegedStep * (steps < 1 ? 1 : steps);
  const double share = static_cast<double>(wanted.stall.count()) / static_cast<double>(wanted.window.count());
  return {Microseconds(static_cast<std::int64_t>(share * static_cast<double>(window.count()))), window};
}

Result<PsiTrigger> PsiTrigger::open(int dir, const std::string& file, PsiThreshold wanted) {
  UniqueFd fd(::openat(dir, file.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return fail_errno("open PSI trigger " + file);
  int error = arm(fd.get(), wanted);
  if (refused_for_privilege(error)) {
    wanted = unprivileged(wanted);
    error = arm(fd.get(), wanted);
  }
  if (error == 0) return PsiTrigger(std::move(fd), wanted);
  Error failure = Error::from_errno("set PSI trigger on " + file, error);
  const bool unsupported = refused_for_privilege(error) || error == EOPNOTSUPP;
  return std::unexpected(unsupported ? std::move(failure).as(ErrorKind::kUnsupported) : std::move(failure));
}

}  // namespace plimsoll::kernel
