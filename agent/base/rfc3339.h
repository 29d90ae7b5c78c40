// Moments as text: RFC 3339, which Docker, OCI and CRI write, and what people type.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace plimsoll {

std::string format_rfc3339(WallTime when);  // UTC, nanoseconds: "2026-11-24T08:00:00.123456789Z"
// With or without a fraction, "Z" or an offset; nullopt for anything else, and for years outside 1970 to
// 2200: runtimes write year 1 for "never", and years beyond 2262 do not fit in 64 bits of nanoseconds.
std::optional<WallTime> parse_rfc3339(std::string_view text);
// As people and docker give it: "1700000000", "1700000000.123456789" (Unix seconds), RFC 3339, or a span back
// from `now` ("10m", "10m ago", "10 minutes ago"). nullopt for "" and "0".
Result<std::optional<WallTime>> parse_moment(const std::string& text, WallTime now);

}  // namespace plimsoll
