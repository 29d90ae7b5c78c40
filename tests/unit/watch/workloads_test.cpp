#include "agent/watch/workloads.h"

#include <gtest/gtest.h>

namespace plimsoll::watch {
namespace {

model::ContainerRef ref(std::uint64_t inode, const std::string& name) {
  model::ContainerRef ref;
  ref.id = {inode};
  ref.name = name;
  ref.image = "image:1";
  return ref;
}

model::Sample sample(model::Count oom_kills, std::int64_t cpu) {
  model::Sample sample;
  sample.memory.events.emplace().oom_kill = oom_kills;
  sample.cpu.emplace().usage = Microseconds(cpu);
  return sample;
}

model::WorkloadTotals only(const Workloads& workloads) {
  const auto all = workloads.totals();
  EXPECT_EQ(all->size(), 1U);
  return all->at(0);
}

TEST(Workloads, GoOnOverGenerations) {
  Workloads workloads;
  workloads.account(ref(1, "leaky"), sample(0, 100));
  workloads.account(ref(1, "leaky"), sample(1, 300));
  workloads.account(ref(1, "leaky"), sample(1, 300));
  workloads.ended({1});
  workloads.account(ref(2, "leaky"), sample(1, 50));
  const auto totals = only(workloads);
  EXPECT_EQ(totals.starts, 2U);
  EXPECT_EQ(totals.oom_kills, 2U);
  EXPECT_EQ(totals.cpu_usage, Microseconds(350));
}

TEST(Workloads, AFileThatCouldNotBeReadOnceCountsNothing) {
  Workloads workloads;
  workloads.account(ref(1, "web"), sample(2, 100));
  workloads.account(ref(1, "web"), model::Sample{});
  workloads.account(ref(1, "web"), sample(2, 150));
  EXPECT_EQ(only(workloads).oom_kills, 2U);
  EXPECT_EQ(only(workloads).cpu_usage, Microseconds(150));
}

TEST(Workloads, SurviveARestartOfTheAgentWithoutCountingTwice) {
  Workloads before;
  before.account(ref(1, "web"), sample(1, 100));
  before.account(ref(2, "gone"), sample(1, 10));
  const std::string saved = before.save("boot");
  Workloads after;
  ASSERT_TRUE(after.restore(saved, "boot"));
  after.keep_only({{1}});
  after.account(ref(1, "web"), sample(3, 150));  // two more while the agent was away
  const auto all = after.totals();
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ(all->at(0).name, "gone");
  EXPECT_EQ(all->at(1).oom_kills, 3U);
  EXPECT_EQ(all->at(1).cpu_usage, Microseconds(150));
  EXPECT_EQ(all->at(1).starts, 1U);

  Workloads rebooted;  // the inode means another cgroup now
  ASSERT_TRUE(rebooted.restore(saved, "another boot"));
  rebooted.account(ref(1, "web"), sample(1, 5));
  EXPECT_EQ(rebooted.totals()->at(1).oom_kills, 2U);
}

TEST(Workloads, WhatSaveDidNotWriteIsRefusedAndChangesNothing) {
  Workloads workloads;
  workloads.account(ref(1, "web"), sample(1, 100));
  for (const char* bad : {"", "{}", "[]", R"({"format":2})", R"({"format":1e300})", R"({"format":-1})",
                          R"({"format":1,"bootId":"b","workloads":[{}]})",
                          R"({"format":1,"bootId":3,"workloads":[],"living":[]})"}) {
    EXPECT_FALSE(workloads.restore(bad, "b")) << bad;
  }
  EXPECT_EQ(only(workloads).oom_kills, 1U);
}

TEST(Workloads, AreBounded) {
  Workloads workloads(3);
  for (std::uint64_t at = 1; at <= 10; ++at) {
    workloads.account(ref(at, "run-" + std::to_string(at)), sample(0, 1));
    if (at > 1) workloads.ended({at});
  }
  const auto all = workloads.totals();
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ(all->at(0).name, "run-1");  // alive
}

}  // namespace
}  // namespace plimsoll::watch
