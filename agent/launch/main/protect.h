// Keeps a container from writing to this program's file through /proc/PID/exe (CVE-2019-5736).
#pragma once

#include "agent/base/result.h"

namespace plimsoll::runtime {

// Makes this process run from a sealed copy of its own file in memory: executes it again if it does not yet.
// Read-only binds and overlays would do against writing, but share the page cache with the file
// (CVE-2026-31431). Call it before anything else.
Result<> run_from_sealed_copy(char** argv, char** env);

}  // namespace plimsoll::runtime
