#include "agent/watch/descriptor_budget.h"

#include <sys/resource.h>

#include <algorithm>

namespace plimsoll::watch {

DescriptorBudget DescriptorBudget::of_this_process() {
  constexpr std::uint64_t kAtLeast = 256;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return DescriptorBudget(0);
  if (limit.rlim_cur < limit.rlim_max) {
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  const std::uint64_t all = limit.rlim_cur;
  const std::uint64_t reserve = std::max(kAtLeast, all / 2);
  return DescriptorBudget(all > reserve ? all - reserve : 0);
}

}  // namespace plimsoll::watch
