// The agent as a whole: every room opened, joined, served, and let go of again in order.
#pragma once

#include "agent/base/result.h"
#include "agent/daemon/config.h"

namespace plimsoll::daemon {

// Runs until SIGTERM or SIGINT; containers go on after that. Errors are what kept it from starting, each one
// line. Call with no other thread running.
Result<> run_agent(const Config& config);

}  // namespace plimsoll::daemon
