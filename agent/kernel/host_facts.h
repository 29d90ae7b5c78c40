// Reads model::HostFacts. What a host does not say stays empty; only a missing cgroup mount or an unreadable
// /proc/meminfo is worth an error to the caller, so those are told apart by the value itself.
#pragma once

#include <string>

#include "agent/base/result.h"
#include "agent/model/host_facts.h"

namespace plimsoll::kernel {

struct HostRoots {
  std::string proc = {};  // "/proc"
  std::string sys = {};   // "/sys"
  std::string etc = {};   // "/etc"
};

// kSystem where /proc/meminfo or /proc/stat cannot be read: then `proc` is no procfs.
Result<model::HostFacts> read_host_facts(const HostRoots& roots);

}  // namespace plimsoll::kernel
