// A PSI trigger (Documentation/accounting/psi.rst): the kernel signals POLLPRI when a resource was stalled
// for longer than `stall` within `window`. The trigger lives as long as its descriptor.
//
// Poll the descriptor itself (poll, or an epoll set that holds it directly): polling takes the signal away,
// so an epoll set inside another epoll set loses it between the two.
#pragma once

#include <chrono>
#include <string>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/base/units.h"

namespace plimsoll::kernel {

struct PsiThreshold {
  Microseconds stall{50'000};
  Microseconds window{500'000};  // 500 ms to 10 s
};

class PsiTrigger {
 public:
  // `file` is "memory.pressure" below a cgroup's descriptor `dir`, or a path like "/proc/pressure/memory"
  // with AT_FDCWD. Without CAP_SYS_RESOURCE the kernel refuses windows that are no multiple of 2 s: the next
  // such window with the same share of stall is taken instead, and threshold() says so. kNotFound: the cgroup
  // is gone; kUnsupported: no PSI here, or no triggers without privilege (before 6.4).
  static Result<PsiTrigger> open(int dir, const std::string& file, PsiThreshold wanted);

  int fd() const { return fd_.get(); }
  const PsiThreshold& threshold() const { return threshold_; }  // as the kernel took it

 private:
  PsiTrigger(UniqueFd fd, PsiThreshold threshold) : fd_(std::move(fd)), threshold_(threshold) {}
  UniqueFd fd_;
  PsiThreshold threshold_;
};

// The threshold that an unprivileged process may ask for in place of `wanted`.
PsiThreshold unprivileged(PsiThreshold wanted);

}  // namespace plimsoll::kernel
