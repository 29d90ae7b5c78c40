// The CPUs of the machine that a policy is for.
#pragma once

#include <cstddef>

namespace plimsoll::policies {

struct HostCpus {
  std::size_t online = 1;
  std::size_t last = 0;  // the highest number that one has, online or not
};

}  // namespace plimsoll::policies
