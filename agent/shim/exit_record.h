// How a process ended, as exit.json (protocol.h) says it. Written without a JSON library: numbers and fixed
// words only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/base/clock.h"
#include "agent/kernel/cgroup.h"

namespace plimsoll::shim {

struct Usage {
  std::optional<std::uint64_t> cpu_usec, cpu_user_usec, cpu_system_usec, memory_peak;
  std::optional<std::uint64_t> cgroup_id;  // the inode of its folder
  std::uint64_t oom_kills = 0;
};

struct ExitRecord {
  int wait_status = 0;  // as waitpid(2) gives it
  std::optional<WallTime> started;
  WallTime exited;
  Usage usage;

  int code() const;  // 128+N for signal N
};

// What the files of the cgroup say; what is not there stays absent.
Usage read_usage(const kernel::Cgroup& cgroup);
std::string exit_json(const ExitRecord& record);

}  // namespace plimsoll::shim
