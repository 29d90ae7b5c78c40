// What the loader may know of the machine that a policy is for.
#pragma once

#include <cstddef>

namespace plimsoll::policies {

struct HostFacts {
  std::size_t cpus = 1;      // online
  std::size_t last_cpu = 0;  // the highest number of one
};

}  // namespace plimsoll::policies
