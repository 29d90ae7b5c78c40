// What each workload was seen to use, and what limit fits it. A workload is all containers of one name and
// image over their generations and over reboots; in Kubernetes, of one namespace, container name and image.
// Pure; not thread-safe: the engine owns it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "agent/base/result.h"
#include "agent/model/recommendation.h"
#include "agent/model/sample.h"
#include "policies/document.h"
#include "policies/pressure_seeker.h"
#include "policies/recommender.h"

namespace plimsoll::policies {

// Of these bytes nothing can be reclaimed: the kernel's own, what is locked, and without swap all that has no
// file.
double unreclaimable(const model::Sample& sample, const model::HostSample& host);

class Sizer {
  struct Workload {
    Recommender memory{Recommender::Kind::kMemory, std::chrono::hours(48)};
    Recommender cpu{Recommender::Kind::kCpu, std::chrono::hours(12)};
    WallTime seen{};
  };

 public:
  // Where one resource of one living container stands.
  struct Resource {
    std::optional<Estimate> estimate;  // as of the last look
    std::optional<double> used;        // working set; cores, over about a minute
    std::optional<double> now;         // the limit that it has; nullopt: none
    std::optional<double> limit;       // what enforcing has come to; nullopt: nothing yet
    BootTime raise_from, cut_from;     // no such step before
    bool reclaimed = false;            // for the step that is due
  };
  struct Living {
    std::shared_ptr<const model::ContainerRef> ref;
    Resource memory, cpu;
    std::optional<PressureSeeker::Step> probe;  // that this sample brought
    std::optional<BootTime> audited;            // when a probe was last told, not made

   private:
    friend class Sizer;
    Workload* workload = nullptr;
    PressureSeeker seeker;
    std::optional<double> found;  // by seeking
    std::optional<BootTime> taken, looked;
    Microseconds cpu_usage{0};
    model::Count oom_kills = 0, ooms = 0;
    bool oom_told = false;
    std::uint64_t turn = 0;
  };

  // Beyond `most` workloads the one that was seen longest ago, and has no living container, gives way.
  static constexpr std::size_t kMostWorkloads = 4096;

  // A sample of a living container. Rules are null where it is not to be sized. One that was taken in already
  // changes nothing.
  Living& observe(const model::ContainerSample& one, const model::Snapshot& snapshot, const SizeRule* cpu,
                  const SizeRule* memory);
  // The last that was seen of one that vanished, and how it ended: an OOM kill is learned from.
  void observe_end(model::CgroupId id, const model::Sample& last, WallTime wall);
  void observe_exit(const model::EndedContainer& ended);
  // Forgets the containers that were not observed since the last call and are not among the ended.
  void end_turn(const model::Snapshot& snapshot);
  const Living* find(model::CgroupId id) const;

  // JSON, to be kept apart from the engine's state: it is good over a reboot.
  std::string save() const;
  // Replaces what is known of workloads. kInvalid: not what save() wrote; nothing is changed then.
  Result<> restore(const std::string& text);

 private:
  using Key = std::pair<std::string, std::string>;
  static Key key_of(const model::ContainerRef& ref);
  Workload& workload_of(const Key& key);
  void make_room();
  void observe_memory(Living& living, const model::ContainerSample& one, const model::HostSample& host,
                      const SizeRule& rule, Nanoseconds over, WallTime wall);
  static void look(Living& living, const SizeRule* cpu, const SizeRule* memory);
  static void observe_cpu(Living& living, const model::Sample& sample, Nanoseconds over, WallTime wall);
  static void observe_ooms(Living& living, const model::Sample& sample, WallTime wall);

  std::map<Key, std::unique_ptr<Workload>> workloads_;
  std::unordered_map<std::uint64_t, Living> living_;  // by inode
  std::uint64_t turn_ = 1;
};

}  // namespace plimsoll::policies
