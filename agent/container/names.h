// Names of containers, as Docker allows them.
#pragma once

#include <string>

#include "agent/base/result.h"

namespace plimsoll::container {

// [a-zA-Z0-9][a-zA-Z0-9_.-]+, with or without a slash before it.
Result<> check_name(const std::string& name);
// A name for one that has none: "calm_keel_4f1c", from its id.
std::string made_up_name(const std::string& id);

}  // namespace plimsoll::container
