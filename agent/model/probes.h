// What BPF probes counted of one container, since it was first seen: counters, as the kernel kept them.
// Values without I/O.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/units.h"
#include "agent/model/container_ref.h"

namespace plimsoll::model {

// How long things took. Slot i counts those below 2^i microseconds, and not below half of that; the last slot
// counts longer ones as well.
struct TimeHistogram {
  static constexpr std::size_t kSlots = 28;
  // The upper end of a slot; the last has none.
  static constexpr Nanoseconds end_of(std::size_t slot) { return Nanoseconds(1000LL << slot); }

  Nanoseconds sum{0};
  std::array<std::uint64_t, kSlots> slots{};

  // What came after `before`, an earlier state of the same histogram.
  TimeHistogram operator-(const TimeHistogram& before) const;
  TimeHistogram& operator+=(const TimeHistogram& more);
  // The least time that `share` (0..1) of them did not exceed, taken to lie evenly within a slot; 0 of none.
  Nanoseconds percentile(double share) const;

  std::uint64_t count() const {
    std::uint64_t all = 0;
    for (const std::uint64_t slot : slots) all += slot;
    return all;
  }
};

// How a probe stands: for `plimsoll doctor` and the probe's own metrics.
struct ProbeState {
  std::string name;  // "lifecycle"
  bool up = false;
  bool unasked = false;    // it is not up because nobody asked for it: nothing is wrong
  std::string why;         // it is not up; empty where it is
  Nanoseconds spent{0};    // in its programs; 0 while the sysctl kernel.bpf_stats_enabled is 0
  std::uint64_t runs = 0;  // of its programs; likewise
  // Not counted for want of room in a map, and events not told for want of room in the ring buffer.
  std::uint64_t lost_map_full = 0, lost_ring_full = 0;
  // Events that came while the same program was at another on the same CPU: the kernel does not run it again.
  std::uint64_t missed = 0;
};

// Processes (thread groups) of a container and of all cgroups below it.
struct Lifecycle {
  std::uint64_t forks = 0;     // processes begun
  std::uint64_t threads = 0;   // threads begun beside them
  std::uint64_t execs = 0;     // programs begun
  std::uint64_t exits = 0;     // processes ended
  std::uint64_t failures = 0;  // of them, with a status that is not 0
  std::uint64_t signals = 0;   // of them, by a signal
  std::uint64_t attaches = 0;  // processes and threads moved in from another cgroup
  TimeHistogram lifetimes;     // of those that ended
};

// A container's time on CPUs and in their run queues, all its tasks together.
struct Scheduling {
  Nanoseconds on_cpu{0};
  Nanoseconds stolen{0};  // of its waits, while another container had the CPU
  TimeHistogram waits;    // from runnable to running
};

// What the sockets did that were made in a container, and those accepted by them.
struct Network {
  // IP packets, headers included, as the sockets gave and took them.
  std::uint64_t bytes_sent = 0, bytes_received = 0;
  std::uint64_t packets_sent = 0, packets_received = 0;  // as they are on the wire
  std::uint64_t retransmits = 0;                         // TCP segments
  std::uint64_t resets_sent = 0, resets_received = 0;
  std::uint64_t accepts = 0;    // TCP connections that others opened
  std::uint64_t connected = 0;  // TCP connections that it opened
  std::uint64_t refused = 0;    // those that it tried to open and could not: the other end refused,
  std::uint64_t timed_out = 0;  // did not answer,
  std::uint64_t failed = 0;     // or something else; given up among them
  TimeHistogram connects;       // of `connected`, from the first SYN to the answer
};

// System calls that returned.
struct Syscalls {
  struct Failed {
    int number = 0;  // errno; 0: one that user space has no name for
    std::uint64_t calls = 0;
  };
  std::uint64_t calls = 0;
  std::vector<Failed> errors;  // of them, by errno; what did not happen is not there
};

// Each time that the CPU quota of a container, or of a cgroup below it, was used up and its tasks were held
// up. Each CPU's run queue is for itself: two CPUs held up for 10 ms are two episodes of 10 ms, as in
// cpu.stat's throttled_usec.
struct Throttling {
  TimeHistogram episodes;
};

// Its tasks' stalls for memory, of one kind.
struct Stalls {
  std::uint64_t episodes = 0;
  Nanoseconds spent{0};
};
// Of stalls within each other, the outermost counts.
struct Reclaim {
  Stalls memcg;             // they reclaimed from a cgroup, their own at memory.max or an ancestor's
  Stalls direct;            // they reclaimed from the machine, which had no page to give
  Stalls high;              // they were held up over memory.high: the reclaim, and the sleep after it
  std::uint64_t pages = 0;  // that they took back meanwhile
  TimeHistogram stalls;     // of all kinds
  Nanoseconds spent() const { return memcg.spent + direct.spent + high.spent; }
};

// Requests of one kind to one disk that ended. A request is what the disk was given: several bios that lie
// beside each other may be one.
struct IoRequests {
  std::uint64_t bytes = 0;
  Nanoseconds queued{0};  // until the disk was given them, waits of io.max among them
  Nanoseconds device{0};  // from then on
  TimeHistogram latency;  // the whole
};
struct DiskIo {
  std::uint32_t major = 0, minor = 0;
  std::string device;               // "vda", or "8:0" where the name is unknown
  IoRequests read, written, other;  // other: discards, and flushes, of which the whole latency only is known
};
TimeHistogram latency(const std::vector<DiskIo>& disks);  // of all requests

// What the probes have of one container; nullopt where a probe is not up.
struct ProbeReadings {
  std::optional<Scheduling> scheduling;
  std::optional<Throttling> throttling;
  std::optional<Lifecycle> lifecycle;
  std::optional<Network> network;
  std::optional<Syscalls> syscalls;
  std::optional<Reclaim> reclaim;
  std::optional<std::vector<DiskIo>> io;  // disks that it had requests of
};

// Something that must not wait for the next tick.
struct ProbeAlarm {
  enum class Why {
    kForkBurst,     // processes begun faster than any honest program does
    kMemoryHigh,    // a task is being held up over memory.high
    kReclaimStall,  // its tasks lose much of their time to reclaim
  };
  CgroupId container;
  Why why{};
  Nanoseconds when{0};  // CLOCK_MONOTONIC
  int pid = 0;          // of the process that did it; 0: none in particular
};
std::string_view to_string(ProbeAlarm::Why why);  // "fork burst"

// Who waited for a CPU, and who had it meanwhile: one cell of the matrix, since both were first seen.
struct Interference {
  enum class By {
    kContainer,  // `aggressor`, which may be the victim itself
    kHost,       // tasks in no container
    kIdle,       // nobody: the CPU had yet to wake up
    kQuota,      // nobody: the quota of the victim's cgroup, or of one above or below, was used up
    kUnknown,    // longer ago than is remembered
  };
  CgroupId victim;
  By by = By::kContainer;
  CgroupId aggressor;  // of kContainer only
  Nanoseconds waited{0};
};

}  // namespace plimsoll::model
