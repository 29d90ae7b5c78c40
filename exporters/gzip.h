// Content-Encoding: gzip (RFC 1952) for scrapes.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace plimsoll::exporters {

// At zlib's fastest level: a scrape repeats itself so much that higher ones save little and cost several
// times the time. Fails only without memory. Thread-safe.
Result<std::string> gzip(std::string_view text);

}  // namespace plimsoll::exporters
