// Parsers of procfs files (proc(5)): text in, value out, no I/O. Errors as in control_files.h. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "agent/model/sample.h"

namespace plimsoll::kernel {

struct MemInfo {
  Bytes total, free, available, swap_total, swap_free;
};
Result<MemInfo> parse_meminfo(std::string_view text);

struct ProcStat {
  // busy time since boot: user + nice, system + irq + softirq; guest time is in user already.
  model::CpuStat cpu;
  unsigned online_cpus = 0;
  std::uint64_t boot_time = 0;  // seconds since 1970
};
// `ticks_per_second`: sysconf(_SC_CLK_TCK), not 0.
Result<ProcStat> parse_proc_stat(std::string_view text, std::uint64_t ticks_per_second);

// /proc/PID/net/dev without lo. Replaces what `into` holds.
Result<> parse_net_dev(std::string_view text, std::vector<model::NetStat>& into);

// Names of block devices by (major, minor), from /proc/partitions.
using DeviceNames = std::map<std::pair<std::uint32_t, std::uint32_t>, std::string>;
Result<DeviceNames> parse_partitions(std::string_view text);

// From /proc/cpuinfo. Architectures that do not say `physical id` and `core id` (arm64) count as one socket
// of single-threaded cores.
struct CpuTopology {
  unsigned logical = 0, cores = 0, sockets = 0;
};
CpuTopology parse_cpuinfo(std::string_view text);

}  // namespace plimsoll::kernel
