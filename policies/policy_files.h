// Policy files on disk: read whole and unchanged, or not at all.
#pragma once

#include <functional>
#include <string>

#include "agent/base/result.h"

namespace plimsoll::policies {

// The text of a regular file. One that changes while it is read is read again, three times at most.
// `meanwhile`, for tests, runs between the reading and the look whether the file changed.
// kInvalid: not a regular file, larger than 1 MiB, changes all the time. kSystem: unreadable.
Result<std::string> read_policy_file(const std::string& name, const std::function<void()>& meanwhile = {});

}  // namespace plimsoll::policies
