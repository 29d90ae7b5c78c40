// The probes: one table of them (probes.cpp), loaded one by one, and what they counted of each container. A
// probe that the kernel refuses takes none of the others with it. Single-threaded.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "agent/base/result.h"
#include "agent/model/container_ref.h"
#include "agent/model/oom.h"
#include "agent/model/probes.h"

namespace plimsoll::bpf {

std::vector<std::string_view> probe_names();

class Probes {
 public:
  struct Options {
    std::string types;                     // the kernel's, a file: see ObjectSource
    std::string cgroup_mount;              // of cgroup2; packets are counted for cgroups below it
    std::uint32_t most_containers = 4096;  // that a map has room for, cgroups of nobody among them
    std::uint32_t most_cells = 16'384;     // that a map of containers and something else has room for
    std::uint32_t ring_bytes = 256 << 10;  // for events on their way; made a power of two of whole pages
    std::set<std::string> off;             // probes that are not wanted
    std::set<std::string> on;              // probes that are loaded only where they are asked for
    // No CPU tells of a container's excess more than once in a window.
    Nanoseconds window = std::chrono::milliseconds(100);
    std::uint64_t forks_of_a_burst = 20;  // processes, on one CPU, within a window
    // Time of a container's tasks in reclaim and over memory.high, on one CPU, within a window.
    Nanoseconds stall_of_a_window = std::chrono::milliseconds(20);
  };
  // What the maps take at once, whether containers come or not: on each CPU a slot for each, and a cell of
  // the matrix.
  static Bytes memory_of(const Options& options);
  // Loads what it can; states() tells of the rest. Needs CAP_BPF and CAP_PERFMON, and a kernel with BTF.
  static std::unique_ptr<Probes> open(const Options& options);
  ~Probes();
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;

  std::vector<model::ProbeState> states() const;

  // A container: what happens in its cgroup and below it is counted for it from now on; what happened in the
  // cgroup itself since it was made has been, by lifecycle. Errors: no room for one more.
  Result<> watch(model::CgroupId id);
  // Its cgroup is gone and its last numbers have been read: its entries are taken out. Who waited for it
  // stays in the matrix, until bury() says that its name is forgotten too.
  void forget(model::CgroupId id);
  void bury(model::CgroupId id) { departed_.erase(id.inode); }

  // Until what it returns is destroyed, read() and interference() tell of this moment: some system calls for
  // all containers, where each would take one for each probe. What is watched meanwhile has nothing until
  // then. One at a time.
  struct EndScan {
    void operator()(Probes* probes) const;
  };
  using Scan = std::unique_ptr<Probes, EndScan>;
  [[nodiscard]] Scan scan();

  // Of a container that is watched; of others nothing.
  model::ProbeReadings read(model::CgroupId id) const;
  // The whole matrix; empty where its probe is not up. To be read now and then: what is left there of
  // containers that were forgotten is taken out by this.
  std::vector<model::Interference> interference() const;

  // Readable while drain() has something to say; -1: there are no events to be had. May be put into an epoll
  // set.
  int event_fd() const;
  // What happened since the last call, in order. Never blocks.
  std::vector<model::ProbeAlarm> drain();
  // What drain() has read of the kernel's OOM killer since this was last called. The victims' containers have
  // had an alarm each.
  std::vector<model::OomKill> take_ooms();

 private:
  struct State;
  explicit Probes(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  std::unordered_set<std::uint64_t> departed_;  // forgotten, and not yet buried
};

}  // namespace plimsoll::bpf
