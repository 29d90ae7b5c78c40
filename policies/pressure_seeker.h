// Finds how much memory a workload needs by taking a little away and watching its pressure, after Meta's
// Senpai: the time stalled for memory is added up; below a set-point it is probed, above it is backed off in
// proportion to how far. Values only: time is given. Not thread-safe.
#pragma once

#include <optional>

#include "agent/base/clock.h"
#include "agent/base/units.h"

namespace plimsoll::policies {

class PressureSeeker {
 public:
  // Senpai's probe every 6 s; here each is a decision on record, and slow probing is what is wanted.
  static constexpr Nanoseconds kInterval = std::chrono::seconds(30);
  static constexpr double kMostProbe = 0.01, kMostBackOff = 1;

  struct Reading {
    BootTime at;
    double used = 0;           // bytes
    double unreclaimable = 0;  // of these
    Microseconds stalled{0};   // memory.pressure, some, total
  };
  struct Step {
    double size = 0;     // what the workload needs, as far as is known
    double reclaim = 0;  // bytes to take away now
    double stalled = 0;  // share of time since the last step
    bool found = false;  // less brings pressure, or cannot be; otherwise there may be more to take
  };
  // `set_point`: the share of time (0..1) that may be stalled. nullopt: nothing to say yet.
  std::optional<Step> take(const Reading& reading, double set_point);

 private:
  std::optional<Reading> last_;
  BootTime began_;
  Microseconds integral_{0};
  double reach_ = 1;  // of kMostProbe: halved by each pressure, and regained slowly in calm
  double calm_ = 0;   // bytes that did without pressure
  bool probed_ = false;
};

}  // namespace plimsoll::policies
