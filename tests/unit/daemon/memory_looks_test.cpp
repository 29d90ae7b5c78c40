#include "agent/daemon/memory_looks.h"

#include <gtest/gtest.h>

namespace plimsoll::daemon {
namespace {

using namespace std::chrono_literals;

constexpr Bytes kGiB{1 << 30};
constexpr Bytes mib(std::uint64_t count) { return {count << 20}; }

TEST(MemoryLooks, TheLessIsLeftTheSoonerItLooks) {
  MemoryLooks looks;
  looks.wanted(true);
  const BootTime now{100s};
  looks.turned(now, Bytes{64 * kGiB.value});
  EXPECT_FALSE(looks.deadline()) << "much is left: the tick is soon enough";
  looks.turned(now, mib(1536));
  EXPECT_EQ(looks.deadline(), BootTime{100s + 250ms});
  looks.looked(now, mib(10));
  EXPECT_EQ(looks.deadline(), BootTime{100s + MemoryLooks::kShortest});
  looks.turned(now, mib(10));
  EXPECT_TRUE(looks.due(BootTime{101s})) << "an event that turns the loop with it puts off no look";
}

TEST(MemoryLooks, TheLoopTurnsOnlyWhereMuchIsGone) {
  MemoryLooks looks;
  looks.wanted(true);
  looks.turned(BootTime{100s}, mib(640));
  EXPECT_FALSE(looks.looked(BootTime{101s}, mib(640)));
  EXPECT_FALSE(looks.looked(BootTime{101s}, mib(635)));
  EXPECT_TRUE(looks.looked(BootTime{101s}, mib(629))) << "little by little is much as well";
  looks.turned(BootTime{101s}, mib(629));
  EXPECT_FALSE(looks.looked(BootTime{102s}, mib(800)));
  EXPECT_FALSE(looks.looked(BootTime{102s}, mib(629)));
}

TEST(MemoryLooks, NobodyAsksNobodyLooks) {
  MemoryLooks looks;
  looks.turned(BootTime{100s}, mib(10));
  EXPECT_FALSE(looks.deadline());
  EXPECT_FALSE(looks.due(BootTime{200s}));
  looks.wanted(true);
  EXPECT_FALSE(looks.due(BootTime{100s}));
  EXPECT_TRUE(looks.due(BootTime{100s + MemoryLooks::kShortest}));
}

}  // namespace
}  // namespace plimsoll::daemon
