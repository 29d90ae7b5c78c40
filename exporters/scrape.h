// Everything that one scrape tells, as values: the same input gives the same text.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/model/decision.h"
#include "agent/model/host_facts.h"
#include "agent/model/recommendation.h"
#include "agent/model/sample.h"
#include "agent/model/workload.h"

namespace plimsoll::exporters {

struct PolicyState {
  std::uint64_t loaded = 0;       // policies in force
  std::uint64_t load_errors = 0;  // diagnostics of the folder as it stands; 0: all is well
};

struct Scrape {
  std::shared_ptr<const model::Snapshot> now;       // null: nothing sampled yet
  std::shared_ptr<const model::Snapshot> previous;  // the tick before, for rates; may be null
  model::HostFacts host;
  std::vector<model::DecisionCount> decisions;
  PolicyState policies;
  std::shared_ptr<const std::vector<model::Recommendation>> recommendations;  // may be null
  std::set<std::string> label_keys;  // container labels that become container_label_*
  std::string own;                   // the agent's own metrics, as OwnMetrics::text() gives them
};

}  // namespace plimsoll::exporters
