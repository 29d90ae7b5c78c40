#include "agent/model/probes.h"

#include <gtest/gtest.h>

namespace plimsoll::model {
namespace {

using namespace std::chrono_literals;

TEST(TimeHistogram, SlotsEndAtPowersOfTwoMicroseconds) {
  EXPECT_EQ(TimeHistogram::end_of(0), 1us);
  EXPECT_EQ(TimeHistogram::end_of(10), 1024us);
  EXPECT_GT(TimeHistogram::end_of(TimeHistogram::kSlots - 2), 67s);
}

TEST(TimeHistogram, PercentilesLieWithinTheirSlot) {
  TimeHistogram times;
  EXPECT_EQ(times.percentile(0.99), 0ns);
  times.slots[0] = 10;  // below 1 us
  times.slots[4] = 90;  // 8 to 16 us
  EXPECT_EQ(times.percentile(0.1), 1us);
  EXPECT_EQ(times.percentile(1), 16us);
  EXPECT_GT(times.percentile(0.5), 8us);
  EXPECT_LT(times.percentile(0.5), times.percentile(0.9));
  EXPECT_EQ(times.count(), 100U);
}

TEST(TimeHistogram, ADifferenceIsNeverBelowNothing) {
  TimeHistogram before, after;
  before.slots = {3, 1};
  before.sum = 5us;
  after.slots = {4, 0};
  after.sum = 4us;
  const TimeHistogram between = after - before;
  EXPECT_EQ(between.slots[0], 1U);
  EXPECT_EQ(between.slots[1], 0U);
  EXPECT_EQ(between.sum, 0ns);
}

TEST(TimeHistogram, TheLatencyOfADiskIsThatOfAllOperations) {
  DiskIo one, other;
  one.read.latency.slots[3] = 2;
  one.read.latency.sum = 10us;
  one.other.latency.slots[3] = 1;
  other.written.latency.slots[7] = 4;
  other.written.latency.sum = 300us;
  const TimeHistogram all = latency({one, other});
  EXPECT_EQ(all.slots[3], 3U);
  EXPECT_EQ(all.slots[7], 4U);
  EXPECT_EQ(all.sum, 310us);
}

}  // namespace
}  // namespace plimsoll::model
