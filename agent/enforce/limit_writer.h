// Writes memory.reclaim, and memory.max and memory.high below the current use without waiting for the reclaim
// that the kernel then does inside write(2): seconds to minutes
// (agent/decisions/limits-below-use-are-written-by-a-thread.md). Not thread-safe: the executor owns it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/units.h"
#include "agent/kernel/cgroup.h"

namespace plimsoll::enforce {

class LimitWriter {
 public:
  LimitWriter();
  ~LimitWriter();
  LimitWriter(const LimitWriter&) = delete;
  LimitWriter& operator=(const LimitWriter&) = delete;

  // Would the kernel reclaim before it lets the writer go?
  static bool reclaims(const kernel::Cgroup& cgroup, const std::string& file, const std::string& value);

  // Returns once the value is in force: true if the kernel still reclaims down to it. kConflict: too many do
  // so already. `before` is what the file held.
  Result<bool> write(const kernel::Cgroup& cgroup, const std::string& file, const std::string& value,
                     const std::string& before);
  // Has the kernel look for `amount` to take away from the cgroup. Waits a moment for it: kGoesOn, it is not
  // done yet. kConflict: an earlier one still goes on, or too many do so.
  enum class Reclaimed { kAll, kLess, kGoesOn };
  Result<Reclaimed> reclaim(const kernel::Cgroup& cgroup, Bytes amount);
  // An earlier write to this file that still reclaims is given up: it would go on to a limit that is no
  // longer meant, and kill for it in the end (mm/memcontrol.c, memory_max_write). Call before any write to
  // the file.
  void give_up(const kernel::Cgroup& cgroup, const std::string& file);
  // Forgets those that are done; call now and then.
  void reap();
  std::size_t reclaiming() const { return jobs_.size(); }

 private:
  struct Job;
  Result<std::shared_ptr<Job>> begin(const kernel::Cgroup& cgroup, const std::string& file,
                                     const std::string& value);
  static void run(const std::shared_ptr<Job>& job);
  static void interrupt(Job& job);
  std::vector<std::shared_ptr<Job>> jobs_;
};

}  // namespace plimsoll::enforce
