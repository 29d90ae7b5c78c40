// Parsers of cgroup v2 control files (Documentation/admin-guide/cgroup-v2.rst) and of PSI
// (Documentation/accounting/psi.rst): text in, value out, no I/O. Unknown keys are ignored, since kernels add
// them; a known key with a malformed value, a missing key that every kernel has, or text of another shape is
// an error of kind kInvalid that names the file. Nothing is allocated on success but what the value itself
// holds. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/model/limits.h"
#include "agent/model/sample.h"

namespace plimsoll::kernel {

Result<model::CpuStat> parse_cpu_stat(std::string_view text);
Result<model::MemoryStat> parse_memory_stat(std::string_view text);
Result<model::MemoryEvents> parse_memory_events(std::string_view text);
// cpu.pressure, memory.pressure, io.pressure and /proc/pressure/*.
Result<model::Pressure> parse_pressure(std::string_view text);
// Replaces what `into` holds, reusing its memory. Devices that did nothing have no line. IoStat::device is
// left empty: the file knows numbers only.
Result<> parse_io_stat(std::string_view text, std::vector<model::IoStat>& into);
// The `max` line of hugetlb.SIZE.events.
Result<model::Count> parse_hugetlb_events(std::string_view text);

struct CgroupEvents {
  bool populated = false;  // a process lives in it or below
  bool frozen = false;
};
Result<CgroupEvents> parse_cgroup_events(std::string_view text);

Result<model::CpuMax> parse_cpu_max(std::string_view text);             // "50000 100000", "max 100000"
Result<std::vector<model::IoMax>> parse_io_max(std::string_view text);  // a line a device
Result<model::IoWeights> parse_io_weight(std::string_view text);        // "default 100", then a line a device
Result<std::string> parse_cpu_list(std::string_view text);              // cpuset.cpus: "0-3,8", ""
Result<model::Bound<std::uint64_t>> parse_bound(std::string_view text);  // memory.max, pids.max, ...
Result<std::uint64_t> parse_count(std::string_view text);                // memory.current, ...
Result<bool> parse_flag(std::string_view text);                          // cpu.idle, ...
Result<std::vector<int>> parse_processes(std::string_view text);         // cgroup.procs

}  // namespace plimsoll::kernel
