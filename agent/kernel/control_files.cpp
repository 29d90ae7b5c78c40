#include "agent/kernel/control_files.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "agent/kernel/text_scan.h"

namespace plimsoll::kernel {
namespace {

using model::Bound;
using model::Count;

std::optional<Microseconds> microseconds(std::string_view text) {
  const auto value = digits(text);
  if (!value || *value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return std::nullopt;
  }
  return Microseconds(static_cast<std::int64_t>(*value));
}

template <typename Target, typename Value>
bool store(Target& target, const std::optional<Value>& value) {
  if (value) target = *value;
  return value.has_value();
}

using StatField = std::pair<std::string_view, void (*)(model::MemoryStat&, std::uint64_t)>;
template <Bytes model::MemoryStat::* kMember>
void set_bytes(model::MemoryStat& stat, std::uint64_t value) {
  stat.*kMember = Bytes{value};
}
template <Count model::MemoryStat::* kMember>
void set_count(model::MemoryStat& stat, std::uint64_t value) {
  stat.*kMember = value;
}
using Stat = model::MemoryStat;
// The kernel's order, so that a search that begins behind the last hit mostly hits at once.
constexpr std::array<StatField, 18> kMemoryStat = {{
    {"anon", set_bytes<&Stat::anon>},
    {"file", set_bytes<&Stat::file>},
    {"kernel", set_bytes<&Stat::kernel>},
    {"sock", set_bytes<&Stat::sock>},
    {"shmem", set_bytes<&Stat::shmem>},
    {"file_mapped", set_bytes<&Stat::file_mapped>},
    {"file_dirty", set_bytes<&Stat::file_dirty>},
    {"file_writeback", set_bytes<&Stat::file_writeback>},
    {"inactive_file", set_bytes<&Stat::inactive_file>},
    {"active_file", set_bytes<&Stat::active_file>},
    {"unevictable", set_bytes<&Stat::unevictable>},
    {"slab", set_bytes<&Stat::slab>},
    {"workingset_refault_anon", set_count<&Stat::refault_anon>},
    {"workingset_refault_file", set_count<&Stat::refault_file>},
    {"pgscan", set_count<&Stat::pgscan>},
    {"pgsteal", set_count<&Stat::pgsteal>},
    {"pgfault", set_count<&Stat::pgfault>},
    {"pgmajfault", set_count<&Stat::pgmajfault>},
}};

// "avg10=0.00"; the kernel writes two decimals.
std::optional<double> average(std::string_view word, std::string_view key) {
  if (!word.starts_with(key)) return std::nullopt;
  word.remove_prefix(key.size());
  std::string_view fraction = word;
  const auto whole = digits(cut(fraction, '.'));
  const auto hundredths = digits(fraction);
  if (!whole || !hundredths || fraction.size() != 2 || *whole > 1000) return std::nullopt;
  return static_cast<double>(*whole) + static_cast<double>(*hundredths) / 100;
}

std::optional<model::PressureLine> pressure_line(std::string_view rest) {
  const auto avg10 = average(next_word(rest), "avg10=");
  const auto avg60 = average(next_word(rest), "avg60=");
  const auto avg300 = average(next_word(rest), "avg300=");
  const std::string_view word = next_word(rest);
  if (!avg10 || !avg60 || !avg300 || !word.starts_with("total=")) return std::nullopt;
  const auto total = microseconds(word.substr(6));
  if (!total) return std::nullopt;
  return model::PressureLine{*avg10, *avg60, *avg300, *total};
}

bool device_number(std::string_view word, std::uint32_t& major, std::uint32_t& minor) {
  const auto first = digits(cut(word, ':'));
  const auto second = digits(word);
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (!first || !second || *first > kMost || *second > kMost) return false;
  major = static_cast<std::uint32_t>(*first);
  minor = static_cast<std::uint32_t>(*second);
  return true;
}

bool io_stat_field(std::string_view word, model::IoStat& stat) {
  const std::string_view key = cut(word, '=');
  const auto value = [&] { return digits(word); };
  if (key == "rbytes") return store(stat.read.value, value());
  if (key == "wbytes") return store(stat.written.value, value());
  if (key == "dbytes") return store(stat.discarded.value, value());
  if (key == "rios") return store(stat.reads, value());
  if (key == "wios") return store(stat.writes, value());
  if (key == "dios") return store(stat.discards, value());
  return true;  // io.cost and io.latency add their own
}

std::optional<Bound<std::uint64_t>> bound(std::string_view text) {
  if (text == "max") return Bound<std::uint64_t>::max();
  const auto value = digits(text);
  if (!value) return std::nullopt;
  return Bound<std::uint64_t>(*value);
}

bool io_max_field(std::string_view word, model::IoMax& limit) {
  const std::string_view key = cut(word, '=');
  if (key == "rbps") return store(limit.read_bps, bound(word));
  if (key == "wbps") return store(limit.write_bps, bound(word));
  if (key == "riops") return store(limit.read_iops, bound(word));
  if (key == "wiops") return store(limit.write_iops, bound(word));
  return true;
}

}  // namespace

Result<model::CpuStat> parse_cpu_stat(std::string_view text) {
  model::CpuStat stat;
  bool usage_seen = false;
  PLIMSOLL_TRY(each_pair(text, "cpu.stat", [&](std::string_view key, std::string_view value) {
    if (key == "usage_usec") return usage_seen = store(stat.usage, microseconds(value));
    if (key == "user_usec") return store(stat.user, microseconds(value));
    if (key == "system_usec") return store(stat.system, microseconds(value));
    if (key == "nr_periods") return store(stat.periods, digits(value));
    if (key == "nr_throttled") return store(stat.throttled_periods, digits(value));
    if (key == "throttled_usec") return store(stat.throttled, microseconds(value));
    if (key == "nr_bursts") return store(stat.burst_periods, digits(value));
    if (key == "burst_usec") return store(stat.burst, microseconds(value));
    return true;
  }));
  if (!usage_seen) return invalid("cpu.stat: no usage_usec");
  return stat;
}

Result<model::MemoryStat> parse_memory_stat(std::string_view text) {
  model::MemoryStat stat;
  std::size_t next = 0;
  std::size_t found = 0;
  PLIMSOLL_TRY(each_pair(text, "memory.stat", [&](std::string_view key, std::string_view value) {
    for (std::size_t step = 0; step < kMemoryStat.size(); ++step) {
      const std::size_t at = (next + step) % kMemoryStat.size();
      if (kMemoryStat[at].first != key) continue;
      const auto number = digits(value);
      if (!number) return false;
      kMemoryStat[at].second(stat, *number);
      next = at + 1;
      ++found;
      return true;
    }
    return true;
  }));
  if (found == 0) return invalid("memory.stat: no known key");
  return stat;
}

Result<model::MemoryEvents> parse_memory_events(std::string_view text) {
  model::MemoryEvents events;
  bool seen = false;
  PLIMSOLL_TRY(each_pair(text, "memory.events", [&](std::string_view key, std::string_view value) {
    if (key == "low") return store(events.low, digits(value));
    if (key == "high") return store(events.high, digits(value));
    if (key == "max") return store(events.max, digits(value));
    if (key == "oom") return store(events.oom, digits(value));
    if (key == "oom_kill") return seen = store(events.oom_kill, digits(value));
    if (key == "oom_group_kill") return store(events.oom_group_kill, digits(value));
    return true;
  }));
  if (!seen) return invalid("memory.events: no oom_kill");
  return events;
}

Result<model::Pressure> parse_pressure(std::string_view text) {
  model::Pressure pressure;
  bool some_seen = false;
  PLIMSOLL_TRY(each_pair(text, "pressure", [&](std::string_view key, std::string_view value) {
    if (key == "some") return some_seen = store(pressure.some, pressure_line(value));
    if (key == "full") return store(pressure.full, pressure_line(value));
    return true;
  }));
  if (!some_seen) return invalid("pressure: no 'some' line");
  return pressure;
}

Result<> parse_io_stat(std::string_view text, std::vector<model::IoStat>& into) {
  std::size_t used = 0;
  while (!text.empty()) {
    std::string_view rest = cut(text, '\n');
    const std::string_view line = rest;
    model::IoStat stat;
    if (!device_number(next_word(rest), stat.major, stat.minor)) return malformed("io.stat", line);
    std::string_view word = next_word(rest);
    if (word.empty()) continue;
    for (; !word.empty(); word = next_word(rest)) {
      if (!io_stat_field(word, stat)) return malformed("io.stat", line);
    }
    if (used < into.size()) {
      into[used] = std::move(stat);
    } else {
      into.push_back(std::move(stat));
    }
    ++used;
  }
  into.resize(used);
  return {};
}

Result<Count> parse_hugetlb_events(std::string_view text) {
  std::optional<Count> failures;
  PLIMSOLL_TRY(each_pair(text, "hugetlb.events", [&](std::string_view key, std::string_view value) {
    return key != "max" || store(failures, digits(value));
  }));
  if (!failures) return invalid("hugetlb.events: no max");
  return *failures;
}

Result<CgroupEvents> parse_cgroup_events(std::string_view text) {
  CgroupEvents events;
  bool seen = false;
  PLIMSOLL_TRY(each_pair(text, "cgroup.events", [&](std::string_view key, std::string_view value) {
    if (key != "populated" && key != "frozen") return true;
    if (value != "0" && value != "1") return false;
    (key == "populated" ? events.populated : events.frozen) = value == "1";
    seen = seen || key == "populated";
    return true;
  }));
  if (!seen) return invalid("cgroup.events: no populated");
  return events;
}

Result<model::CpuMax> parse_cpu_max(std::string_view text) {
  std::string_view rest = without_newline(text);
  const auto quota = bound(cut(rest, ' '));
  const auto period = microseconds(rest);
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!quota || !period || period->count() == 0 || (!quota->is_max() && quota->value() > kMost)) {
    return malformed("cpu.max", text);
  }
  model::CpuMax limit;
  if (!quota->is_max()) {
    limit.quota = Bound(Microseconds(static_cast<std::int64_t>(quota->value())));
  }
  limit.period = *period;
  return limit;
}

