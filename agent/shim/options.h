// The shim's command line (protocol.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace plimsoll::shim {

struct Options {
  std::string id, bundle, root, dir, cgroup_root, cgroup, process, shim_cgroup;
  bool tty = false, open_stdin = false;
  std::uint64_t log_size = 0;  // bytes; 0: no rotation
  std::uint64_t log_files = 1;
  int ready_fd = -1;

  bool is_exec() const { return !process.empty(); }
  std::string cgroup_path() const { return cgroup_root + cgroup; }
};

// kInvalid: an unknown flag, a missing one, a value that is none.
Result<Options> parse_options(const std::vector<std::string>& words);

}  // namespace plimsoll::shim
