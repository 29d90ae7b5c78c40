// The three ways in which Docker's HostConfig asks for mounts: Binds, Tmpfs and Mounts.
#pragma once

#include "agent/container/config.h"
#include "agent/container/json_member.h"

namespace plimsoll::container {

// Fills `out.binds` and `out.mounts` from the members of HostConfig.
void read_mounts(const Members& host_config, Config& out);

// "/host:/target[:ro|rw|z|Z|rprivate|...]". kInvalid names it; kUnsupported for a named volume.
Result<MountPoint> parse_bind(const std::string& text);

}  // namespace plimsoll::container
