// Moments as RFC 3339 text, which Docker, OCI and CRI write.
#pragma once

#include <optional>
#include <string>

#include "agent/base/clock.h"

namespace plimsoll {

std::string format_rfc3339(WallTime when);  // UTC, nanoseconds: "2026-11-24T08:00:00.123456789Z"
// With or without a fraction, "Z" or an offset; nullopt for anything else.
std::optional<WallTime> parse_rfc3339(const std::string& text);

}  // namespace plimsoll
