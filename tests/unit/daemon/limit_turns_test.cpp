#include "agent/daemon/limit_turns.h"

#include <gtest/gtest.h>

namespace plimsoll::daemon {
namespace {

using namespace std::chrono_literals;

TEST(LimitTurnsTest, TheFirstChangeIsLookedAtAtOnceAndAStormNowAndThen) {
  LimitTurns turns;
  BootTime now{1h};
  EXPECT_FALSE(turns.take(now));
  EXPECT_EQ(turns.deadline(), std::nullopt);
  turns.changed();
  EXPECT_TRUE(turns.take(now));
  int made = 0;
  for (int i = 0; i < 1000; ++i) {  // a second of writes, one each millisecond
    now = now + 1ms;
    turns.changed();
    made += turns.take(now) ? 1 : 0;
  }
  EXPECT_EQ(made, 5);
}

TEST(LimitTurnsTest, AChangeThatWaitsIsNotLost) {
  LimitTurns turns;
  const BootTime began{1h};
  turns.changed();
  EXPECT_TRUE(turns.take(began));
  turns.changed();
  EXPECT_FALSE(turns.take(began + 1ms));
  const auto due = turns.deadline();
  ASSERT_TRUE(due);
  EXPECT_LT(*due - began, 1s);
  EXPECT_TRUE(turns.take(*due));
  EXPECT_EQ(turns.deadline(), std::nullopt);
}

TEST(LimitTurnsTest, ATurnForAnotherReasonLooksAtThemToo) {
  LimitTurns turns;
  turns.changed();
  turns.turned();
  EXPECT_EQ(turns.deadline(), std::nullopt);
  EXPECT_FALSE(turns.take(BootTime{1h}));
}

}  // namespace
}  // namespace plimsoll::daemon
