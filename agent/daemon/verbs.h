// The verbs that work on this host rather than ask the agent, or that are the agent.
#pragma once

#include "agent/cli/verb.h"

namespace plimsoll::daemon {

Result<int> agent_verb(const cli::Connection& agent, const cli::Words& args);
Result<int> policy_verb(const cli::Connection& agent, const cli::Words& args);
Result<int> pause_verb(const cli::Connection& agent, const cli::Words& args);
Result<int> doctor_verb(const cli::Connection& agent, const cli::Words& args);

}  // namespace plimsoll::daemon
