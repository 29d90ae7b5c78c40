#include "policies/pressure_seeker.h"

#include <algorithm>

namespace plimsoll::policies {
namespace {

// Senpai's: pressure of 1/10 of the set-point or less gives the longest probe, 20 times the set-point
// doubles.
constexpr double kProbeCoefficient = 10, kBackOffCoefficient = 20;
// Less is not worth a call of the kernel.
constexpr double kLeastReclaim = 256.0 * 1024;

double squared(double value) { return value * value; }

}  // namespace

std::optional<PressureSeeker::Step> PressureSeeker::take(const Reading& reading, double set_point) {
  if (!last_ || reading.stalled < last_->stalled || reading.at < last_->at) {
    last_ = reading;
    began_ = reading.at;
    integral_ = Microseconds(0);
    return std::nullopt;
  }
  integral_ += reading.stalled - last_->stalled;
  last_ = reading;
  const Nanoseconds passed = reading.at - began_;
  const double allowed = set_point * to_seconds(kInterval);
  const double stalled = to_seconds(integral_);
  const bool over = stalled > allowed;
  if (passed.count() <= 0 || (!over && passed < kInterval)) return std::nullopt;
  Step step;
  step.stalled = stalled / to_seconds(passed);
  if (over) {
    // At once, not at the interval's end; the next probe waits for a whole calm interval.
    step.size = reading.used * (1 + std::min(squared(stalled / allowed / kBackOffCoefficient), kMostBackOff));
  } else {
    const double calm = allowed / std::max(stalled, 1e-6);
    const double probe = std::min(squared(calm / kProbeCoefficient), kMostProbe);
    step.size = std::max(reading.used * (1 - probe), reading.unreclaimable);
    step.reclaim = std::max(reading.used - step.size, 0.0);
    if (step.reclaim < kLeastReclaim) step.reclaim = 0;
  }
  began_ = reading.at;
  integral_ = Microseconds(0);
  return step;
}

}  // namespace plimsoll::policies
