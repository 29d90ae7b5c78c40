// One row of the catalogue, and what a row reads from.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>
#include <utility>

#include "agent/model/host_facts.h"
#include "agent/model/sample.h"

namespace plimsoll::exporters {

enum class Type { kCounter, kGauge };
std::string_view to_string(Type type);  // "counter", "gauge"

using Label = std::pair<std::string_view, std::string_view>;

// Takes the values of one row for one subject. An absent value is simply not added.
class Points {
 public:
  virtual ~Points() = default;
  // `labels`: those of the row beyond the subject's own, in the row's order.
  virtual void add(double value, std::span<const Label> labels) = 0;
  void add(double value) { add(value, std::span<const Label>()); }
  void add(double value, std::initializer_list<Label> labels) {
    add(value, std::span<const Label>(labels.begin(), labels.size()));
  }
};

// One container, or the root cgroup, in one snapshot.
struct Subject {
  const model::ContainerRef* ref = nullptr;  // null: the root cgroup
  const model::Sample& sample;
  const model::Sample* before = nullptr;  // of the same cgroup in the snapshot before; null where it was not
  const model::Snapshot& snapshot;
  const model::HostFacts& host;
};

struct ContainerMetric {
  std::string_view name;
  Type type;
  std::string_view unit;    // "seconds", "bytes", "" for counts and ratios
  std::string_view labels;  // beyond the container's own, joined by ','
  std::string_view help;
  void (*read)(const Subject& subject, Points& points);
};

}  // namespace plimsoll::exporters
