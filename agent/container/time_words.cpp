#include "agent/container/time_words.h"

namespace plimsoll::container {

std::string duration_words(Nanoseconds duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  constexpr std::int64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour, kWeek = 7 * kDay,
                         kYear = 365 * kDay;
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < kMinute) return std::to_string(seconds) + " seconds";
  if (seconds < 2 * kMinute) return "About a minute";
  if (seconds < kHour) return std::to_string(seconds / kMinute) + " minutes";
  if (seconds < 3 * kHour / 2) return "About an hour";
  if (seconds < 2 * kDay) return std::to_string((seconds + kHour / 2) / kHour) + " hours";
  if (seconds < 2 * kWeek) return std::to_string(seconds / kDay) + " days";
  if (seconds < 60 * kDay) return std::to_string(seconds / kWeek) + " weeks";
  if (seconds < 2 * kYear) return std::to_string(seconds / (30 * kDay)) + " months";
  return std::to_string(seconds / kYear) + " years";
}

}  // namespace plimsoll::container
