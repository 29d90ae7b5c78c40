// What the kernel did for want of memory, as the probe `oom` saw it, and what the agent knew of it besides.
// Values without I/O.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/units.h"
#include "agent/model/container_ref.h"
#include "agent/model/limits.h"

namespace plimsoll::model {

// A process and its memory at that moment. What it shares with others is counted whole for each.
struct OomProcess {
  int pid = 0;
  int tid = 0;  // of the thread by which the kernel found it
  std::uint32_t uid = 0;
  int score_adj = 0;  // oom_score_adj: -1000 to 1000
  std::string comm;
  CgroupId container;  // of inode 0: nobody's
  CgroupId cgroup;
  Bytes virtual_size, anon, file, shmem, swap, page_tables;

  Bytes resident() const { return {anon.value + file.value + shmem.value}; }
};

struct OomVictim {
  OomProcess process;
  std::string cgroup_path;
};

enum class OomConstraint {
  kNone,          // the machine had no more
  kCpuset,        // the memory nodes that the cpuset allows had no more
  kMemoryPolicy,  // the memory nodes that mbind or set_mempolicy allow
  kMemcg,         // a limit of a cgroup was reached
};
std::string_view to_string(OomConstraint constraint);  // "memcg", or "global" for all others

// One run of the kernel's OOM killer that killed something.
struct OomKill {
  BootTime began, killed;  // it looked for a victim; it chose one
  OomConstraint constraint = OomConstraint::kNone;
  // What ran out. Of the machine only `total` is known.
  CgroupId cgroup;     // of inode 0: the machine
  std::string path;    // below the cgroup root; empty for the machine
  CgroupId container;  // that it is, or lies in; of inode 0: none
  Bytes usage, swap;
  Bound<Bytes> max = Bound<Bytes>::max(), high = Bound<Bytes>::max(), swap_max = Bound<Bytes>::max();
  Bytes total;  // that there could be, of memory and swap
  // Who asked for memory that was not there.
  OomProcess asker;
  std::string asker_path;
  std::uint32_t gfp = 0;
  int order = 0;  // 2^order pages; -1: a person asked, by SysRq
  // As memory.events counts: the one that was chosen of a group is counted once more with the group.
  std::uint32_t kills = 0;
  std::uint32_t untold = 0;        // of them, the victim is not known: the event was lost
  std::vector<OomVictim> victims;  // the one that was chosen first; each once
  // The largest of those that it looked at, by resident memory and swap, largest first, as they were when it
  // looked. Empty where it did not look (vm.oom_kill_allocating_task).
  std::uint32_t considered = 0;
  std::vector<OomProcess> top;
};

// A container's memory at one tick.
struct MemoryMoment {
  BootTime taken;
  std::optional<Bytes> usage, anon, file, shmem, swap, working_set;  // shmem is part of file
  std::optional<Bound<Bytes>> max, high;
  std::optional<float> pressure_some, pressure_full;  // avg10, percent
};

// All that is known of one kill, as it is kept.
struct PostMortem {
  std::int64_t id = 0;
  WallTime when;
  OomKill kill;
  // The containers that are spoken of: of what ran out, of the victims, of the asker, of the top.
  std::vector<std::shared_ptr<const ContainerRef>> containers;
  std::shared_ptr<const ContainerRef> container;  // of the first victim; null: it was nobody's
  std::vector<MemoryMoment> before;               // of `container`, oldest first
};

}  // namespace plimsoll::model
