#include "agent/base/rfc3339.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "agent/base/units.h"

namespace plimsoll {
namespace {

// Number of exactly `width` digits, taken off the front.
std::optional<int> take_number(std::string_view& text, std::size_t width) {
  const auto value = parse_u64(text.substr(0, width));
  if (text.size() < width || !value) return std::nullopt;
  text.remove_prefix(width);
  return static_cast<int>(*value);
}

bool take(std::string_view& text, char letter) {
  if (!text.starts_with(letter)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::chrono::nanoseconds> take_fraction(std::string_view& text) {
  std::chrono::nanoseconds fraction{0};
  if (!take(text, '.')) return fraction;
  std::int64_t scale = 100'000'000;
  std::size_t count = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++count) {
    fraction += std::chrono::nanoseconds((text.front() - '0') * scale);
    scale /= 10;
  }
  if (count == 0) return std::nullopt;
  return fraction;
}

// "Z", "+02:00".
std::optional<std::chrono::minutes> take_offset(std::string_view& text) {
  if (take(text, 'Z')) return std::chrono::minutes(0);
  const int sign = text.starts_with('-') ? -1 : 1;
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const auto hours = take_number(text, 2);
  if (!hours || !take(text, ':')) return std::nullopt;
  const auto minutes = take_number(text, 2);
  if (!minutes) return std::nullopt;
  return std::chrono::minutes(sign * (*hours * 60 + *minutes));
}

// "1700000000.5": seconds since 1970, with up to nine digits of fraction.
std::optional<WallTime> unix_moment(const std::string& text) {
  const auto dot = text.find('.');
  const auto seconds = parse_u64(text.substr(0, dot));
  constexpr std::uint64_t kMostSeconds =
      9'000'000'000;  // the year 2255, near the end of 64 bits of nanoseconds
  if (!seconds || *seconds > kMostSeconds) return std::nullopt;
  std::uint64_t nanoseconds = 0;
  if (dot != std::string::npos) {
    std::string fraction = text.substr(dot + 1);
    if (fraction.empty() || fraction.size() > 9) return std::nullopt;
    fraction.resize(9, '0');
    const auto parsed = parse_u64(fraction);
    if (!parsed) return std::nullopt;
    nanoseconds = *parsed;
  }
  return WallTime(std::chrono::seconds(*seconds) + std::chrono::nanoseconds(nanoseconds));
}

}  // namespace

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

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  const auto year_number = take_number(text, 4);
  if (!year_number || !take(text, '-')) return std::nullopt;
  const auto month_number = take_number(text, 2);
  if (!month_number || !take(text, '-')) return std::nullopt;
  const auto day_number = take_number(text, 2);
  if (!day_number || !take(text, 'T')) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || !take(text, ':')) return std::nullopt;
  const auto second = take_number(text, 2);
  if (!second) return std::nullopt;
  const auto fraction = take_fraction(text);
  const auto offset = take_offset(text);
  const year_month_day date{year(*year_number), month(static_cast<unsigned>(*month_number)),
                            day(static_cast<unsigned>(*day_number))};
  // Years beyond 2262 do not fit in 64 bits of nanoseconds; runtimes write year 1 for "never".
  if (!fraction || !offset || !text.empty() || !date.ok() || *hour > 23 || *minute > 59 || *second > 60 ||
      *year_number < 1970 || *year_number > 2200) {
    return std::nullopt;
  }
  return WallTime(sys_days(date).time_since_epoch() + hours(*hour) + minutes(*minute) + seconds(*second) +
                  *fraction - *offset);
}

namespace {

// "10m", "10m ago", "10 minutes ago", "an hour ago".
std::optional<Nanoseconds> span_back(std::string_view text) {
  constexpr std::string_view kAgo = " ago";
  if (!text.ends_with(kAgo)) {
    const auto span = parse_duration(text);
    return span ? std::optional(*span) : std::nullopt;
  }
  text.remove_suffix(kAgo.size());
  if (const auto span = parse_duration(text)) return *span;
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view count_text = text.substr(0, space);
  std::string_view unit = text.substr(space + 1);
  if (unit.size() > 1 && unit.ends_with('s')) unit.remove_suffix(1);
  const auto count = count_text == "a" || count_text == "an" ? std::optional(1.0) : parse_number(count_text);
  constexpr std::array<std::pair<std::string_view, long>, 5> kUnits = {
      {{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86'400}, {"week", 604'800}}};
  const auto known = std::ranges::find(kUnits, unit, [](const auto& one) { return one.first; });
  if (!count || *count < 0 || *count > 1e6 || known == kUnits.end()) return std::nullopt;
  return Nanoseconds(static_cast<std::int64_t>(*count * static_cast<double>(known->second) * 1e9));
}

}  // namespace

Result<std::optional<WallTime>> parse_moment(const std::string& text, WallTime now) {
  if (text.empty() || text == "0") return std::optional<WallTime>();
  if (const auto moment = unix_moment(text)) return moment;
  if (const auto moment = parse_rfc3339(text)) return moment;
  if (const auto before = span_back(text)) return std::optional(now - *before);
  return invalid("'" + text + "' is no time: expected RFC 3339, Unix seconds, or a span such as 10m");
}

}  // namespace plimsoll
