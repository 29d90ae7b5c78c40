// plimsoll: the agent, and the command line that asks it.
#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <exception>

#include "agent/base/version.h"
#include "agent/cli/verb.h"
#include "agent/daemon/config.h"
#include "agent/daemon/verbs.h"

namespace plimsoll {
namespace {

constexpr std::array kOwnVerbs = {
    cli::Verb{"agent", "Run the agent in the foreground", daemon::agent_verb},
    cli::Verb{"policy", "Check, list and explain policies", daemon::policy_verb},
    cli::Verb{"pause", "Stop all enforcement on this host, or let it go on", daemon::pause_verb},
    cli::Verb{"doctor", "Say what this host can and cannot do, and what to do about it", daemon::doctor_verb},
};

const cli::Verb* find(std::string_view name) {
  for (const cli::Verb& verb : kOwnVerbs) {
    if (verb.name == name) return &verb;
  }
  return cli::find_verb(name);
}

void print_help(FILE* to) {
  fmt::print(to,
             "Launches containers, watches every container on this host, holds them to limits.\n\n"
             "Usage: plimsoll [-H SOCKET] VERB [ARGUMENTS]\n\nVerbs:\n");
  for (const std::span<const cli::Verb> verbs : {std::span<const cli::Verb>(kOwnVerbs), cli::verbs()}) {
    for (const cli::Verb& verb : verbs) fmt::print(to, "  {:<10} {}\n", verb.name, verb.summary);
  }
  fmt::print(to,
             "\nFlags:\n  -H, --host SOCKET   the agent's Unix socket, or tcp://IPV4:PORT for its public "
             "pages\n                      (PLIMSOLL_HOST, else {})\n"
             "\nplimsoll VERB --help says more of one.\n\nExample:\n  plimsoll run --rm demo echo hello\n",
             daemon::kDefaultSocket);
}

int run(cli::Words words) {
  const char* named = std::getenv("PLIMSOLL_HOST");
  std::string socket = named != nullptr && *named != '\0' ? named : daemon::kDefaultSocket;
  while (!words.empty() && words[0].starts_with('-')) {
    const std::string flag = words[0];
    if (flag == "-h" || flag == "--help") return print_help(stdout), 0;
    if (flag == "-v" || flag == "--version") return fmt::print("plimsoll {}\n", kVersion), 0;
    std::size_t used = 1;
    if (flag.starts_with("--host=")) {
      socket = flag.substr(7);
    } else if ((flag == "-H" || flag == "--host") && words.size() > 1) {
      socket = words[1];
      used = 2;
    } else {
      fmt::print(stderr, "plimsoll: unknown flag {}, or its value is missing; see plimsoll --help\n", flag);
      return 1;
    }
    words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(used));
  }
  if (words.empty() || words[0] == "help")
    return print_help(words.empty() ? stderr : stdout), words.empty() ? 1 : 0;
  const std::string name = words[0];
  const cli::Verb* verb = find(name);
  if (verb == nullptr) {
    fmt::print(stderr, "plimsoll: unknown verb '{}'; see plimsoll --help\n", name);
    return 1;
  }
  words.erase(words.begin());
  const auto status = verb->run(cli::Connection(std::move(socket)), words);
  if (status) return *status;
  fmt::print(stderr, "plimsoll: {}\n", status.error().message());
  return name == "run" ? cli::kExitCannotRun : 1;
}

}  // namespace
}  // namespace plimsoll

int main(int argc, char** argv) {
  try {
    return plimsoll::run(plimsoll::cli::Words(argv + 1, argv + argc));
  } catch (const std::exception& error) {  // out of memory, or a fault of ours
    std::fprintf(stderr, "plimsoll: %s\n", error.what());
    return 1;
  }
}
