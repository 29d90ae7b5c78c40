// Waiting for a process in the foreground: signals that come to us go on to it, its terminal is ours.
#pragma once

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/launch/spawn.h"

namespace plimsoll::runtime {

// Blocks all signals so that they can be waited for; the process that is spawned unblocks its own. Call it
// before spawn.
void hold_signals();

// Waits for the end of `spawned`, our child, and gives its exit status (128+N for signal N). `master`: its
// terminal, joined to our stdin and stdout until then; may be none.
Result<int> wait_in_foreground(launch::Spawned& spawned, UniqueFd master);

}  // namespace plimsoll::runtime
