#include "agent/cli/time_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "agent/base/rfc3339.h"

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
  const std::string day = day_text(rfc3339);
  return day == rfc3339 ? day : day.substr(day.find(' ') + 1);
}

std::string day_text(const std::string& rfc3339) {
  const auto when = parse_rfc3339(rfc3339);
  if (!when) return rfc3339;
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(*when).time_since_epoch().count();
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", local);
}

Result<std::string> moment(const std::string& text) {
  PLIMSOLL_ASSIGN(const auto when, parse_moment(text, std::chrono::system_clock::now()));
  if (!when) return text;
  const auto nanoseconds = when->time_since_epoch().count();
  return fmt::format("{}.{:09}", nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000);
}

}  // namespace plimsoll::cli
