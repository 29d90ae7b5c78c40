// Docker's --filter KEY=VALUE, as the `filters` query parameter: {"label":["a=b"],"status":["running"]},
// encoded.
#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"

namespace plimsoll::cli {

// "" for no filters; kInvalid for one without '='.
Result<std::string> filter_query(const std::vector<std::string>& filters);

}  // namespace plimsoll::cli
