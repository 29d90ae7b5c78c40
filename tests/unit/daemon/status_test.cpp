#include "agent/daemon/status.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace plimsoll::daemon {
namespace {

using namespace std::chrono_literals;

model::Sample sample(std::chrono::nanoseconds taken, Microseconds cpu, std::uint64_t periods,
                     std::uint64_t throttled) {
  model::Sample out;
  out.taken = BootTime{taken};
  out.cpu = model::CpuStat{.usage = cpu, .periods = periods, .throttled_periods = throttled};
  out.memory.current = Bytes{1000};
  out.memory.stat = model::MemoryStat{.inactive_file = Bytes{400}};
  out.memory.events = model::MemoryEvents{.oom_kill = 2};
  out.limits.cpu_max = model::CpuMax{.quota = model::Bound<Microseconds>(50'000us)};
  out.limits.memory_max = model::Bound<Bytes>::max();
  return out;
}

class StatusTest : public testing::Test {
 protected:
  StatusTest() {
    ref_->id = {7};
    ref_->cgroup = "/plimsoll/abcdef0123";
    ref_->container_id = "abcdef0123";
    ref_->name = "web";
    ref_->restarts = 3;
    auto before = std::make_shared<model::Snapshot>();
    before->containers.push_back({ref_, sample(10s, 100'000us, 10, 2)});
    before->host.taken = BootTime{10s};
    before->host.cpu = model::CpuStat{.usage = 1s};
    auto now = std::make_shared<model::Snapshot>();
    now->containers.push_back({ref_, sample(12s, 900'000us, 30, 12)});
    now->host.taken = BootTime{12s};
    now->host.cpu = model::CpuStat{.usage = 4s};
    view_.now = now;
    view_.previous = before;
    view_.policies = std::make_shared<const policies::PolicySet>();
    view_.last_decisions = std::make_shared<const std::map<std::string, LastDecision>>(
        std::map<std::string, LastDecision>{{"abcdef0123", {WallTime(0ns), "p/limits set cpu.max: done"}}});
  }
  std::shared_ptr<model::ContainerRef> ref_ = std::make_shared<model::ContainerRef>();
  View view_;
};

TEST_F(StatusTest, RatesAreOverTheTimeBetweenTheTwoSamples) {
  const auto state = containers_json(view_, {});
  const auto& row = state["containers"][0];
  EXPECT_DOUBLE_EQ(row["cpu_usage"], 0.4);
  EXPECT_DOUBLE_EQ(row["cpu_limit"], 0.5);
  EXPECT_DOUBLE_EQ(row["throttled_percent"], 50);
  EXPECT_DOUBLE_EQ(state["host"]["cpu_usage"], 1.5);
}

TEST_F(StatusTest, WhatIsUnknownOrUnlimitedIsNull) {
  view_.previous = nullptr;
  const auto state = containers_json(view_, {});
  const auto& row = state["containers"][0];
  EXPECT_TRUE(row["cpu_usage"].is_null());
  EXPECT_TRUE(row["memory_limit"].is_null());
  EXPECT_TRUE(row["cpu_pressure"].is_null());
  EXPECT_EQ(row["memory_usage"], 1000);
  EXPECT_EQ(row["memory_working_set"], 600);
  EXPECT_EQ(row["oom_kills"], 2);
  EXPECT_EQ(row["restarts"], 3);
  EXPECT_EQ(row["last_decision"]["when"], "1970-01-01T00:00:00.000000000Z");
}

TEST_F(StatusTest, OneReadTwiceHasNoRate) {
  view_.previous = view_.now;
  EXPECT_TRUE(containers_json(view_, {})["containers"][0]["cpu_usage"].is_null());
}

TEST_F(StatusTest, RecommendationsOfOneOrAll) {
  EXPECT_EQ(recommendations_json(view_, nullptr), nlohmann::json::array());
  ref_->labels["com.docker.compose.service"] = "shop";
  model::Recommendation one{.container = ref_, .policy = "fit", .mode = "recommend", .seek = "usage"};
  one.target = 100;
  one.observed = 90s;
  model::Recommendation other = one;
  other.resource = model::Recommendation::Resource::kCpu;
  other.limit = 2.5;
  other.target = 1;
  view_.recommendations = std::make_shared<const std::vector<model::Recommendation>>(std::vector{one, other});
  const auto told = recommendations_json(view_, ref_.get());
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0]["container"]["compose_service"], "shop");
  EXPECT_EQ(told[0]["resource"], "memory");
  EXPECT_TRUE(told[0]["limit"].is_null());
  EXPECT_TRUE(told[0]["saves"].is_null());
  EXPECT_EQ(told[0]["observed_seconds"], 90);
  EXPECT_EQ(told[1]["resource"], "cpu");
  EXPECT_EQ(told[1]["saves"], 1.5);
  model::ContainerRef another;
  another.id = {8};
  EXPECT_TRUE(recommendations_json(view_, &another).empty());
}

TEST_F(StatusTest, FindsByNameIdPrefixAndPath) {
  for (const char* name : {"web", "abcdef0123", "abcd", "/plimsoll/abcdef0123"}) {
    EXPECT_NE(find_container(*view_.now, name), nullptr) << name;
  }
  for (const char* name : {"abc", "we", ""}) EXPECT_EQ(find_container(*view_.now, name), nullptr) << name;
}

}  // namespace
}  // namespace plimsoll::daemon
