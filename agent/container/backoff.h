// When a container that ended is started again. Values without I/O.
#pragma once

#include <optional>

#include "agent/base/units.h"
#include "agent/container/config.h"

namespace plimsoll::container {

struct Ended {
  int exit_code = 0;
  bool stopped_by_user = false;  // stop, kill: its policy does not bring it back
  Nanoseconds ran{0};
};

// Doubles from 100 ms to 1 min; starts over after a run of 10 s.
class Backoff {
 public:
  // How long to wait before the next start; nullopt: the policy says no.
  std::optional<Nanoseconds> next(const RestartPolicy& policy, const Ended& ended);
  int failures() const { return failures_; }  // in a row
  void restore(int failures) { failures_ = failures; }

 private:
  int failures_ = 0;
};

}  // namespace plimsoll::container
