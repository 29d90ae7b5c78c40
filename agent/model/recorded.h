// What the policies were given at one moment, and what they made of it: history keeps it, `top --at` shows
// it, back-tests replay it.
#pragma once

#include <memory>
#include <vector>

#include "agent/model/decision.h"
#include "agent/model/event.h"
#include "agent/model/sample.h"

namespace plimsoll::model {

struct Recorded {
  // Of containers only what is alive: `ended`, `workloads` and `interference` are not kept.
  std::shared_ptr<const Snapshot> snapshot;
  std::vector<Event> events;              // since the moment before
  std::vector<DecisionRecord> decisions;  // taken at this moment
  std::vector<DecisionRecord> followed;   // what came since of earlier ones: SIGKILL after a grace
  bool tick = false;                      // everything was sampled; else only what had an event
  bool paused = false;
};

}  // namespace plimsoll::model
