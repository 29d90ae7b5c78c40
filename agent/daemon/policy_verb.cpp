#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>

#include "agent/cli/flags.h"
#include "agent/daemon/host_cpus.h"
#include "agent/daemon/verbs.h"
#include "agent/kernel/file.h"
#include "policies/document.h"
#include "policies/policy_files.h"
#include "policies/render.h"
#include "policies/schema.h"
#include "policies/signal.h"

namespace plimsoll::daemon {
namespace {

constexpr const char* kHelp = R"(Check, list and explain policies

Usage: plimsoll policy COMMAND

Commands:
  check FILE...       say what is wrong with policy files or folders; works without an agent
  list                the policies that the agent has in force
  explain CONTAINER   what holds for a container, where each value comes from, and each rule's state
  test FILE...        what policies would have done to what was recorded
  signals             what conditions can read
  schema              the JSON Schema of policy files, for editors

Example:
  plimsoll policy check /etc/plimsoll/policies
)";
constexpr int kUnreadable = 2;

}  // namespace

Result<std::vector<policies::PolicyFile>> read_files(const cli::Words& names) {
  std::vector<policies::PolicyFile> files;
  for (const std::string& name : names) {
    std::error_code error;
    if (!std::filesystem::is_directory(name, error)) {
      // A pipe (/dev/stdin, <(...)) has no state that could change while it is read.
      const bool file = std::filesystem::is_regular_file(name, error);
      PLIMSOLL_ASSIGN(std::string text, file ? policies::read_policy_file(name) : kernel::read_file(name));
      files.push_back({name, std::move(text)});
      continue;
    }
    PLIMSOLL_ASSIGN(auto inside, policies::read_folder(name));
    std::ranges::move(inside, std::back_inserter(files));
  }
  return files;
}

namespace {

Result<int> check(const cli::Words& args) {
  bool strict = false, any_host = false;
  std::string format;
  cli::Flags flags(
      "policy check [FLAGS] FILE...",
      "Say what is wrong with policy files or folders, all of it, with file:line:column, on this host. Exit\n"
      "status: 0 good, 1 something is wrong, 2 a file could not be read",
      "plimsoll policy check --strict policies/*.yaml");
  flags.flag(0, "strict", strict, "warnings are errors")
      .flag(0, "any-host", any_host, "not for this host alone: more CPUs than it has are no error")
      .value(0, "format", format, "FORMAT", "text or json (text)");
  PLIMSOLL_ASSIGN(const auto names, flags.take(args, {.least = 1}, "at least one file or folder"));
  if (!names) return 0;
  PLIMSOLL_ASSIGN(const bool as_json, wants_json(format));
  const auto files = read_files(*names);
  if (!files) {
    fmt::print(stderr, "plimsoll policy check: {}\n", files.error().message());
    return kUnreadable;
  }
  const policies::LoadOutcome outcome =
      policies::load_texts(*files, any_host ? std::nullopt : std::optional(host_cpus()));
  fmt::print("{}", as_json ? policies::check_json(outcome) + "\n" : policies::check_text(outcome));
  return policies::check_status(outcome, strict);
}

// Prints what the agent says at `target`, in its own words.
Result<int> show(const cli::Connection& agent, std::string target, const std::string& format) {
  PLIMSOLL_ASSIGN(const bool as_json, wants_json(format));
  if (!as_json) target += "?format=text";
  PLIMSOLL_ASSIGN(const auto stream, agent.open("GET", target));
  std::array<char, 16384> chunk{};
  while (true) {
    PLIMSOLL_ASSIGN(const std::size_t got, stream->read(chunk));
    if (got == 0) return 0;
    std::fwrite(chunk.data(), 1, got, stdout);
  }
}

Result<int> list(const cli::Connection& agent, const cli::Words& args) {
  std::string format;
  cli::Flags flags("policy list [FLAGS]",
                   "The policies that the agent has in force, and what is wrong with their folder",
                   "plimsoll policy list");
  flags.value(0, "format", format, "FORMAT", "text or json (text)");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 0}, "no words"));
  if (!words) return 0;
  return show(agent, "/plimsoll/v1/policies", format);
}

Result<int> explain(const cli::Connection& agent, const cli::Words& args) {
  std::string format;
  cli::Flags flags("policy explain [FLAGS] CONTAINER",
                   "What holds for a container, where each value comes from, and each rule's state",
                   "plimsoll policy explain leaky");
  flags.value(0, "format", format, "FORMAT", "text or json (text)");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.least = 1, .most = 1}, "one container"));
  if (!words) return 0;
  return show(agent, "/plimsoll/v1/policies/explain/" + cli::encode((*words)[0]), format);
}

Result<int> signals(const cli::Words& args) {
  cli::Flags flags("policy signals", "What conditions can read", "plimsoll policy signals");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 0}, "no words"));
  if (!words) return 0;
  for (const policies::SignalInfo& signal : policies::signals()) {
    fmt::print("{:<28} {:<22} {}{}\n", signal.name, policies::describe(signal.unit), signal.description,
               signal.probe.empty() ? "" : fmt::format(" (BPF probe {})", signal.probe));
  }
  return 0;
}

Result<int> schema(const cli::Words& args) {
  cli::Flags flags("policy schema", "The JSON Schema (draft 2020-12) of policy files, for editors",
                   "plimsoll policy schema > plimsoll-policy.json");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 0}, "no words"));
  if (words) fmt::print("{}", policies::schema_json());
  return 0;
}

}  // namespace

Result<bool> wants_json(const std::string& format) {
  if (format == "json") return true;
  if (format.empty() || format == "text") return false;
  return invalid("--format '" + format + "': expected text or json");
}

Result<int> policy_verb(const cli::Connection& agent, const cli::Words& args) {
  const std::string command = args.empty() ? "" : args[0];
  const cli::Words rest(args.empty() ? args.begin() : args.begin() + 1, args.end());
  if (command == "check") return check(rest);
  if (command == "list" || command == "ls") return list(agent, rest);
  if (command == "explain") return explain(agent, rest);
  if (command == "test") return policy_test(rest);
  if (command == "signals") return signals(rest);
  if (command == "schema") return schema(rest);
  if (command == "--help" || command == "-h") return fmt::print("{}", kHelp), 0;
  return invalid((command.empty() ? "policy: no command" : "policy: unknown command '" + command + "'") +
                 "; see plimsoll policy --help");
}

Result<int> pause_verb(const cli::Connection& agent, const cli::Words& args) {
  bool resume = false;
  cli::Flags flags("pause [FLAGS]",
                   "Stop all enforcement on this host at once: what is set stays, nothing more is done",
                   "plimsoll pause --resume");
  flags.flag(0, "resume", resume, "let enforcement go on");
  PLIMSOLL_ASSIGN(const auto words,
                  flags.take(args, {.most = 0}, "no words; containers are paused by docker pause"));
  if (!words) return 0;
  PLIMSOLL_TRY(agent.post(std::string("/plimsoll/v1/pause?paused=") + (resume ? "false" : "true")));
  fmt::print("{}\n", resume ? "enforcement goes on" : "all enforcement is paused");
  return 0;
}

}  // namespace plimsoll::daemon
