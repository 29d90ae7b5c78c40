#include "agent/cli/probe_note.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace plimsoll::cli {

using nlohmann::json;

void tell_if_down(const Connection& agent, std::string_view probe) {
  const auto health = agent.get("/plimsoll/v1/health");
  if (!health || !health->is_object() || !health->contains("probes")) return;
  std::string why = "the agent was told to do without all probes";
  for (const json& one : (*health)["probes"]) {
    if (one.value("name", "") != probe) continue;
    if (one.value("up", false)) return;
    why = one.value("why", "");
  }
  fmt::print(stderr, "plimsoll: the BPF probe {} is not up: {}\n", probe, why);
}

}  // namespace plimsoll::cli
