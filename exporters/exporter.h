// One scrape: a snapshot becomes the Prometheus text.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/model/host_facts.h"
#include "agent/model/sample.h"
#include "exporters/labels.h"
#include "exporters/own_metrics.h"

namespace plimsoll::exporters {

// Decisions since the agent's start, by what they were.
struct DecisionCount {
  std::string policy, rule;
  std::string action, outcome;  // as model::DecisionRecord has them
  std::uint64_t count = 0;
};

struct Scrape {
  std::shared_ptr<const model::Snapshot> now;     // not null
  std::shared_ptr<const model::Snapshot> before;  // an earlier one, for rates; may be null
  model::HostFacts host;
  std::vector<DecisionCount> decisions;
};

struct Config {
  std::vector<std::string> label_keys;  // container labels that become container_label_*; none by default
};

class Exporter {
 public:
  explicit Exporter(Config config) : labels_(std::move(config.label_keys)) {}

  // The text format 0.0.4 (Content-Type: text/plain; version=0.0.4; charset=utf-8). Thread-safe.
  std::string render(const Scrape& scrape);
  OwnMetrics& own() { return own_; }  // thread-safe itself

 private:
  LabelCache labels_;
  OwnMetrics own_;
  std::atomic<std::size_t> last_size_{0};
};

}  // namespace plimsoll::exporters
