// What was seen of one container (or the host) before now: the two ends of its rates, and the signals whose
// windows some rule asks for. Bounded by the longest window asked.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "policies/expression.h"
#include "policies/ring.h"
#include "policies/signal.h"

namespace plimsoll::policies {

class History {
 public:
  // Signals to keep, and for how long each.
  using Wanted = std::map<SignalId, Nanoseconds>;

  // Takes a new sample's counters; one that was taken in already is left out (false).
  bool advance(const Counters& counters);
  // Keeps the values that `wanted` asks for, read through `inputs`, at the time of the newest counters.
  void keep(const Wanted& wanted, const SignalInputs& inputs);

  // The youngest sample that is at least half a second older than the newest: events bring samples between
  // ticks, and a rate over a few milliseconds is noise. Null where there is none yet.
  const Counters* before() const;
  const Counters* now() const { return now_ ? &*now_ : nullptr; }
  Reading window(Function function, SignalId signal, Nanoseconds length) const;

 private:
  struct Point {
    BootTime at;
    double value = 0;
  };
  std::optional<Counters> now_;
  Ring<Counters> ends_;  // possible earlier ends, oldest first
  std::map<SignalId, Ring<Point>> points_;
};

}  // namespace plimsoll::policies
