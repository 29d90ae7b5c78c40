#include "policies/field.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace plimsoll::policies {
namespace {

constexpr double kNoEnd = 9.2e18;
constexpr std::array kFields = {
    FieldInfo{"cpu.max", "cpu.max", "CPU time a second, in cores", FieldKind::kCores, true, 0.01, 100'000,
              "max"},
    FieldInfo{"cpu.burst", "cpu.max.burst", "CPU time that may be saved up over the quota",
              FieldKind::kSeconds, false, 0, 1, "0"},
    // Before the weight: an idle cgroup has none, and losing idle resets it (kernel/sched/core.c,
    // sched_group_set_idle).
    FieldInfo{"cpu.idle", "cpu.idle", "Runs only when nobody else wants the CPU", FieldKind::kFlag, false, 0,
              1, "0"},
    FieldInfo{"cpu.weight", "cpu.weight", "Share of the CPU when others want it too", FieldKind::kCount,
              false, 1, 10'000, "100"},
    FieldInfo{"cpu.cpus", "cpuset.cpus", "The CPUs that it may run on", FieldKind::kCpuList, false, 0, 0, ""},
    FieldInfo{"memory.max", "memory.max", "Memory beyond which the kernel kills", FieldKind::kBytes, true, 0,
              kNoEnd, "max"},
    FieldInfo{"memory.high", "memory.high", "Memory beyond which it is throttled and reclaimed",
              FieldKind::kBytes, true, 0, kNoEnd, "max"},
    FieldInfo{"memory.low", "memory.low", "Memory that others get only if there is no other",
              FieldKind::kBytes, true, 0, kNoEnd, "0"},
    FieldInfo{"memory.min", "memory.min", "Memory that is never taken away", FieldKind::kBytes, true, 0,
              kNoEnd, "0"},
    FieldInfo{"memory.swap", "memory.swap.max", "Swap beside the memory", FieldKind::kBytes, true, 0, kNoEnd,
              "max"},
    FieldInfo{"memory.oom_group", "memory.oom.group", "An OOM kill takes all its processes", FieldKind::kFlag,
              false, 0, 1, "0"},
    FieldInfo{"io.read_bps", "io.max", "Bytes read a second", FieldKind::kBytesPerSecond, true, 1, kNoEnd,
              "max", true, "rbps"},
    FieldInfo{"io.write_bps", "io.max", "Bytes written a second", FieldKind::kBytesPerSecond, true, 1, kNoEnd,
              "max", true, "wbps"},
    FieldInfo{"io.read_iops", "io.max", "Reads a second", FieldKind::kCount, true, 1, 4'294'967'295, "max",
              true, "riops"},
    FieldInfo{"io.write_iops", "io.max", "Writes a second", FieldKind::kCount, true, 1, 4'294'967'295, "max",
              true, "wiops"},
    FieldInfo{"io.weight", "io.weight", "Share of the disk when others want it too", FieldKind::kCount, false,
              1, 10'000, "default", true, ""},
    FieldInfo{"pids.max", "pids.max", "Threads and processes", FieldKind::kCount, true, 0, 4'194'304, "max"},
};

constexpr auto kNames = [] {
  std::array<std::string_view, kFields.size()> names;
  for (std::size_t i = 0; i < kFields.size(); ++i) names[i] = kFields[i].name;
  return names;
}();

constexpr double kPeriodMicroseconds = 100'000;
constexpr std::uint64_t kPage = 4096;

using model::Bound;

template <typename T>
std::optional<std::string> bound_text(const std::optional<Bound<T>>& bound) {
  if (!bound) return std::nullopt;
  if (bound->is_max()) return "max";
  if constexpr (std::is_same_v<T, Bytes>) {
    return std::to_string(bound->value().value);
  } else {
    return std::to_string(bound->value());
  }
}

std::optional<std::string> cpu_max_text(const std::optional<model::CpuMax>& max) {
  if (!max) return std::nullopt;
  const std::string quota = max->quota.is_max() ? "max" : std::to_string(max->quota.value().count());
  return quota + " " + std::to_string(max->period.count());
}

std::optional<std::string> flag_text(const std::optional<bool>& flag) {
  if (!flag) return std::nullopt;
  return *flag ? "1" : "0";
}

using IoKnob = std::optional<Bound<std::uint64_t>> model::IoMax::*;
constexpr std::array<std::pair<std::string_view, IoKnob>, 4> kIoKnobs = {{
    {"io.read_bps", &model::IoMax::read_bps},
    {"io.write_bps", &model::IoMax::write_bps},
    {"io.read_iops", &model::IoMax::read_iops},
    {"io.write_iops", &model::IoMax::write_iops},
}};

// A disk without a line has no limit.
std::optional<std::string> io_max_text(std::string_view name, const std::string& device,
                                       const std::optional<std::vector<model::IoMax>>& io_max) {
  if (!io_max) return std::nullopt;
  const auto line =
      std::ranges::find_if(*io_max, [&](const model::IoMax& one) { return to_string(one.device) == device; });
  if (line == io_max->end()) return "max";
  const auto knob = std::ranges::find(kIoKnobs, name, &std::pair<std::string_view, IoKnob>::first);
  return bound_text((*line).*(knob->second)).value_or("max");
}

std::optional<std::string> io_weight_text(const std::string& device,
                                          const std::optional<model::IoWeights>& weights) {
  if (!weights) return std::nullopt;
  for (const auto& [number, weight] : weights->devices) {
    if (to_string(number) == device) return std::to_string(weight);
  }
  return "default";
}

}  // namespace

std::string file_text(const FieldKey& key, const std::string& value) {
  const FieldInfo& field = kFields[key.id];
  if (!field.per_device || value.empty()) return value;
  return key.device + " " + (field.key.empty() ? "" : std::string(field.key) + "=") + value;
}

std::string value_in(const FieldKey& key, const std::string& text) {
  const std::string head = file_text(key, "x");
  const std::size_t skip = kFields[key.id].per_device ? head.size() - 1 : 0;
  return text.size() >= skip ? text.substr(skip) : text;
}

std::span<const FieldInfo> fields() { return kFields; }
std::span<const std::string_view> field_names() { return kNames; }

std::optional<FieldId> find_field(std::string_view name) {
  for (FieldId id = 0; id < kFields.size(); ++id) {
    if (kFields[id].name == name) return id;
  }
  return std::nullopt;
}

Unit unit_of(const FieldInfo& field) {
  switch (field.kind) {
    case FieldKind::kCores:
      return Unit::kCores;
    case FieldKind::kBytes:
      return Unit::kBytes;
    case FieldKind::kSeconds:
      return Unit::kSeconds;
    case FieldKind::kBytesPerSecond:
      return Unit::kBytesPerSecond;
    default:
      return Unit::kCount;
  }
}

std::string field_text(const FieldInfo& field, double value) {
  switch (field.kind) {
    case FieldKind::kCores:
      return std::to_string(std::llround(value * kPeriodMicroseconds)) + " 100000";
    case FieldKind::kBytes:
      return std::to_string(static_cast<std::uint64_t>(std::max(0.0, value)) / kPage * kPage);
    case FieldKind::kSeconds:
      return std::to_string(std::llround(value * 1e6));
    default:
      return std::to_string(std::llround(value));
  }
}

std::optional<double> number_of(const FieldInfo& field, std::string_view text) {
  const std::string_view first = text.substr(0, text.find(' '));
  const auto number = parse_number(first);
  if (!number) return std::nullopt;
  if (field.kind == FieldKind::kCores) {
    const auto period =
        first.size() < text.size() ? parse_number(text.substr(first.size() + 1)) : std::nullopt;
    return *number / (period && *period > 0 ? *period : 100'000);
  }
  return field.kind == FieldKind::kSeconds ? *number / 1e6 : *number;
}

std::optional<double> quota_of(std::string_view cpu_max) {
  const auto microseconds = parse_number(cpu_max.substr(0, cpu_max.find(' ')));
  return microseconds ? std::optional(*microseconds / 1e6) : std::nullopt;
}

std::string field_max_text(const FieldInfo& field) {
  return field.kind == FieldKind::kCores ? "max 100000" : "max";
}

std::optional<std::string> field_now(const FieldKey& key, const model::Limits& limits) {
  const std::string_view name = kFields[key.id].name;
  if (name == "io.weight") return io_weight_text(key.device, limits.io_weight);
  if (kFields[key.id].per_device) return io_max_text(name, key.device, limits.io_max);
  if (name == "cpu.max") return cpu_max_text(limits.cpu_max);
  if (name == "cpu.idle") return flag_text(limits.cpu_idle);
  if (name == "cpu.cpus") return limits.cpus;
  if (name == "cpu.burst") {
    return limits.cpu_burst ? std::optional(std::to_string(limits.cpu_burst->count())) : std::nullopt;
  }
  if (name == "cpu.weight")
    return limits.cpu_weight ? std::optional(std::to_string(*limits.cpu_weight)) : std::nullopt;
  if (name == "memory.oom_group") return flag_text(limits.memory_oom_group);
  if (name == "memory.max") return bound_text(limits.memory_max);
  if (name == "memory.high") return bound_text(limits.memory_high);
  if (name == "memory.low") return bound_text(limits.memory_low);
  if (name == "memory.min") return bound_text(limits.memory_min);
  if (name == "memory.swap") return bound_text(limits.memory_swap_max);
  return bound_text(limits.pids_max);
}

namespace {

template <typename T>
void put_bound(std::string_view text, std::optional<Bound<T>>& into) {
  if (!into) return;
  if (text == "max") {
    into = Bound<T>::max();
  } else if (const auto number = parse_u64(text)) {
    into = Bound<T>(T{*number});
  }
}

void put_cpu_max(std::string_view text, std::optional<model::CpuMax>& into) {
  const std::size_t space = text.find(' ');
  if (!into || space == std::string_view::npos) return;
  const auto period = parse_u64(text.substr(space + 1));
  const auto quota = parse_u64(text.substr(0, space));
  if (!period || (!quota && text.substr(0, space) != "max")) return;
  into->period = Microseconds(static_cast<std::int64_t>(*period));
  into->quota = quota ? Bound<Microseconds>(Microseconds(static_cast<std::int64_t>(*quota)))
                      : Bound<Microseconds>::max();
}

std::optional<model::DeviceNumber> device_of(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto major = parse_u64(text.substr(0, colon)), minor = parse_u64(text.substr(colon + 1));
  if (!major || !minor || *major > UINT32_MAX || *minor > UINT32_MAX) return std::nullopt;
  return model::DeviceNumber{static_cast<std::uint32_t>(*major), static_cast<std::uint32_t>(*minor)};
}

void put_io(std::string_view name, std::string_view disk, std::string_view text, model::Limits& limits) {
  const auto device = device_of(disk);
  if (!device) return;
  if (name == "io.weight") {
    if (!limits.io_weight) return;
    auto& all = limits.io_weight->devices;
    const auto at = std::ranges::find(all, *device, &std::pair<model::DeviceNumber, std::uint64_t>::first);
    const auto weight = parse_u64(text);
    if (at != all.end() && weight)
      at->second = *weight;
    else if (at != all.end())
      all.erase(at);
    else if (weight)
      all.emplace_back(*device, *weight);
    return;
  }
  if (!limits.io_max) return;
  auto at = std::ranges::find(*limits.io_max, *device, &model::IoMax::device);
  if (at == limits.io_max->end()) {
    const Bound<std::uint64_t> none = Bound<std::uint64_t>::max();
    at = limits.io_max->insert(at, model::IoMax{*device, none, none, none, none});
  }
  const auto knob = std::ranges::find(kIoKnobs, name, &std::pair<std::string_view, IoKnob>::first);
  put_bound(text, (*at).*(knob->second));
}

}  // namespace

void put_field(const FieldKey& key, const std::string& text, model::Limits& limits) {
  const std::string_view name = kFields[key.id].name;
  const auto number = parse_u64(text);
  if (kFields[key.id].per_device) return put_io(name, key.device, text, limits);
  if (name == "cpu.max") return put_cpu_max(text, limits.cpu_max);
  if (name == "cpu.idle" && limits.cpu_idle) limits.cpu_idle = text == "1";
  if (name == "cpu.cpus" && limits.cpus) limits.cpus = text;
  if (name == "cpu.burst" && limits.cpu_burst && number)
    limits.cpu_burst = Microseconds(static_cast<std::int64_t>(*number));
  if (name == "cpu.weight" && limits.cpu_weight && number) limits.cpu_weight = *number;
  if (name == "memory.oom_group" && limits.memory_oom_group) limits.memory_oom_group = text == "1";
  if (name == "memory.max") put_bound(text, limits.memory_max);
  if (name == "memory.high") put_bound(text, limits.memory_high);
  if (name == "memory.low") put_bound(text, limits.memory_low);
  if (name == "memory.min") put_bound(text, limits.memory_min);
  if (name == "memory.swap") put_bound(text, limits.memory_swap_max);
  if (name == "pids.max") put_bound(text, limits.pids_max);
}

}  // namespace plimsoll::policies
