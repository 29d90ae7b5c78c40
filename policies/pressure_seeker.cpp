#include "policies/pressure_seeker.h"

#include <algorithm>

namespace plimsoll::policies {
namespace {

// Senpai's: 20 times the set-point doubles.
constexpr double kBackOffCoefficient = 20;
// Pressure of this share of the set-point says that little is left to take.
constexpr double kNoticed = 0.25;
constexpr double kLeastReach = 1.0 / 64, kRegained = 1.1;
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
    step.found = true;
    // At once, not at the interval's end; the next probe waits for a whole calm interval.
    step.size = reading.used * (1 + std::min(squared(stalled / allowed / kBackOffCoefficient), kMostBackOff));
    // Where the last probe brought it, what there was before does.
    if (probed_) step.size = std::min(step.size, std::max(calm_, reading.used));
    reach_ = std::max(reach_ / 2, kLeastReach);
  } else {
    // Shorter the nearer the set-point is, so that it is come to from below.
    reach_ = std::min(reach_ * kRegained, 1.0);
    calm_ = reading.used;
    const double probed = reading.used * (1 - kMostProbe * reach_ * (1 - stalled / allowed));
    step.size = std::max(probed, reading.unreclaimable);
    step.found = stalled >= kNoticed * allowed || reading.unreclaimable >= probed;
    step.reclaim = std::max(reading.used - step.size, 0.0);
    if (step.reclaim < kLeastReclaim) step.reclaim = 0;
  }
  probed_ = step.reclaim > 0;
  began_ = reading.at;
  integral_ = Microseconds(0);
  return step;
}

}  // namespace plimsoll::policies
