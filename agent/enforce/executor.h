// Carries decisions out on the kernel. One Decision in, one DecisionRecord out, whatever happens.
// Not thread-safe: the daemon's loop owns it. Writing memory.max or memory.high below the current use makes
// the kernel reclaim inside write(2), for as long as it takes (mm/memcontrol.c, memory_max_write): such
// writes are the loop's longest steps, bounded by the kernel's own number of reclaim retries.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/kernel/cgroup.h"
#include "agent/model/decision.h"

namespace plimsoll::enforce {

class Executor {
 public:
  // `cgroup_root` is the mount of the cgroup v2 hierarchy; `clock` outlives the executor.
  Executor(std::string cgroup_root, const Clock& clock) : root_(std::move(cgroup_root)), clock_(clock) {}

  // The cgroup at the container's path must still have the decision's inode: else the outcome is kVanished.
  model::DecisionRecord carry_out(const model::Decision& decision);

  // Finishes what a grace period postponed: SIGKILL to those that are still there. Call when next_deadline()
  // has come.
  void tick();
  std::optional<BootTime> next_deadline() const;

 private:
  struct PendingKill {
    BootTime when;
    kernel::Cgroup cgroup;
  };

  Result<std::optional<kernel::Cgroup>> open(const model::ContainerRef& container) const;
  void act(const model::Decision& decision, const kernel::Cgroup& cgroup, model::DecisionRecord& record);
  void set(const model::SetFile& action, const kernel::Cgroup& cgroup, model::DecisionRecord& record);
  void kill(const model::Kill& action, const kernel::Cgroup& cgroup, model::DecisionRecord& record);

  std::string root_;
  const Clock& clock_;
  std::vector<PendingKill> pending_;
};

}  // namespace plimsoll::enforce
