#include "policies/signal.h"

#include <gtest/gtest.h>

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;

// What a signal reads between two samples of one container.
Reading between(std::string_view signal, const model::Sample& before, const model::Sample& now) {
  const model::ContainerRef ref;
  const Counters first = counters_of(before), second = counters_of(now);
  const auto id = find_signal(signal);
  EXPECT_TRUE(id) << signal;
  return read_signal(id.value_or(0), {.ref = &ref, .sample = &now, .before = &first, .now = &second});
}

TEST(Signal, AMemoryStallIsOfAllKinds) {
  model::Sample before, now;
  before.taken = {10s};
  now.taken = {12s};
  EXPECT_EQ(between("memory.stall", before, now).unknown, Unknown::kNeedsProbe);
  now.probes.reclaim = model::Reclaim{.memcg = {1, 300ms}, .direct = {1, 200ms}, .high = {1, 500ms}};
  EXPECT_EQ(between("memory.stall", before, now).unknown, Unknown::kNoRateYet);
  before.probes.reclaim = model::Reclaim{.memcg = {1, 100ms}, .direct = {0, 0ms}, .high = {0, 0ms}};
  const Reading stall = between("memory.stall", before, now);
  ASSERT_TRUE(stall.known());
  EXPECT_NEAR(stall.value, 0.45, 1e-9);
}

TEST(Signal, ALatencyIsOfTheRequestsOfAllDisksThatEndedMeanwhile) {
  model::Sample before, now;
  EXPECT_EQ(between("io.latency.p99", before, now).unknown, Unknown::kNeedsProbe);
  model::DiskIo fast, slow;
  fast.read.latency.slots[5] = 50;   // 16 to 32 us
  slow.other.latency.slots[20] = 1;  // 0.5 to 1 s
  before.probes.io = {slow};
  now.probes.io = {slow, fast};
  const Reading quick = between("io.latency.p99", before, now);
  ASSERT_TRUE(quick.known());
  EXPECT_GT(quick.value, 16e-6);
  EXPECT_LT(quick.value, 33e-6) << "what was slow was so before";
  now.probes.io->at(0).other.latency.slots[20] = 3;
  EXPECT_GT(between("io.latency.p99", before, now).value, 0.5);
  EXPECT_EQ(between("io.latency.p99", now, now).value, 0) << "no request ended";
}

TEST(Signal, TheTimeOfDayIsThatOfUtc) {
  const auto at = [](std::string_view signal, std::chrono::sys_seconds when) {
    const model::HostSample host;
    return read_signal(find_signal(signal).value(), {.host = &host, .wall = when}).value;
  };
  using namespace std::chrono;
  const sys_days sunday = 2026y / November / 29;
  EXPECT_EQ(at("host.time.utc", sunday), 0);
  EXPECT_EQ(at("host.time.utc", sunday + 22h + 30min), 22.5 * 3600);
  EXPECT_EQ(at("host.time.utc", sunday + days(1) - 1s), 86399);
  EXPECT_EQ(at("host.time.weekday", sunday), 7);
  EXPECT_EQ(at("host.time.weekday", sunday - 1s), 6);
  EXPECT_EQ(at("host.time.weekday", sunday + days(1)), 1);
  EXPECT_EQ(at("host.time.utc", sys_days(1969y / December / 31) + 23h), 23 * 3600) << "before 1970";
}

}  // namespace
}  // namespace plimsoll::policies
