// Signals to all processes of a cgroup, without ever hitting one outside.
#pragma once

#include "agent/base/result.h"

namespace plimsoll::enforce {

// Sends `signal` to each process of the cgroup held by `folder` and of all cgroups below. Gives how many got
// it; those that end meanwhile are no error. One that is forked meanwhile may be missed: freeze first where
// that matters.
Result<int> signal_tree(int folder, int signal);

}  // namespace plimsoll::enforce
