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

}  // namespace
}  // namespace plimsoll::policies
