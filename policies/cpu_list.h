// "0-3,6": the lists of cpuset.cpus.
#pragma once

#include <string>
#include <string_view>

#include "policies/host_cpus.h"

namespace plimsoll::policies {

// What was expected of such a list; empty where it is a good one. `host` may be null: any machine.
std::string wanted_of_cpus(std::string_view list, const HostCpus* host);

}  // namespace plimsoll::policies
