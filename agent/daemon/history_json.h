// What was recorded, as JSON lines for other programs: a line a host, a container, a decision and an event of
// each moment. Numbers are counters and gauges as the kernel tells them, in the unit that the key names.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "agent/model/recorded.h"

namespace plimsoll::daemon {

// Lines of one moment, in the order host, containers, events, decisions; of a moment between two ticks the
// last two only. `container`: of this one only, by name, id or cgroup; empty: of all. False: `out` takes no
// more.
bool history_lines(const model::Recorded& moment, const std::string& container,
                   const std::function<bool(std::string_view)>& out);

}  // namespace plimsoll::daemon
