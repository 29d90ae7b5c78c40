#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/cli/flags.h"
#include "agent/daemon/config.h"
#include "agent/daemon/doctor.h"
#include "agent/daemon/verbs.h"
#include "agent/kernel/process.h"

namespace plimsoll::daemon {
namespace {

Result<Privileges> own_privileges() {
  Privileges own{.capabilities = kernel::effective_capabilities("/proc", "self")};
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  own.open_files = files.rlim_cur;
  PLIMSOLL_ASSIGN(own.runtime_binary, runtime_beside_this_program());
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
  return examine_agent(json_text(*health), policies ? json_text(*policies) : "");
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
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 0}, "no words"));
  if (!words) return 0;
  PLIMSOLL_ASSIGN(const bool json, wants_json(format));
  const kernel::HostRoots roots{.proc = "/proc", .sys = "/sys", .etc = "/etc"};
  PLIMSOLL_ASSIGN(const model::HostFacts facts, kernel::read_host_facts(roots));
  PLIMSOLL_ASSIGN(const Privileges privileges, own_privileges());
  std::vector<Finding> findings = examine_host(roots, facts, privileges);
  for (Finding& one : examine_running_agent(agent)) findings.push_back(std::move(one));
  fmt::print("{}", json ? findings_json(findings) + "\n" : findings_text(findings));
  return worst(findings) == Health::kBad ? 1 : 0;
}

}  // namespace plimsoll::daemon
