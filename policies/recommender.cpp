#include "policies/recommender.h"

#include <algorithm>
#include <cmath>

namespace plimsoll::policies {
namespace {

using std::chrono::days;

constexpr double kMiB = 1024.0 * 1024;
constexpr double kOomFactor = 1.2;
constexpr double kOomAtLeast = 100 * kMiB;
constexpr double kOomWeight = 24;  // hours
// An idle sample still says something: the VPA's least weight (0.1 cores).
constexpr double kLeastCpuWeight = 0.1;
// A sample stands for no more time than this: between two of them the agent, or the host, may have slept.
constexpr Nanoseconds kLongestSample = std::chrono::minutes(1);
constexpr double kLowerPercentile = 0.5, kUpperPercentile = 0.95;

DecayingHistogram::Shape shape_of(Recommender::Kind kind) {
  if (kind == Recommender::Kind::kCpu) return {.first = 0.01, .most = 1000};
  return {.first = kMiB, .most = kMiB * kMiB * 16};
}

}  // namespace

Recommender::Recommender(Kind kind, Nanoseconds half_life)
    : kind_(kind), histogram_(shape_of(kind), half_life) {}

void Recommender::take(double value, Nanoseconds over, WallTime at) {
  const Nanoseconds counted = std::clamp(over, Nanoseconds(0), kLongestSample);
  observed_ += counted;
  if (kind_ == Kind::kMemory) return peak_of_hour(value, at);
  // By load (Autopilot): a container that idles all night is sized for its day.
  histogram_.add(value, std::max(value, kLeastCpuWeight) * to_seconds(counted), at);
}

void Recommender::peak_of_hour(double value, WallTime at) {
  const bool same_hour = peak_ > 0 && at >= interval_began_ && at - interval_began_ < kPeakInterval;
  if (same_hour && value <= peak_) return;
  if (same_hour) {
    histogram_.take_back(peak_, 1, interval_began_);
  } else {
    interval_began_ = at;
  }
  peak_ = std::max(value, 1.0);
  histogram_.add(peak_, 1, interval_began_);
}

void Recommender::oom(double used, WallTime at) {
  const double peak = std::max(used, peak_);
  peak_of_hour(std::max(kOomFactor * peak, peak + kOomAtLeast), at);
  histogram_.add(peak_, kOomWeight - 1, at);
}

std::optional<Estimate> Recommender::estimate(const Sizing& sizing) const {
  if (observed_.count() == 0 || histogram_.empty()) return std::nullopt;
  const double seen = to_seconds(observed_) / to_seconds(days(1));
  const double more = 1 + sizing.margin;
  Estimate made;
  made.observed = observed_;
  made.confidence = seen / (1 + seen);
  made.target = histogram_.percentile(sizing.percentile) * more;
  const double lower = histogram_.percentile(std::min(kLowerPercentile, sizing.percentile)) * more;
  const double upper = histogram_.percentile(std::max(kUpperPercentile, sizing.percentile)) * more;
  made.lower = lower * std::pow(1 + 0.001 / seen, -2);
  made.upper = upper * (1 + 1 / seen);
  for (double* one : {&made.target, &made.lower, &made.upper}) {
    if (sizing.most) *one = std::min(*one, *sizing.most);
    if (sizing.least) *one = std::max(*one, *sizing.least);
  }
  return made;
}

Recommender::State Recommender::state() const {
  return {histogram_.weights(),
          histogram_.reference(),
          interval_began_,
          histogram_.half_life(),
          peak_,
          observed_};
}

bool Recommender::restore(const State& state) {
  if (!std::isfinite(state.peak) || state.peak < 0 || state.observed.count() < 0) return false;
  if (!histogram_.restore(state.weights, state.reference, state.half_life)) return false;
  interval_began_ = state.interval_began;
  peak_ = state.peak;
  observed_ = state.observed;
  return true;
}

std::optional<double> step_towards(const Estimate& estimate, double from, double floor, double share) {
  const double goal = std::clamp(from, estimate.target, std::max(estimate.upper, estimate.target));
  double to = std::clamp(goal, from * (1 - share), from * (1 + share));
  if (to < from) to = std::min(std::max(to, floor), from);
  if (to == from) return std::nullopt;
  return to;
}

}  // namespace plimsoll::policies
