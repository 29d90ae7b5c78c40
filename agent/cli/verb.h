// A verb of the command line. All of them stand in the table of verbs.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/cli/connection.h"

namespace plimsoll::cli {

using Words = std::vector<std::string>;

// Gives the exit status. An Error is printed as one line by the caller, which exits with 1 (125 for run, as
// Docker's).
using RunVerb = Result<int> (*)(const Connection& agent, const Words& args);

struct Verb {
  std::string_view name;
  std::string_view summary;
  RunVerb run;
};

std::span<const Verb> verbs();
const Verb* find_verb(std::string_view name);

// Exit statuses that Docker's users know.
inline constexpr int kExitCannotRun = 125;      // the container could not be made or started
inline constexpr int kExitNotExecutable = 126;  // its command cannot be executed
inline constexpr int kExitNoCommand = 127;      // its command was not found
// What a failed start means for the exit status: 125, 126 or 127.
int exit_status_of_failed_start(const Error& error);

Result<int> run(const Connection& agent, const Words& args);
Result<int> create(const Connection& agent, const Words& args);
Result<int> start(const Connection& agent, const Words& args);
Result<int> stop(const Connection& agent, const Words& args);
Result<int> restart(const Connection& agent, const Words& args);
Result<int> kill(const Connection& agent, const Words& args);
Result<int> rm(const Connection& agent, const Words& args);
Result<int> wait(const Connection& agent, const Words& args);
Result<int> ps(const Connection& agent, const Words& args);
Result<int> logs(const Connection& agent, const Words& args);
Result<int> attach(const Connection& agent, const Words& args);
Result<int> exec(const Connection& agent, const Words& args);
Result<int> inspect(const Connection& agent, const Words& args);
Result<int> stats(const Connection& agent, const Words& args);
Result<int> top(const Connection& agent, const Words& args);
Result<int> images(const Connection& agent, const Words& args);
Result<int> import_image(const Connection& agent, const Words& args);
Result<int> rmi(const Connection& agent, const Words& args);
Result<int> tag(const Connection& agent, const Words& args);
Result<int> events(const Connection& agent, const Words& args);
Result<int> decisions(const Connection& agent, const Words& args);
Result<int> export_history(const Connection& agent, const Words& args);
Result<int> recommend(const Connection& agent, const Words& args);
Result<int> noisy(const Connection& agent, const Words& args);
Result<int> oom(const Connection& agent, const Words& args);
Result<int> version(const Connection& agent, const Words& args);

}  // namespace plimsoll::cli
