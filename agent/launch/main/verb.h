// A verb of plimsoll-runtime: one function in one file, listed in verbs.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/launch/lifecycle.h"
#include "agent/launch/main/flags.h"

namespace plimsoll::runtime {

struct Context {
  launch::Roots roots;
  SystemClock clock;
  int report_fd = -1;  // the shim's: gets "PID STARTTIME" of what was made, or the error
};

struct Verb {
  std::string_view name, arguments, summary, example;
  std::vector<Flag> flags;
  bool stop_at_word = false;
  std::size_t least_words = 1, most_words = 1;
  int error_status = 1;  // exit status of a failure; runc's exec has 255
  // The exit status.
  Result<int> (*run)(const Context& context, const Flags& flags) = nullptr;
};

std::span<const Verb> verbs();

Result<int> run_create(const Context& context, const Flags& flags);
Result<int> run_run(const Context& context, const Flags& flags);
Result<int> run_start(const Context& context, const Flags& flags);
Result<int> run_state(const Context& context, const Flags& flags);
Result<int> run_kill(const Context& context, const Flags& flags);
Result<int> run_delete(const Context& context, const Flags& flags);
Result<int> run_exec(const Context& context, const Flags& flags);
Result<int> run_list(const Context& context, const Flags& flags);

// --bundle, --pid-file, --console-socket, --preserve-fds, --no-pivot, --no-new-keyring as options. Connects
// the console socket, which `socket` then owns.
Result<launch::LaunchOptions> launch_options(const Flags& flags, UniqueFd& socket);
// Flag --preserve-fds: each of 3 .. 2+N must be there, or one of ours could take its place.
Result<int> preserved(const Flags& flags);
Result<> print(std::string_view text);  // to stdout
// Flags --console-socket and --console-fd: the connected socket that gets the terminal, owned by `owner`; -1
// where neither is given.
Result<int> console_socket(const Flags& flags, UniqueFd& owner);
// Tells the shim who was made.
Result<> report(const Context& context, int pid);

}  // namespace plimsoll::runtime
