#include "agent/kernel/proc_files.h"

#include <array>
#include <limits>
#include <set>

#include "agent/kernel/text_scan.h"

namespace plimsoll::kernel {
namespace {

constexpr std::uint64_t kMicro = 1'000'000;

std::optional<Microseconds> ticks(std::string_view word, std::uint64_t ticks_per_second) {
  const auto value = digits(word);
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  // Leaves room for the sum of all columns.
  if (!value || *value > kMost / kMicro / 16) return std::nullopt;
  return Microseconds(static_cast<std::int64_t>(*value * kMicro / ticks_per_second));
}

// "cpu  user nice system idle iowait irq softirq steal guest guest_nice"
bool cpu_line(std::string_view rest, std::uint64_t ticks_per_second, model::CpuStat& cpu) {
  std::array<Microseconds, 7> columns{};
  for (Microseconds& column : columns) {
    const auto value = ticks(next_word(rest), ticks_per_second);
    if (!value) return false;
    column = *value;
  }
  cpu.user = columns[0] + columns[1];
  cpu.system = columns[2] + columns[5] + columns[6];
  cpu.usage = cpu.user + cpu.system;
  return true;
}

bool net_columns(std::string_view rest, model::NetStat& stat) {
  std::array<std::uint64_t, 16> column{};
  for (std::uint64_t& value : column) {
    const auto number = digits(next_word(rest));
    if (!number) return false;
    value = *number;
  }
  stat.received = Bytes{column[0]};
  stat.rx_packets = column[1];
  stat.rx_errors = column[2];
  stat.rx_dropped = column[3];
  stat.transmitted = Bytes{column[8]};
  stat.tx_packets = column[9];
  stat.tx_errors = column[10];
  stat.tx_dropped = column[11];
  return true;
}

}  // namespace

Result<MemInfo> parse_meminfo(std::string_view text) {
  MemInfo info;
  const std::array<std::pair<std::string_view, Bytes*>, 5> fields = {{{"MemTotal", &info.total},
                                                                      {"MemFree", &info.free},
                                                                      {"MemAvailable", &info.available},
                                                                      {"SwapTotal", &info.swap_total},
                                                                      {"SwapFree", &info.swap_free}}};
  std::size_t found = 0;
  while (!text.empty() && found < fields.size()) {
    std::string_view rest = cut(text, '\n');
    const std::string_view line = rest;
    const std::string_view key = cut(rest, ':');
    for (const auto& [name, target] : fields) {
      if (name != key) continue;
      const auto kibibytes = digits(next_word(rest));
      if (!kibibytes || *kibibytes > std::numeric_limits<std::uint64_t>::max() / 1024) {
        return malformed("meminfo", line);
      }
      *target = Bytes{*kibibytes * 1024};
      ++found;
    }
  }
  if (info.total.value == 0) return invalid("meminfo: no MemTotal");
  return info;
}

Result<ProcStat> parse_proc_stat(std::string_view text, std::uint64_t ticks_per_second) {
  ProcStat stat;
  bool seen = false;
  while (!text.empty()) {
    std::string_view rest = cut(text, '\n');
    const std::string_view line = rest;
    const std::string_view key = next_word(rest);
    if (key == "cpu") {
      seen = cpu_line(rest, ticks_per_second, stat.cpu);
      if (!seen) return malformed("/proc/stat", line);
    } else if (key.starts_with("cpu")) {
      ++stat.online_cpus;
    } else if (key == "btime") {
      const auto value = digits(next_word(rest));
      if (!value) return malformed("/proc/stat", line);
      stat.boot_time = *value;
    }
  }
  if (!seen) return invalid("/proc/stat: no cpu line");
  return stat;
}

Result<> parse_net_dev(std::string_view text, std::vector<model::NetStat>& into) {
  into.clear();
  cut(text, '\n');  // two lines of headings
  cut(text, '\n');
  while (!text.empty()) {
    std::string_view rest = cut(text, '\n');
    const std::string_view line = rest;
    // An interface's name may itself hold a colon (an alias): the last one ends it.
    const std::size_t colon = rest.rfind(':');
    if (colon == std::string_view::npos) return malformed("net/dev", line);
    std::string_view name = rest.substr(0, colon);
    name = next_word(name);
    model::NetStat stat;
    if (!net_columns(rest.substr(colon + 1), stat)) return malformed("net/dev", line);
    if (name == "lo") continue;
    stat.interface = name;
    into.push_back(std::move(stat));
  }
  return {};
}

Result<DeviceNames> parse_partitions(std::string_view text) {
  DeviceNames names;
  while (!text.empty()) {
    std::string_view rest = cut(text, '\n');
    const std::string_view line = rest;
    const std::string_view first = next_word(rest);
    if (first.empty() || first == "major") continue;  // the heading
    const auto major = digits(first);
    const auto minor = digits(next_word(rest));
    const auto blocks = digits(next_word(rest));
    const std::string_view name = next_word(rest);
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
    if (!major || !minor || !blocks || name.empty() || *major > kMost || *minor > kMost) {
      return malformed("/proc/partitions", line);
    }
    names.try_emplace({static_cast<std::uint32_t>(*major), static_cast<std::uint32_t>(*minor)}, name);
  }
  return names;
}

CpuTopology parse_cpuinfo(std::string_view text) {
  CpuTopology topology;
  std::set<std::string_view> sockets;
  std::set<std::pair<std::string_view, std::string_view>> cores;
  std::string_view socket;
  while (!text.empty()) {
    std::string_view rest = cut(text, '\n');
    std::string_view key = cut(rest, ':');
    while (key.ends_with('\t') || key.ends_with(' ')) key.remove_suffix(1);
    const std::string_view value = next_word(rest);
    if (key == "processor") ++topology.logical;
    if (key == "physical id") sockets.insert(socket = value);
    if (key == "core id") cores.insert({socket, value});
  }
  topology.sockets = sockets.empty() ? 1 : static_cast<unsigned>(sockets.size());
  topology.cores = cores.empty() ? topology.logical : static_cast<unsigned>(cores.size());
  return topology;
}

}  // namespace plimsoll::kernel
