// What no single value shows: pairs that contradict each other, and policies that do.
#pragma once

#include <vector>

#include "policies/document.h"
#include "policies/host_cpus.h"

namespace plimsoll::policies {

// Pairs of limits that the kernel refuses, each of which is good alone.
void check_limits(const std::vector<LimitValue>& limits, Diagnostics& out);
// Stop and restart are for Plimsoll's own containers.
void check_ends(const Policy& policy, Diagnostics& out);
// What rules `set`: numbers that the field cannot take, lines above memory.max, and "+10%" of nothing, which
// would be refused each time the rule fires. `host` may be null.
void check_sets(const Policy& policy, const HostCpus* host, Diagnostics& out);
// Policies of one priority that set one field to different values and may select the same container.
void warn_of_ties(const std::vector<Policy>& policies, std::vector<Diagnostic>& out);

}  // namespace plimsoll::policies
