// When a change of limit files makes the loop turn. Whoever owns a delegated cgroup may write its limits as
// often as he likes, and each turn evaluates every container: the first change is looked at at once, those
// that follow wait for the gap. Not thread-safe: the loop owns it.
#pragma once

#include <algorithm>
#include <optional>

#include "agent/base/clock.h"

namespace plimsoll::daemon {

class LimitTurns {
 public:
  // Far below the second within which drift is corrected.
  static constexpr std::chrono::nanoseconds kGap = std::chrono::milliseconds(200);

  void changed() { waiting_ = true; }
  // Any turn looks at all limits.
  void turned() { waiting_ = false; }
  // True where a turn is to be made now for changes that wait; the next gap begins with it.
  bool take(BootTime now) {
    if (!waiting_ || now < next_) return false;
    waiting_ = false;
    next_ = now + kGap;
    return true;
  }
  // When take() is to be called; nullopt: nothing waits.
  std::optional<BootTime> deadline() const { return waiting_ ? std::optional(next_) : std::nullopt; }

 private:
  bool waiting_ = false;
  BootTime next_;
};

}  // namespace plimsoll::daemon
