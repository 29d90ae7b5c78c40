// Back-testing: the engine over what was recorded. What the policies of then did is taken out of the record,
// and what the replayed ones do is put in: limits that they write are read back at the next moment. What else
// would have come of it, less memory used under a tighter limit, or a kill, nobody can know: usage stays as
// it was. Pure; the same moments and policies give the same decisions.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/model/recorded.h"
#include "policies/engine.h"
#include "policies/replayed_limits.h"

namespace plimsoll::policies {

class Replay {
 public:
  // A decision that would have been taken.
  struct Taken {
    WallTime when;
    model::Decision decision;
    bool as_then = false;  // it was, then and so
  };
  // What a container would have had, of seconds of it.
  struct Container {
    std::string name;
    Nanoseconds seen{0};
    Nanoseconds over_memory_high{0}, over_memory_max{0}, over_cpu_max{0};
    // What its limits would have left to others, over time: positive where they are tighter than those of
    // then. Of a resource that had, or would have had, no limit nothing is said.
    double memory_byte_seconds = 0, cpu_core_seconds = 0;
  };

  Replay(std::shared_ptr<const PolicySet> set, EngineOptions options);

  // Of another boot than the moment before: nothing that was known of containers holds.
  void begin_boot();
  // What was before is no part of what is told: it was replayed for what rules remember of it.
  void begin_count() {
    containers_.clear();
    missed_ = 0;
  }
  // The decisions of this moment.
  std::vector<Taken> next(const model::Recorded& moment);

  const std::map<std::string, Container>& containers() const { return containers_; }  // by id
  // Decisions of then that were not taken again: those of policies that are not replayed among them.
  std::uint64_t missed() const { return missed_; }

 private:
  struct Living {
    ReplayedLimits limits;
    std::optional<model::Sample> before;  // the tick before, as it was recorded
  };
  model::Snapshot as_replayed(const model::Snapshot& recorded);
  void account(const model::Recorded& moment, const model::Snapshot& replayed);
  model::DecisionRecord outcome(const Taken& taken, const model::DecisionRecord* then);
  void note_then(const model::Recorded& moment);
  void use_disks(const model::Snapshot& snapshot);

  std::shared_ptr<const PolicySet> set_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  std::unordered_map<std::string, Living> living_;  // by cgroup
  std::map<std::string, Container> containers_;
  std::uint64_t missed_ = 0;
};

}  // namespace plimsoll::policies
