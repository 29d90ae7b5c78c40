#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/cli/flags.h"
#include "agent/daemon/config.h"
#include "agent/daemon/doctor.h"
#include "agent/daemon/verbs.h"
#include "agent/kernel/file.h"

namespace plimsoll::daemon {
namespace {

// proc(5), /proc/pid/status: "CapEff:\t000001ffffffffff".
std::uint64_t own_capabilities() {
  const auto text = kernel::read_file("/proc/self/status");
  if (!text) return 0;
  const auto at = text->find("CapEff:");
  return at == std::string::npos ? 0 : std::strtoull(text->c_str() + at + 7, nullptr, 16);
}

Result<Privileges> own_privileges() {
  Privileges own{.capabilities = own_capabilities()};
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  own.open_files = files.rlim_cur;
  std::error_code error;
  own.runtime_binary =
      (std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / "plimsoll-runtime").string();
  own.has_runtime_binary = ::access(own.runtime_binary.c_str(), X_OK) == 0;
  return own;
}

std::vector<Finding> examine_running_agent(const cli::Connection& agent) {
  const auto health = agent.get("/plimsoll/v1/health");
  if (!health) {
    return {{"agent", Health::kLimited, health.error().message(),
             "plimsoll agent, or name its socket with -H or PLIMSOLL_HOST"}};
  }
  const auto policies = agent.get("/plimsoll/v1/policies");
  return examine_agent(health->dump(), policies ? policies->dump() : "");
}

}  // namespace

Result<int> doctor_verb(const cli::Connection& agent, const cli::Words& args) {
  std::string format;
  cli::Flags flags(
      "doctor [FLAGS]",
      "Say what this host can and cannot do, and what to do about it. Exit status: 0 all good or\n"
      "limited, 1 something is bad",
      "plimsoll doctor --format json");
  flags.value(0, "format", format, "FORMAT", "text or json (text)");
  PLIMSOLL_ASSIGN(const cli::Words words, flags.parse(args));
  if (flags.help_asked()) {
    fmt::print("{}", flags.help());
    return 0;
  }
  if (!words.empty()) return std::unexpected(flags.misuse("no words"));
  if (!format.empty() && format != "json" && format != "text") {
    return invalid("--format '" + format + "': expected text or json");
  }
  const kernel::HostRoots roots{.proc = "/proc", .sys = "/sys", .etc = "/etc"};
  PLIMSOLL_ASSIGN(const model::HostFacts facts, kernel::read_host_facts(roots));
  PLIMSOLL_ASSIGN(const Privileges privileges, own_privileges());
  std::vector<Finding> findings = examine_host(roots, facts, privileges);
  for (Finding& one : examine_running_agent(agent)) findings.push_back(std::move(one));
  fmt::print("{}", format == "json" ? findings_json(findings) + "\n" : findings_text(findings));
  return worst(findings) == Health::kBad ? 1 : 0;
}

}  // namespace plimsoll::daemon
