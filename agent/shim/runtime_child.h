// The OCI runtime as a child of the shim: what it needs (JSON, seccomp, mounts) is in its memory, not in
// ours, and gone with it.
#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/shim/options.h"

namespace plimsoll::shim {

// The held process, our child (CLONE_PARENT), and our ends of its stdio.
struct Held {
  int pid = 0;
  unsigned long long start_time = 0;
  UniqueFd in, out, err;  // pipes; without --open-stdin `in` is none
  UniqueFd terminal;      // --tty: the master instead of the three
  UniqueFd gate;          // --exec: one byte lets it go
};

// Runs `create` or `exec` to its end. On failure nothing is left of it, and the error is the runtime's.
Result<Held> make_process(const Options& options);

// Starts `delete --force`; gives its pid, which the caller reaps.
Result<int> start_delete(const Options& options);

}  // namespace plimsoll::shim
