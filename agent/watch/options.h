// How the host is watched. Everything has a default but the roots.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "agent/kernel/psi_trigger.h"
#include "agent/watch/identity.h"
#include "bpf/probes.h"

namespace plimsoll::watch {

// Every how many ticks a thing is read; in between its last value stands. Control files are read each tick.
// The turns of the containers are spread, so that not all are due in one tick.
struct Cadence {
  // Rates over it would jump if it stood still between ticks; the host's own namespace is never read.
  unsigned network = 1;
  unsigned processes = 5;     // cgroup.procs of the subtree
  unsigned descriptors = 15;  // /proc/PID/fd of each process: the most expensive by far
  unsigned filesystem = 30;   // statfs
  unsigned hugetlb = 15;
  // Limits, cgroup.events, files of newly enabled controllers, and the walk of the tree: inotify tells of
  // changes at once, this only catches what it missed.
  unsigned verify = 10;
};

struct Options {
  std::string cgroup_mount = {};  // "/sys/fs/cgroup"
  std::string proc = {};          // "/proc"
  IdentityRoots identity = {};
  Cadence cadence = {};
  bpf::Probes* probes = nullptr;  // outlives the watcher; null: none
  unsigned identity_tries = 10;   // ticks in which a runtime's files are looked for
  kernel::PsiThreshold pressure = {};
  // A trigger costs the kernel a thread: containers with a memory limit or that stall have them, these many.
  // 0: none, for the host neither.
  std::size_t most_pressure_triggers = 64;
  std::chrono::nanoseconds keep_ended = std::chrono::minutes(10);
  std::size_t most_ended = 1000;            // a service that fails in a loop must not fill the memory
  std::uint64_t most_descriptors = 50'000;  // of one container; beyond, their count is unknown
};

}  // namespace plimsoll::watch
