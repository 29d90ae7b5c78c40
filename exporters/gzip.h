#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace plimsoll::exporters {

// RFC 1952, at the fastest level: a scrape is read once, by a neighbour.
Result<std::string> gzip(std::string_view text);

}  // namespace plimsoll::exporters
