// The memory of each container over its last ticks, for whoever asks what came before an OOM kill. Bounded by
// what is kept of each, 48 bytes a tick, and by leaving out those that have been gone for as long.
// Single-threaded.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "agent/model/oom.h"
#include "agent/model/sample.h"

namespace plimsoll::watch {

class MemoryHistory {
 public:
  static constexpr std::size_t kTicks = 60;
  static constexpr Nanoseconds kSpan = std::chrono::seconds(60);

  // Once a tick.
  void note(const model::Snapshot& snapshot);
  // Those of the last 60 s before `end`, oldest first; empty where nothing is known of it.
  std::vector<model::MemoryMoment> before(model::CgroupId id, BootTime end) const;
  std::size_t containers() const { return rings_.size(); }

 private:
  // In units of 4 KiB, which every page size is made of: exact, and half the size. All ones: not known; one
  // less: no limit.
  struct Moment {
    BootTime taken;
    std::uint32_t usage, anon, file, shmem, swap, working_set, max, high;
    float pressure_some, pressure_full;  // below 0: not known
  };
  static_assert(sizeof(Moment) == 48);
  struct Ring {
    std::array<Moment, kTicks> moments;
    std::uint64_t noted = 0;  // the next one goes to noted % kTicks
    const Moment& back(std::uint64_t ago) const { return moments[(noted - 1 - ago) % kTicks]; }
  };
  static Moment moment_of(const model::Sample& sample);
  static model::MemoryMoment told(const Moment& moment);

  std::unordered_map<model::CgroupId, Ring> rings_;
};

}  // namespace plimsoll::watch
