#include "agent/daemon/host_cpus.h"

#include <unistd.h>

#include <algorithm>

namespace plimsoll::daemon {

policies::HostCpus host_cpus() {
  const auto online = static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  const auto present = static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_CONF)));
  return {.online = online, .last = std::max(online, present) - 1};
}

}  // namespace plimsoll::daemon
