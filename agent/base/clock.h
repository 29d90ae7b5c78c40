// Time is injected: only agent/daemon and programs' main() construct a SystemClock.
#pragma once

#include <chrono>

namespace plimsoll {

using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;
// CLOCK_BOOTTIME: monotonic, and goes on while the host sleeps.
struct BootTime {
  std::chrono::nanoseconds since_boot{0};
  auto operator<=>(const BootTime&) const = default;
  friend std::chrono::nanoseconds operator-(BootTime a, BootTime b) { return a.since_boot - b.since_boot; }
  friend BootTime operator+(BootTime a, std::chrono::nanoseconds b) { return {a.since_boot + b}; }
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  virtual BootTime boot() const = 0;
};

class SystemClock final : public Clock {
 public:
  WallTime wall() const override;
  BootTime boot() const override;
};

}  // namespace plimsoll
