// One reading of one cgroup, as the kernel told it: counters and gauges, no rates. Every field is optional
// where the kernel may lack the file (controller off, kernel too old, the root cgroup): absent is nullopt,
// never 0 or -1. Source of each: Documentation/admin-guide/cgroup-v2.rst, and
// Documentation/accounting/psi.rst for pressure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/units.h"
#include "agent/model/container_ref.h"
#include "agent/model/limits.h"
#include "agent/model/probes.h"

namespace plimsoll::model {

using Count = std::uint64_t;

// cpu.stat
struct CpuStat {
  Microseconds usage{0}, user{0}, system{0};
  // Only where the cpu controller is on.
  std::optional<Count> periods, throttled_periods, burst_periods;
  std::optional<Microseconds> throttled, burst;
};

// memory.stat, the fields that anyone asks for; bytes, and counts of events.
struct MemoryStat {
  Bytes anon, file, kernel, file_mapped, file_dirty, file_writeback, active_file, inactive_file, slab, sock,
      shmem, unevictable;
  Count pgfault = 0, pgmajfault = 0, pgscan = 0, pgsteal = 0, refault_file = 0, refault_anon = 0;
};

// memory.events (hierarchical). oom_kill counts killed processes, oom the times the limit was hit with no way
// out.
struct MemoryEvents {
  Count low = 0, high = 0, max = 0, oom = 0, oom_kill = 0;
  std::optional<Count> oom_group_kill;  // 5.17 and newer
};

struct Memory {
  std::optional<Bytes> current;       // memory.current; the root cgroup has none
  std::optional<Bytes> peak;          // memory.peak (5.19 and newer)
  std::optional<Bytes> swap_current;  // memory.swap.current
  std::optional<MemoryStat> stat;
  std::optional<MemoryEvents> events;
};

// Averages are percent (0..100) of wall time; total is stalled time since the cgroup was made.
struct PressureLine {
  double avg10 = 0, avg60 = 0, avg300 = 0;
  Microseconds total{0};
};
struct Pressure {
  PressureLine some;
  std::optional<PressureLine> full;  // cpu.pressure of the root has none before 5.13
};
struct Pressures {
  std::optional<Pressure> cpu, memory, io;
};

// One line of io.stat.
struct IoStat {
  std::uint32_t major = 0, minor = 0;
  std::string device;  // "vda", or "8:0" where the name is unknown
  Bytes read, written, discarded;
  Count reads = 0, writes = 0, discards = 0;
};

// One interface of /proc/PID/net/dev of the container's network namespace, without lo.
struct NetStat {
  std::string interface;
  Bytes received, transmitted;
  Count rx_packets = 0, rx_errors = 0, rx_dropped = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};

struct HugetlbStat {
  std::string page_size;  // "2MB", as in the file's name
  std::optional<Bytes> current;
  std::optional<Count> failures;  // hugetlb.*.events max
};

// statfs of the container's writable layer.
struct FsStat {
  std::string device;
  Bytes usage, limit;
  Count inodes_free = 0, inodes_total = 0;
};

struct Sample {
  BootTime taken;  // one instance each: the values of a Sample are never mixed with another's
  std::optional<CpuStat> cpu;
  Memory memory;
  Pressures pressure;
  std::vector<IoStat> io;
  std::vector<NetStat> net;
  std::vector<HugetlbStat> hugetlb;
  std::optional<FsStat> fs;
  std::optional<Count> processes;         // cgroup.procs of the whole subtree
  std::optional<Count> threads;           // pids.current
  std::optional<Count> file_descriptors;  // of all its processes
  std::optional<Count> sockets;
  std::optional<bool> frozen;  // cgroup.events
  std::optional<bool> populated;
  ProbeReadings probes;
  Limits limits;  // as they stand in the files at this moment
};

// The whole machine. Pressures from /proc/pressure, memory from /proc/meminfo, CPU from /proc/stat.
struct HostSample {
  BootTime taken;
  double cpu_cores = 0;  // online CPUs
  std::optional<CpuStat> cpu;
  Bytes memory_total, memory_available, memory_free, swap_total, swap_free;
  Pressures pressure;
};

struct ContainerSample {
  std::shared_ptr<const ContainerRef> ref;  // never null
  Sample sample;
};

// How a container ended, for those that are gone.
struct Exit {
  WallTime when;
  std::optional<int> code;  // 0..255; 128+N for a signal N; nullopt where its runtime told nobody
  bool oom_killed = false;
};

// A container that vanished, with the last that was read of it.
struct EndedContainer {
  std::shared_ptr<const ContainerRef> ref;
  Sample last;
  WallTime vanished;
  std::optional<Exit> exit;
};

struct WorkloadTotals;  // agent/model/workload.h

// What the watch flow passes on, once a tick and at each event. Immutable once published; shared between
// threads.
struct Snapshot {
  WallTime wall;
  BootTime boot;
  std::uint64_t sequence = 0;
  HostSample host;
  std::optional<Sample> root;                                    // the root cgroup
  std::vector<ContainerSample> containers;                       // by cgroup path
  std::vector<EndedContainer> ended;                             // those of the last 10 minutes, oldest first
  std::shared_ptr<const std::vector<WorkloadTotals>> workloads;  // by name and image; may be null
  std::vector<ProbeState> probes;  // as of the last tick; empty: none were asked for
  std::shared_ptr<const std::vector<Interference>> interference;  // as of the last tick; may be null
};

// max(0, memory.current - inactive_file), cAdvisor's and the kubelet's definition; nullopt where either is
// unknown.
std::optional<Bytes> working_set(const Memory& memory);

}  // namespace plimsoll::model
