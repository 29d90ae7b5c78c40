// Carries decisions out on the kernel. One Decision in, one DecisionRecord out, whatever happens.
// Not thread-safe: the daemon's loop owns it. No call waits for the kernel's reclaim (limit_writer.h).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/enforce/endings.h"
#include "agent/enforce/limit_writer.h"
#include "agent/kernel/cgroup.h"
#include "agent/model/decision.h"

namespace plimsoll::enforce {

class Executor {
 public:
  // `cgroup_root` is the mount of the cgroup v2 hierarchy. `clock` and `control` outlive the executor;
  // without `control`, stop and restart are refused.
  Executor(std::string cgroup_root, const Clock& clock, ContainerControl* control = nullptr)
      : root_(std::move(cgroup_root)), clock_(clock), endings_(clock, control) {}

  // The cgroup at the container's path must still have the decision's inode: else the outcome is kVanished.
  model::DecisionRecord carry_out(const model::Decision& decision);

  // Finishes what a grace period postponed, with its record: SIGKILL to those that are still there, and stops
  // and restarts that have ended. Call when wake_with()'s function was called, when next_deadline() has come,
  // and with each tick: a container that obeyed is then forgotten, so that what its runtime starts in the
  // same cgroup is not hit.
  std::vector<model::DecisionRecord> tick();
  std::optional<BootTime> next_deadline() const;
  // While paused no grace ends in a SIGKILL; afterwards each begins anew.
  void pause(bool paused);

  // `wake` is called from another thread when a stop or restart has ended.
  void wake_with(std::function<void()> wake) { endings_.wake_with(std::move(wake)); }

  // Limits that are in force and that the kernel still reclaims down to.
  std::size_t reclaiming() const { return writer_.reclaiming(); }

  // The postponed kills, and stops and restarts that go on, must survive the agent. `persist` is called with
  // the text to keep, before the first signal is sent and whenever less is pending; "" says that nothing is.
  // Keep it with the boot id, and give it back to the same boot only: a cgroup's inode number is never used
  // again within one boot.
  using Persist = std::function<void(const std::string& state)>;
  void persist_with(Persist persist) { persist_ = std::move(persist); }
  // Those that came due meanwhile are killed at the next tick(), and stops and restarts begin anew, where it
  // is still the same cgroup, or for a restart none. Malformed text is kInvalid and changes nothing.
  Result<> restore(const std::string& state);

 private:
  struct PendingKill {
    BootTime when;
    model::CgroupId id;
    Nanoseconds grace{0};
    model::DecisionRecord record;  // of the signal that came first
  };

  void end(const model::Decision& decision, const kernel::Cgroup& cgroup, model::DecisionRecord& record);
  void resume(Endings::Job job);
  Result<std::optional<kernel::Cgroup>> open(const std::string& cgroup, model::CgroupId id) const;
  std::string saved() const;
  void persist() const;
  void act(const model::Decision& decision, const kernel::Cgroup& cgroup, model::DecisionRecord& record);
  Result<bool> write(const kernel::Cgroup& cgroup, const model::SetFile& action, const std::string& before);
  void set(const model::SetFile& action, const kernel::Cgroup& cgroup, model::DecisionRecord& record);
  void reclaim(const model::ReclaimMemory& action, const kernel::Cgroup& cgroup,
               model::DecisionRecord& record);
  void kill(const model::Kill& action, model::CgroupId id, const kernel::Cgroup& cgroup,
            model::DecisionRecord& record);

  std::string root_;
  const Clock& clock_;
  std::vector<PendingKill> pending_;
  bool paused_ = false;
  Persist persist_;
  LimitWriter writer_;
  Endings endings_;
};

}  // namespace plimsoll::enforce
