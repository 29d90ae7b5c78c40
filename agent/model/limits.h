// Limits as the kernel keeps them (Documentation/admin-guide/cgroup-v2.rst). "max" and "absent" are types,
// not numbers.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/units.h"

namespace plimsoll::model {

// A limit's value: a number, or no limit ("max"). std::optional<Bound<T>>: nullopt is "this cgroup has no
// such file".
template <typename T>
class Bound {
 public:
  static Bound max() { return Bound(); }
  explicit Bound(T value) : value_(value) {}
  bool is_max() const { return !value_.has_value(); }
  const T& value() const { return *value_; }  // only where !is_max()
  bool operator==(const Bound&) const = default;

 private:
  Bound() = default;
  std::optional<T> value_;
};

// cpu.max: at most `quota` of CPU time in each `period`.
struct CpuMax {
  Bound<Microseconds> quota = Bound<Microseconds>::max();
  Microseconds period{100'000};
  bool operator==(const CpuMax&) const = default;
  // quota / period; max where there is no quota.
  Bound<CpuCores> cores() const;
};

// A block device by number, as io.max names it: "8:0".
struct DeviceNumber {
  std::uint32_t major = 0, minor = 0;
  auto operator<=>(const DeviceNumber&) const = default;
};
std::string to_string(DeviceNumber device);

// One line of io.max; absent fields stay as they are.
struct IoMax {
  DeviceNumber device;
  std::optional<Bound<std::uint64_t>> read_bps, write_bps, read_iops, write_iops;
  bool operator==(const IoMax&) const = default;
};

// io.weight: 1..10000; devices that are not named have the default.
struct IoWeights {
  std::uint64_t standard = 100;
  std::vector<std::pair<DeviceNumber, std::uint64_t>> devices;
  bool operator==(const IoWeights&) const = default;
};

// What a cgroup is held to, as read from its files, or as wanted. nullopt: no such file, or not asked for.
struct Limits {
  std::optional<CpuMax> cpu_max;                 // cpu.max
  std::optional<Microseconds> cpu_burst;         // cpu.max.burst
  std::optional<std::uint64_t> cpu_weight;       // cpu.weight, 1..10000
  std::optional<bool> cpu_idle;                  // cpu.idle
  std::optional<std::string> cpus;               // cpuset.cpus, "0-3"; "" means all
  std::optional<Bound<Bytes>> memory_max;        // memory.max
  std::optional<Bound<Bytes>> memory_high;       // memory.high
  std::optional<Bound<Bytes>> memory_low;        // memory.low
  std::optional<Bound<Bytes>> memory_min;        // memory.min
  std::optional<Bound<Bytes>> memory_swap_max;   // memory.swap.max
  std::optional<bool> memory_oom_group;          // memory.oom.group
  std::optional<Bound<std::uint64_t>> pids_max;  // pids.max
  std::optional<std::vector<IoMax>> io_max;      // io.max, one a limited device
  std::optional<IoWeights> io_weight;            // io.weight
  bool operator==(const Limits&) const = default;
};

}  // namespace plimsoll::model
