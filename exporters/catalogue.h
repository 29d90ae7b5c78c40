// The metric contract as one table. A family names itself once and says how each container's (or the host's)
// values are read. A value that is absent in the sample gives no series.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include "exporters/scrape.h"

namespace plimsoll::exporters {

enum class Type { kCounter, kGauge, kHistogram };

// One container of a scrape, or the root cgroup (`ref` null, id "/").
struct Row {
  const model::ContainerRef* ref = nullptr;
  const model::Sample* sample = nullptr;
  const model::Sample* previous = nullptr;  // the same cgroup a tick before; may be null
  WallTime taken;
  Bytes host_memory, host_swap;
};

using Label = std::pair<std::string_view, std::string_view>;

// Takes one series: the labels beyond the container's own, and the value.
using Emit = std::function<void(std::initializer_list<Label> extra, double value)>;
using HistogramEmit =
    std::function<void(std::initializer_list<Label> extra, const model::TimeHistogram& times)>;
using LabelsEmit = std::function<void(std::span<const Label> labels, double value)>;

// A family with series for each container.
struct ContainerFamily {
  std::string_view name;
  Type type;
  std::string_view help;
  void (*read)(const Row& row, const Emit& emit);
};
std::span<const ContainerFamily> container_families();
// Likewise, of the BPF probes.
std::span<const ContainerFamily> probe_families();

// A histogram with series for each container in which something was counted, in seconds. A bucket for each
// factor of 4 is exported: 1 us to 67 s.
struct ContainerHistogram {
  std::string_view name;
  std::string_view help;
  void (*read)(const Row& row, const HistogramEmit& emit);
};
std::span<const ContainerHistogram> container_histograms();

// A family whose series are not a living container's: the machine, decisions, workloads, ended containers.
struct HostFamily {
  std::string_view name;
  Type type;
  std::string_view help;
  void (*read)(const Scrape& scrape, const LabelsEmit& emit);
};
std::span<const HostFamily> host_families();

}  // namespace plimsoll::exporters
