// Times as people read them in tables.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "agent/base/result.h"

namespace plimsoll::cli {

// "5 seconds", "About a minute", "3 hours", "2 days": Docker's words for a span.
std::string span_text(std::chrono::seconds span);
// "5 seconds ago" for a Unix time in seconds; "" for 0.
std::string ago(std::int64_t unix_seconds);
// "14:03:21" in local time for an RFC 3339 time; the text itself where it is none.
std::string clock_text(const std::string& rfc3339);
// "2026-11-27 14:03:21", likewise.
std::string day_text(const std::string& rfc3339);
// A moment as people give it: RFC 3339, Unix seconds, or a span back from now ("10m"), as the Unix seconds
// that the API takes ("1764000000.5"). "" stays "".
Result<std::string> moment(const std::string& text);

}  // namespace plimsoll::cli
