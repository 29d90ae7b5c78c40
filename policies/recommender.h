// What limit fits a workload, from what it was seen to use: the percentile of a decaying histogram with a
// margin, and bounds that close in on it as time goes by (Kubernetes VPA, pkg/recommender/logic). Values
// only: time is given. Not thread-safe.
#pragma once

#include <optional>

#include "policies/decaying_histogram.h"

namespace plimsoll::policies {

// How a policy wants a recommendation made.
struct Sizing {
  double percentile = 0.98;  // 0..1
  Nanoseconds half_life{std::chrono::hours(48)};
  double margin = 0.15;  // on top: 0.15 is 15 %
  std::optional<double> least, most;
  bool operator==(const Sizing&) const = default;
};

struct Estimate {
  double target = 0;        // what is recommended
  double lower = 0;         // below: surely too little
  double upper = 0;         // above: surely too much; far off while little was seen
  double confidence = 0;    // 0..1: days / (1 + days); a half after one day, 7 of 8 after a week
  Nanoseconds observed{0};  // time in which the workload ran and was seen
};

class Recommender {
 public:
  // kMemory counts the highest use in each hour, kCpu each sample, by what it used and for how long.
  enum class Kind { kMemory, kCpu };
  // A peak that comes once a day is one in 24 of an hour's peaks: 4 %, so that p98 holds it; of a minute's
  // peaks it would be 1 in 1440 and lost. The VPA's window of a day says nothing on the first day; here the
  // peak of the hour that has begun counts already.
  static constexpr Nanoseconds kPeakInterval = std::chrono::hours(1);

  explicit Recommender(Kind kind, Nanoseconds half_life);

  // Bytes in use at `at`, or cores used in the time `over` before it.
  void take(double value, Nanoseconds over, WallTime at);
  // A process was killed for lack of memory when `used` bytes were in use: it wanted more than was seen. The
  // hour's peak becomes at least max(1.2 x used, used + 100 MiB), and
  // weighs a day: one hour of a week would lie outside of the percentile.
  void oom(double used, WallTime at);
  void use_half_life(Nanoseconds half_life, WallTime at) { histogram_.use_half_life(half_life, at); }

  // nullopt: nothing was seen yet.
  std::optional<Estimate> estimate(const Sizing& sizing) const;
  double peak() const { return peak_; }  // of the hour that has begun

  // To be kept over a restart.
  struct State {
    std::vector<std::pair<std::size_t, double>> weights;
    WallTime reference{}, interval_began{};
    Nanoseconds half_life{0};
    double peak = 0;
    Nanoseconds observed{0};
  };
  State state() const;
  // False: no state of a recommender of this kind; nothing is changed then.
  bool restore(const State& state);

 private:
  void peak_of_hour(double value, WallTime at);

  Kind kind_;
  DecayingHistogram histogram_;
  Nanoseconds observed_{0};
  WallTime interval_began_{};
  double peak_ = 0;  // what the hour has in the histogram; 0: nothing yet
};

// One careful step from the limit `from` towards what is recommended: none while `from` lies between target
// and upper bound, else by at most `share` of `from`. `floor` is never gone below, but never a reason to go
// up where `from` is there already. nullopt: stay.
std::optional<double> step_towards(const Estimate& estimate, double from, double floor, double share);

}  // namespace plimsoll::policies
