// What procfs tells of one process (proc(5)). `proc` is where procfs is mounted; `process` is "self" or a
// pid.
#pragma once

#include <cstdint>
#include <string>

#include "agent/base/units.h"

namespace plimsoll::kernel {

// Its path below the cgroup v2 root, "/system.slice/plimsoll.service" (cgroups(7)); empty where the process
// has gone or the host has no v2 hierarchy.
std::string cgroup_of(const std::string& proc, const std::string& process);

// CapEff as a set of bits, numbered as in capabilities(7); 0 where it cannot be read.
std::uint64_t effective_capabilities(const std::string& proc, const std::string& process);

// What the calling process has used since it began, and holds now.
struct OwnUse {
  Microseconds cpu{0};
  Bytes resident;  // 0 where it cannot be read
};
OwnUse own_use(const std::string& proc);

}  // namespace plimsoll::kernel
