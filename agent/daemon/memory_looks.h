// When the host's memory is looked at between two ticks. A tick is too long where little is left: what a
// program can take in a second is gone before a policy of the host has seen that there is a line. How long
// what is left can last at most says when to look again (as earlyoom does it); the look reads the host's own
// few files, and the loop turns only where much is gone since it last did. Not thread-safe: the loop owns it.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "agent/base/clock.h"
#include "agent/base/units.h"

namespace plimsoll::daemon {

class MemoryLooks {
 public:
  // Faster than programs get memory, which the kernel has to clear first.
  static constexpr double kFill = 6.0 * (1ULL << 30);  // bytes a second
  static constexpr std::chrono::nanoseconds kShortest = std::chrono::milliseconds(25);
  static constexpr std::chrono::nanoseconds kLongest = std::chrono::seconds(1);
  static constexpr double kMuch = 1.0 / 64;  // of what was left

  // Whether somebody asks for it: policies of the host that read its memory.
  void wanted(bool yes) { wanted_ = yes; }

  // The loop turns with what was read then: an event turns it with what an earlier look or tick has read.
  void turned(BootTime read, Bytes available) {
    told_ = available;
    plan(read, available);
  }
  // `available` was read just now: whether the loop is to turn for it.
  bool looked(BootTime now, Bytes available) {
    plan(now, available);
    return static_cast<double>(available.value) < static_cast<double>(told_.value) * (1 - kMuch);
  }
  // When to look; nullopt: the tick is soon enough.
  std::optional<BootTime> deadline() const { return wanted_ ? next_ : std::nullopt; }
  bool due(BootTime now) const { return wanted_ && next_ && now >= *next_; }

 private:
  void plan(BootTime now, Bytes available) {
    const std::chrono::duration<double> lasts(static_cast<double>(available.value) / kFill);
    const auto pause = std::chrono::duration_cast<std::chrono::nanoseconds>(lasts);
    next_.reset();
    if (pause < kLongest) next_ = now + std::max(pause, kShortest);
  }

  bool wanted_ = false;
  Bytes told_;
  std::optional<BootTime> next_;
};

}  // namespace plimsoll::daemon
