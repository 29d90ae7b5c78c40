#include "agent/base/units.h"

#include <gtest/gtest.h>

namespace plimsoll {
namespace {

using namespace std::chrono_literals;

TEST(Bytes, ReadsPoliciesAndDockersSpellings) {
  EXPECT_EQ(parse_bytes("256MiB")->value, 256ULL << 20);
  EXPECT_EQ(parse_bytes("256m")->value, 256ULL << 20);
  EXPECT_EQ(parse_bytes("1.5GB")->value, 1'500'000'000ULL);
  EXPECT_EQ(parse_bytes("0")->value, 0ULL);
  EXPECT_EQ(parse_bytes("9223372036854775807")->value, 9223372036854775807ULL);
}

TEST(Bytes, RefusesWhatIsNoSize) {
  for (const char* text : {"", "MiB", "-1", "1e3", "1.2.3", "12 parsecs", "inf", "0x10", "99999999TiB"}) {
    const auto parsed = parse_bytes(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind(), ErrorKind::kInvalid);
  }
}

TEST(Bytes, FormatsWithTheLargestUnit) {
  EXPECT_EQ(format_bytes({256ULL << 20}), "256MiB");
  EXPECT_EQ(format_bytes({1536ULL << 20}), "1.5GiB");
  EXPECT_EQ(format_bytes({512}), "512B");
}

TEST(Duration, ReadsSingleAndCompound) {
  EXPECT_EQ(*parse_duration("20ms"), 20ms);
  EXPECT_EQ(*parse_duration("1m30s"), 90s);
  EXPECT_EQ(*parse_duration("48h"), 48h);
  EXPECT_EQ(*parse_duration("1.5s"), 1500ms);
  for (const char* text : {"", "10", "s", "10 s", "-1s", "1y", "1s1"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Duration, FormatsForPeople) {
  EXPECT_EQ(format_duration(20ms), "20ms");
  EXPECT_EQ(format_duration(90s), "1m30s");
  EXPECT_EQ(format_duration(3h + 2min), "3h2m");
  EXPECT_EQ(format_duration(0s), "0s");
}

TEST(Error, SaysOperationObjectAndCause) {
  const Error error = Error::from_errno("write memory.max of web-1", EINVAL);
  EXPECT_EQ(error.message(), "write memory.max of web-1: Invalid argument");
  EXPECT_EQ(Error::from_errno("open x", ENOENT).kind(), ErrorKind::kNotFound);
}

}  // namespace
}  // namespace plimsoll