Result<std::vector<model::IoMax>> parse_io_max(std::string_view text) {
  std::vector<model::IoMax> limits;
  while (!text.empty()) {
    std::string_view rest = cut(text, '\n');
    const std::string_view line = rest;
    model::IoMax limit;
    if (!device_number(next_word(rest), limit.device.major, limit.device.minor))
      return malformed("io.max", line);
    for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
      if (!io_max_field(word, limit)) return malformed("io.max", line);
    }
    limits.push_back(limit);
  }
  return limits;
}

Result<model::IoWeights> parse_io_weight(std::string_view text) {
  model::IoWeights weights;
  while (!text.empty()) {
    std::string_view rest = cut(text, '\n');
    const std::string_view line = rest;
    const std::string_view who = next_word(rest);
    const auto weight = digits(next_word(rest));
    model::DeviceNumber device;
    if (!weight || (who != "default" && !device_number(who, device.major, device.minor))) {
      return malformed("io.weight", line);
    }
    if (who == "default") {
      weights.standard = *weight;
    } else {
      weights.devices.emplace_back(device, *weight);
    }
  }
  return weights;
}

Result<std::string> parse_cpu_list(std::string_view text) {
  text = without_newline(text);
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view range = cut(rest, ',');
    const auto first = digits(cut(range, '-'));
    if (!first || (!range.empty() && !digits(range))) return malformed("cpuset.cpus", text);
  }
  return std::string(text);
}

Result<Bound<std::uint64_t>> parse_bound(std::string_view text) {
  const auto value = bound(without_newline(text));
  if (!value) return malformed("limit", text);
  return *value;
}

Result<std::uint64_t> parse_count(std::string_view text) {
  const auto value = digits(without_newline(text));
  if (!value) return malformed("number", text);
  return *value;
}

Result<bool> parse_flag(std::string_view text) {
  text = without_newline(text);
  if (text != "0" && text != "1") return malformed("flag", text);
  return text == "1";
}

Result<std::vector<int>> parse_processes(std::string_view text) {
  std::vector<int> pids;
  while (!text.empty()) {
    const std::string_view line = cut(text, '\n');
    const auto pid = digits(line);
    if (!pid || *pid > static_cast<std::uint64_t>(std::numeric_limits<int>::max())) {
      return malformed("cgroup.procs", line);
    }
    // 0 is a process outside of the reader's pid namespace: it counts, but cannot be named.
    pids.push_back(static_cast<int>(*pid));
  }
  return pids;
}

}  // namespace plimsoll::kernel
