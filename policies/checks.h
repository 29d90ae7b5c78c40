// What no single value shows: pairs that contradict each other, and policies that do.
#pragma once

#include <vector>

#include "policies/document.h"

namespace plimsoll::policies {

// Pairs of limits that the kernel refuses, each of which is good alone.
void check_limits(const std::vector<LimitValue>& limits, Diagnostics& out);
// "+10%" in a `set` is of what the container has: of nothing, it is refused each time the rule fires.
// A `freeze` that nothing in its rule ends.
void check_freezes(const Rule& rule, Diagnostics& out);
void check_changes(const Policy& policy, const Rule& rule, Diagnostics& out);
// Policies of one priority that set one field to different values and may select the same container.
void warn_of_ties(const std::vector<Policy>& policies, std::vector<Diagnostic>& out);

}  // namespace plimsoll::policies
