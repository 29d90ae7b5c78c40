// What this host can and cannot do, and what to do about it. Reads only; roots are injected.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/kernel/host_facts.h"

namespace plimsoll::daemon {

enum class Health { kGood, kLimited, kBad };
std::string_view to_string(Health health);  // "good" | "limited" | "bad"

struct Finding {
  std::string subject;  // "cgroup v2"
  Health health = Health::kGood;
  std::string found;   // "mounted at /sys/fs/cgroup"
  std::string remedy;  // empty where there is nothing to do
};

// Of the process that would be the agent.
struct Privileges {
  std::uint64_t capabilities = 0;  // the effective set, a bit each (capabilities(7))
  std::uint64_t open_files = 0;    // RLIMIT_NOFILE
  std::string runtime_binary;      // where the launcher should be
  bool has_runtime_binary = false;
};

// `facts` as read below the same roots.
std::vector<Finding> examine_host(const kernel::HostRoots& roots, const model::HostFacts& facts,
                                  const Privileges& privileges);

// What the agent says of itself: the text of GET /plimsoll/v1/health and /plimsoll/v1/policies.
std::vector<Finding> examine_agent(const std::string& health, const std::string& policies);

Health worst(const std::vector<Finding>& findings);
std::string findings_text(const std::vector<Finding>& findings);
std::string findings_json(const std::vector<Finding>& findings);  // [{subject, health, found, remedy}]

}  // namespace plimsoll::daemon
