// The watch flow: kernel -> Snapshot and Events. One object, owned by one loop, single-threaded; the
// snapshots it gives are immutable and may go to any thread.
//
// How a container's life is seen:
// 1. Birth: inotify on its parent. Its descriptors are opened and it is sampled at once, so that even one
// that
//    lives for less than a tick leaves a sample.
// 2. Its last process ends: cgroup.events notifies, and it is sampled again before the runtime removes the
//    cgroup. After the removal nothing can be read (ENODEV), so this is the last sample of most containers.
//    The kernel may hold the notification back for up to 10 ms.
// 3. Removal: inotify on its parent. It is passed on as ContainerVanished, and kept with its last sample.
// A cgroup that is made and removed before the loop comes round cannot be read; it is counted
// (WatchStats::missed).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/model/event.h"
#include "agent/model/oom.h"
#include "agent/model/sample.h"
#include "agent/watch/container_sampler.h"
#include "agent/watch/descriptor_budget.h"
#include "agent/watch/folder_tree.h"
#include "agent/watch/host_reader.h"
#include "agent/watch/identity.h"
#include "agent/watch/options.h"
#include "agent/watch/pressure_listener.h"
#include "agent/watch/workloads.h"

namespace plimsoll::watch {

// Counters since the watcher was opened, and gauges of now.
struct WatchStats {
  std::uint64_t watched = 0, ended = 0;
  std::uint64_t missed = 0;           // containers gone before they could be opened
  std::uint64_t overflows = 0;        // inotify queue overflows; each was followed by a walk
  std::uint64_t failed_watches = 0;   // inotify watches that could not be had
  std::uint64_t malformed_files = 0;  // control files that could not be understood
  std::uint64_t kept_files = 0;       // descriptors kept open
  std::uint64_t reopened_files = 0;   // files opened for each sample for want of descriptors
  std::uint64_t pressure_triggers = 0;
  Microseconds pressure_window{0};  // as the kernel took it; 0: no PSI triggers on this host
  Nanoseconds last_take{0};         // how long the last take() took
};

class Watcher {
 public:
  // Walks the tree once; the containers found are events of the first drain(). `ours` (may be null) and
  // `clock` must outlive the watcher. Errors: no cgroup v2 at the mount, no procfs.
  static Result<std::unique_ptr<Watcher>> open(Options options, const Clock& clock, IdentitySource* ours);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // Readable while drain() has something to say; may be put into another epoll set.
  int event_fd() const { return epoll_.get(); }
  // What happened since the last call, in order. Containers concerned have been sampled anew: snapshot() has
  // them. Never blocks.
  std::vector<model::Event> drain();

  // Samples the host and all containers: once a tick.
  std::shared_ptr<const model::Snapshot> take();
  // The last values of all, with nothing read: after drain() or refresh().
  std::shared_ptr<const model::Snapshot> snapshot();
  // Reads the host's own files anew, without those of any container; snapshot() has them.
  const model::HostSample& look_at_host();
  // Reads one container's control files anew. kNotFound: no such container, or it is gone.
  Result<> refresh(model::CgroupId id);

  // How a container ended, told by its runtime before or after its cgroup vanished; also of one that was
  // never seen here (it ended while no agent ran, or within a tick). Of its last values the larger of what
  // was told and what was read here stands.
  void set_end(const model::EndedContainer& told);
  // Its identity is to be asked for again (renamed, started anew in the same cgroup).
  void identity_changed(const std::string& container_id);

  // Containers whose limit files someone wrote since the last call; they have been read anew.
  std::vector<model::CgroupId> take_limit_changes();
  // One line each: what could not be read, and why. For the agent's log.
  std::vector<std::string> take_warnings();
  // What the kernel's OOM killer did, as drain() has learned since this was last called; also to what is in
  // no container.
  std::vector<model::OomKill> take_ooms();
  WatchStats stats() const;

  // The totals by workload, for the state folder. See Workloads.
  std::string save(std::string_view boot_id) const { return workloads_.save(boot_id); }
  Result<> restore(std::string_view text, std::string_view boot_id);

 private:
  struct Tracked {
    std::shared_ptr<const model::ContainerRef> ref;
    Match match;
    ContainerSampler sampler;
    unsigned identity_tries_left;
    bool identified = false;
    bool probed = false;                          // the probes count it
    std::optional<model::MemoryEvents> reported;  // the last that an event told of
    Microseconds stalled{0};                      // memory.pressure some total at the last tick
    std::uint64_t stalled_at = 0;                 // the tick in which it last grew
  };
  using Trackeds = std::map<std::string, std::unique_ptr<Tracked>>;  // by cgroup path

  Watcher(Options options, const Clock& clock, IdentitySource* ours, FolderTree tree, HostReader host);
  Result<> start();

  void forget_restored();

  // watcher_events.cpp
  void collect();
  void apply(const std::vector<FolderChange>& changes);
  void appeared(const FolderChange& change);
  void vanished(model::CgroupId id);
  void complete(model::EndedContainer& ended, const model::EndedContainer& told);
  void after_reading(Tracked& tracked);
  void push(decltype(model::Event::what) what);
  void pressure_fired();
  void probes_fired();
  void identify(Tracked& tracked);
  Result<> probe(Tracked& tracked);
  Result<std::optional<Identity>> identity_of(const Match& match);

  // watcher_sampling.cpp
  void sample_all();
  std::vector<model::CgroupId> sample_tracked();
  void sample_root();
  void prune_ended(WallTime now);
  void arm_triggers();
  void arm(Tracked& tracked);
  void arm_host();

  Options options_;
  const Clock& clock_;
  IdentitySource* ours_;
  DescriptorBudget budget_;
  FolderTree tree_;
  HostReader host_reader_;
  SamplingGround ground_;
  UniqueFd epoll_, bell_;  // the bell rings for events that were found outside of drain()
  std::unique_ptr<PressureListener> listener_;  // null where the host has no PSI triggers
  Microseconds pressure_window_{0};

  Trackeds tracked_;
  std::unordered_map<model::CgroupId, Tracked*> by_id_;
  std::unique_ptr<CgroupReader> root_reader_;
  std::optional<model::Sample> root_;
  model::HostSample host_;
  std::vector<model::ProbeState> probes_;
  std::shared_ptr<const std::vector<model::Interference>> interference_;
  std::deque<model::EndedContainer> ended_;
  std::map<std::string, model::EndedContainer> early_ends_;  // told before the cgroup vanished
  Workloads workloads_;
  bool restored_ = false;  // workloads_ still holds what an earlier agent counted of cgroups that are gone

  std::vector<model::Event> events_;
  std::set<model::CgroupId> limit_changes_;
  std::vector<std::string> warnings_;
  std::vector<model::OomKill> ooms_;
  std::uint64_t tick_ = 0, sequence_ = 0;
  Nanoseconds last_take_{0};
};

}  // namespace plimsoll::watch
