// What limit fits a container, found from what its workload used.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "agent/base/units.h"
#include "agent/model/container_ref.h"

namespace plimsoll::model {

// Bytes of memory, or cores.
struct Recommendation {
  enum class Resource { kMemory, kCpu };
  std::shared_ptr<const ContainerRef> container;
  Resource resource = Resource::kMemory;
  std::string policy;           // whose autosize it is
  std::string mode;             // "recommend" | "enforce"
  std::string seek;             // "usage" | "pressure"
  bool audit = false;           // the policy only reports
  std::optional<double> limit;  // memory.max or cpu.max now; nullopt: none
  std::optional<double> used;   // working set; cores
  double target = 0;            // what is recommended
  double lower = 0, upper = 0;  // below and above it is surely wrong; they close in with time
  double confidence = 0;        // 0..1
  Nanoseconds observed{0};
  // What the recommended limit would give back; below 0: what it would add. nullopt: there is no limit now.
  std::optional<double> saves() const {
    if (!limit) return std::nullopt;
    return *limit - target;
  }
};

}  // namespace plimsoll::model
