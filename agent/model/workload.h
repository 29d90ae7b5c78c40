// What all containers of one name and image used together, over their generations: counters that a restart or
// a removal does not set back.
#pragma once

#include <string>

#include "agent/model/sample.h"

namespace plimsoll::model {

struct WorkloadTotals {
  std::string name, image;  // the key
  Count starts = 0;         // containers of it that were seen
  Count oom_kills = 0;      // memory.events oom_kill
  Count memory_max_hits = 0;
  Microseconds cpu_usage{0}, cpu_throttled{0};
  Bytes io_read, io_written;
};

}  // namespace plimsoll::model
