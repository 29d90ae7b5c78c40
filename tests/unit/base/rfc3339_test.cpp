#include "agent/base/rfc3339.h"

#include <gtest/gtest.h>

namespace plimsoll {
namespace {

using namespace std::chrono_literals;

WallTime at(std::int64_t seconds, std::int64_t nanoseconds = 0) {
  return WallTime(std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanoseconds));
}

TEST(Rfc3339, IsReadWithItsFractionAndOffset) {
  EXPECT_EQ(parse_rfc3339("2026-11-24T08:00:00Z"), at(1795507200));
  EXPECT_EQ(parse_rfc3339("2026-11-24T08:00:00.123456789Z"), at(1795507200, 123456789));
  EXPECT_EQ(parse_rfc3339("2026-11-24T10:00:00.5+02:00"), at(1795507200, 500000000));
  EXPECT_EQ(parse_rfc3339("2026-11-24T02:30:00-05:30"), at(1795507200));
  for (const char* bad : {"", "2026-11-24", "2026-11-24T08:00:00", "2026-13-24T08:00:00Z",
                          "2026-02-30T08:00:00Z", "2026-11-24T08:00:00.Z", "2026-11-24T08:00:00Zz",
                          "0001-01-01T00:00:00Z", "2026-11-24T24:00:00Z", "+026-11-24T08:00:00Z"}) {
    EXPECT_EQ(parse_rfc3339(bad), std::nullopt) << bad;
  }
}

TEST(Moment, IsSecondsTextOrASpan) {
  const WallTime now(1000s);
  EXPECT_EQ(**parse_moment("5.25", now), WallTime(5250ms));
  EXPECT_EQ(**parse_moment("7.000000001", now), WallTime(7s + 1ns));
  EXPECT_EQ(**parse_moment("10m", now), WallTime(400s));
  EXPECT_EQ(**parse_moment("10m ago", now), WallTime(400s));
  EXPECT_EQ(**parse_moment("10 minutes ago", now), WallTime(400s));
  EXPECT_EQ(**parse_moment("a minute ago", now), WallTime(940s));
  EXPECT_EQ(**parse_moment("1.5 seconds ago", now), WallTime(998'500ms));
  for (const char* wrong :
       {"ago", " ago", "10 ago", "ten minutes ago", "10 fortnights ago", "-1 minutes ago"})
    EXPECT_FALSE(parse_moment(wrong, now)) << wrong;
  EXPECT_EQ(format_rfc3339(**parse_moment("2026-11-24T08:00:00.5Z", now)), "2026-11-24T08:00:00.500000000Z");
  EXPECT_FALSE(parse_moment("", now)->has_value());
  EXPECT_FALSE(parse_moment("0", now)->has_value());
  for (const char* text : {"x", "5.", "5.1234567890", "99999999999999", "-5", "2026-13"}) {
    EXPECT_FALSE(parse_moment(text, now)) << text;
  }
}

}  // namespace
}  // namespace plimsoll
