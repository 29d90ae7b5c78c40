#include "agent/base/rfc3339.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace plimsoll {

std::string format_rfc3339(WallTime when) {
  const auto since = when.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  const std::time_t whole = seconds.count();
  std::tm parts{};
  ::gmtime_r(&whole, &parts);
  std::array<char, 80> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                static_cast<long>((since - seconds).count()));
  return text.data();
}

std::optional<WallTime> parse_rfc3339(const std::string& text) {
  std::tm parts{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return std::nullopt;
  std::int64_t nanoseconds = 0;
  if (*rest == '.') {
    std::int64_t unit = 100'000'000;
    for (++rest; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) nanoseconds += (*rest - '0') * unit;
  }
  std::int64_t offset = 0;
  if (*rest == '+' || *rest == '-') {
    int hours = 0;
    int minutes = 0;
    if (std::sscanf(rest + 1, "%2d:%2d", &hours, &minutes) != 2) return std::nullopt;
    offset = (*rest == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
  } else if (*rest != 'Z' || rest[1] != '\0') {
    return std::nullopt;
  }
  return WallTime(std::chrono::seconds(::timegm(&parts) - offset) + std::chrono::nanoseconds(nanoseconds));
}

}  // namespace plimsoll
