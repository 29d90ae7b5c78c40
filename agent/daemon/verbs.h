// The verbs that work on this host rather than ask the agent, or that are the agent.
#pragma once

#include <vector>

#include "agent/cli/verb.h"
#include "policies/document.h"

namespace plimsoll::daemon {

// What --format asks for: "json", or "text" (the default). kInvalid for anything else.
Result<bool> wants_json(const std::string& format);

// The policies in files, folders (all of theirs) and pipes.
Result<std::vector<policies::PolicyFile>> read_files(const cli::Words& names);
// `plimsoll policy test`.
Result<int> policy_test(const cli::Words& args);

Result<int> agent_verb(const cli::Connection& agent, const cli::Words& args);
Result<int> policy_verb(const cli::Connection& agent, const cli::Words& args);
Result<int> pause_verb(const cli::Connection& agent, const cli::Words& args);
Result<int> doctor_verb(const cli::Connection& agent, const cli::Words& args);

}  // namespace plimsoll::daemon
