// Replies that are one JSON object a line, as they come.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "agent/base/result.h"
#include "agent/cli/connection.h"

namespace plimsoll::cli {

// Calls `on` for each whole line that is a JSON object, until the stream ends or `on` gives false.
Result<> each_line(Stream& stream, const std::function<bool(const nlohmann::json&)>& on);

}  // namespace plimsoll::cli
