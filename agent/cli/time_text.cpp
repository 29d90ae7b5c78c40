#include "agent/cli/time_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "agent/base/units.h"

namespace plimsoll::cli {

std::string span_text(std::chrono::seconds span) {
  const auto count = span.count();
  if (count < 1) return "Less than a second";
  if (count == 1) return "1 second";
  if (count < 60) return fmt::format("{} seconds", count);
  if (count < 120) return "About a minute";
  if (count < 3600) return fmt::format("{} minutes", count / 60);
  if (count < 5400) return "About an hour";
  if (count < 48 * 3600) return fmt::format("{} hours", (count + 1800) / 3600);
  if (count < 14 * 86400) return fmt::format("{} days", count / 86400);
  return fmt::format("{} weeks", count / (7 * 86400));
}

std::string ago(std::int64_t unix_seconds) {
  if (unix_seconds == 0) return "";
  const std::int64_t now = std::time(nullptr);
  return span_text(std::chrono::seconds(std::max<std::int64_t>(0, now - unix_seconds))) + " ago";
}

std::string clock_text(const std::string& rfc3339) {
  std::tm parts{};
  if (::strptime(rfc3339.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return rfc3339;
  const std::time_t when = ::timegm(&parts);
  std::tm local{};
  ::localtime_r(&when, &local);
  return fmt::format("{:%H:%M:%S}", local);
}

Result<std::string> moment(const std::string& text) {
  if (text.empty() || parse_number(text)) return text;
  if (const auto span = parse_duration(text)) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*span).count();
    return std::to_string(std::time(nullptr) - seconds);
  }
  std::tm parts{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) {
    return invalid("'" + text + "' is no time: expected RFC 3339, Unix seconds, or a span such as 10m");
  }
  std::string fraction;
  if (*rest == '.') {
    const char* end = rest + 1 + std::strspn(rest + 1, "0123456789");
    fraction.assign(rest, end);
    rest = end;
  }
  std::time_t when = ::timegm(&parts);
  int hours = 0;
  int minutes = 0;
  char sign = 0;
  if (std::sscanf(rest, "%c%2d:%2d", &sign, &hours, &minutes) == 3 && (sign == '+' || sign == '-')) {
    when -= (sign == '+' ? 1 : -1) * (hours * 3600L + minutes * 60L);
  } else if (std::string_view(rest) != "Z") {
    return invalid("'" + text + "' is no time: expected a zone such as Z or +02:00 at its end");
  }
  return std::to_string(when) + fraction;
}

}  // namespace plimsoll::cli
