// linux.resources as writes to cgroup v2 control files. Pure: what is written where, in which order.
// Conversions from the cgroup v1 units that OCI speaks are in the comments of each.
#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/oci/spec.h"

namespace plimsoll::launch {

struct ControlWrite {
  std::string limit;       // what asked for it: "memory.limit", below linux.resources
  std::string controller;  // "memory"; empty for files of the core ("cgroup.max.depth")
  std::string file, value;
  std::string fallback_file = {}, fallback_value = {};  // where `file` does not exist
  bool operator==(const ControlWrite&) const = default;
};

// kInvalid where the values cannot be (swap below memory, a file name with a slash).
Result<std::vector<ControlWrite>> control_writes(const oci::Resources& resources);

// cpu.shares 2..262144 to cpu.weight 1..10000 such that both ends and both defaults (1024 and 100) meet: the
// quadratic in log2(shares) that Kubernetes, crun and runc agreed upon in 2025. The older straight line made
// 39 of the default 1024.
unsigned cpu_weight(std::uint64_t shares);

}  // namespace plimsoll::launch
