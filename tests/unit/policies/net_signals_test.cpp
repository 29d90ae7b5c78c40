#include <gtest/gtest.h>

#include "policies/signal.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;

// Two samples of one container, 2 s apart, and what a signal says of them.
class NetSignals : public testing::Test {
 protected:
  Reading read(const char* signal) const {
    const Counters before = counters_of(earlier_), now = counters_of(later_);
    return read_signal(*find_signal(signal),
                       {.ref = &ref_, .sample = &later_, .before = &before, .now = &now});
  }
  static model::Sample sample(BootTime taken, std::uint64_t retransmits, std::uint64_t slow) {
    model::Sample out;
    out.taken = taken;
    out.probes.network = model::Network{.retransmits = retransmits};
    out.probes.network->connects.slots[5] = 1000;   // below 32 us
    out.probes.network->connects.slots[20] = slow;  // 0.5 to 1 s
    return out;
  }
  model::ContainerRef ref_;
  model::Sample earlier_ = sample({10s}, 100, 0), later_ = sample({12s}, 150, 10);
};

TEST_F(NetSignals, RetransmitsAreARate) {
  const Reading reading = read("net.retransmits");
  ASSERT_TRUE(reading.known());
  EXPECT_EQ(reading.value, 25);
}

TEST_F(NetSignals, OnlyNewConnectsAreInThePercentile) {
  const Reading reading = read("net.connect.p99");
  ASSERT_TRUE(reading.known());
  EXPECT_GT(reading.value, 0.5);
  EXPECT_LE(reading.value, 1.1);
}

TEST_F(NetSignals, WithoutTheProbeTheyAreUnknown) {
  earlier_.probes = later_.probes = {};
  for (const char* signal : {"net.retransmits", "net.connect.p99"})
    EXPECT_EQ(read(signal).unknown, Unknown::kNeedsProbe) << signal;
}

TEST_F(NetSignals, ThatItCameUpBetweenIsNoRateYet) {
  earlier_.probes = {};
  for (const char* signal : {"net.retransmits", "net.connect.p99"})
    EXPECT_EQ(read(signal).unknown, Unknown::kNoRateYet) << signal;
}

}  // namespace
}  // namespace plimsoll::policies
