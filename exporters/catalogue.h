// Every series of a cgroup that Plimsoll exports, one row each: cAdvisor's names, types and units where
// cAdvisor has them. Adding a metric is a row here. What is not per cgroup is in exporter.cpp (machine_*,
// ended containers, workloads, decisions) and own_metrics.cpp (the agent itself).
#pragma once

#include <span>

#include "exporters/metric.h"

namespace plimsoll::exporters {

// In the order in which they are written.
std::span<const ContainerMetric> cpu_metrics();
std::span<const ContainerMetric> memory_metrics();
std::span<const ContainerMetric> io_metrics();
std::span<const ContainerMetric> process_metrics();  // processes, pressure, limits, times, load
// All of them.
template <typename Take>
void each_container_metric(Take take) {
  for (const auto& rows : {cpu_metrics(), memory_metrics(), io_metrics(), process_metrics()}) {
    for (const ContainerMetric& row : rows) take(row);
  }
}

}  // namespace plimsoll::exporters
