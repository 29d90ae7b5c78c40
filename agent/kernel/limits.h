// Reads a cgroup's limits from its files. A file that is not there leaves its field absent.
#pragma once

#include <string_view>

#include "agent/base/result.h"
#include "agent/model/limits.h"

namespace plimsoll::kernel {

// `cgroup`: a descriptor of the cgroup's folder. kNotFound: the cgroup is gone. kInvalid: a file that cannot
// be understood.
Result<model::Limits> read_limits(int cgroup);

// Re-reads the one limit that `file` ("memory.max") holds; false where no limit is kept there.
Result<bool> read_limit(int cgroup, std::string_view file, model::Limits& limits);

}  // namespace plimsoll::kernel
