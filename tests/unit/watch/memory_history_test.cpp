#include "agent/watch/memory_history.h"

#include <gtest/gtest.h>
#include <malloc.h>

namespace plimsoll::watch {
namespace {

using namespace std::chrono_literals;

BootTime at(std::chrono::seconds second) { return {second}; }

model::Snapshot snapshot(std::chrono::seconds second, std::initializer_list<std::uint64_t> ids) {
  model::Snapshot out;
  out.boot = at(second);
  for (const std::uint64_t id : ids) {
    auto ref = std::make_shared<model::ContainerRef>();
    ref->id = {id};
    model::Sample sample;
    sample.taken = at(second);
    sample.memory.current = Bytes{static_cast<std::uint64_t>(second.count()) << 20};
    sample.limits.memory_max = model::Bound<Bytes>(Bytes{64 << 20});
    sample.limits.memory_high = model::Bound<Bytes>::max();
    out.containers.push_back({ref, sample});
  }
  return out;
}

TEST(MemoryHistory, KeepsTheLastMinute) {
  MemoryHistory history;
  for (int second = 1; second <= 200; ++second) history.note(snapshot(std::chrono::seconds(second), {1}));
  const auto moments = history.before({1}, at(200s));
  ASSERT_EQ(moments.size(), MemoryHistory::kTicks);
  EXPECT_EQ(moments.front().taken, at(141s));
  EXPECT_EQ(moments.back().taken, at(200s));
  EXPECT_EQ(moments.back().usage, Bytes{200 << 20});
  EXPECT_EQ(moments.back().max, model::Bound<Bytes>(Bytes{64 << 20}));
  EXPECT_EQ(moments.back().high, model::Bound<Bytes>::max());
  EXPECT_FALSE(moments.back().swap);
  EXPECT_FALSE(moments.back().anon);
  EXPECT_FALSE(moments.back().pressure_some);
  EXPECT_EQ(history.before({1}, at(150s)).size(), 10U) << "what came after is left out";
  EXPECT_TRUE(history.before({2}, at(200s)).empty());
}

TEST(MemoryHistory, OneReadingIsOneMoment) {
  MemoryHistory history;
  for (int i = 0; i < 3; ++i) history.note(snapshot(5s, {1}));
  EXPECT_EQ(history.before({1}, at(5s)).size(), 1U);
}

TEST(MemoryHistory, OneThatIsGoneIsKeptForAsLong) {
  MemoryHistory history;
  history.note(snapshot(10s, {1, 2}));
  history.note(snapshot(60s, {2}));
  EXPECT_EQ(history.before({1}, at(60s)).size(), 1U);
  history.note(snapshot(71s, {2}));
  EXPECT_EQ(history.containers(), 1U);
  EXPECT_TRUE(history.before({1}, at(71s)).empty());
}

TEST(MemoryHistory, AThousandContainersTakeThreeMegabytes) {
  model::Snapshot all;
  for (std::uint64_t id = 1; id <= 1000; ++id) {
    auto one = snapshot(1s, {id});
    all.containers.push_back(one.containers[0]);
  }
  all.boot = at(1s);
  const auto before = ::mallinfo2().uordblks;
  MemoryHistory history;
  history.note(all);
  const auto taken = ::mallinfo2().uordblks - before;
  std::printf("%zu bytes of 1,000 containers\n", taken);
  RecordProperty("bytes", static_cast<int>(taken));
  EXPECT_LT(taken, 3'200'000U);
}

}  // namespace
}  // namespace plimsoll::watch
