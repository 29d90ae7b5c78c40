// What the engine does with `autosize`, over simulated hours.
#include <gtest/gtest.h>

#include <functional>

#include "policies/engine.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;
using model::Bound;
using model::Cause;

constexpr double kMebi = 1024.0 * 1024;
Bytes mebi(double value) { return Bytes{static_cast<std::uint64_t>(value * kMebi)}; }

std::string sizing(const std::string& autosize, const std::string& more = "",
                   const std::string& name = "fit") {
  return "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: " + name +
         "}\nspec:\n  select: {names: [web]}\n  autosize: " + autosize + "\n" + more;
}

// One container "web" on a host of 8 GiB and 4 CPUs, whose files take all that is written.
class SizingTest : public testing::Test {
 protected:
  SizingTest() {
    ref_ = std::make_shared<model::ContainerRef>();
    ref_->id = {7};
    ref_->cgroup = "/plimsoll/web";
    ref_->runtime = model::Runtime::kPlimsoll;
    ref_->container_id = "abc";
    ref_->name = "web";
    ref_->image = "web:1";
    sample_.memory.stat = model::MemoryStat{};
    sample_.memory.events = model::MemoryEvents{};
    sample_.cpu = model::CpuStat{};
    sample_.pressure.memory = model::Pressure{};
    sample_.limits.cpu_max = model::CpuMax{};
    sample_.limits.memory_max = Bound<Bytes>::max();
    uses(100);
  }
  // MiB of anonymous memory, and of page cache that nobody asked for again.
  void uses(double anon, double cold = 0) {
    sample_.memory.stat->anon = mebi(anon);
    sample_.memory.stat->file = sample_.memory.stat->inactive_file = mebi(cold);
    sample_.memory.current = mebi(anon + cold);
  }
  void use(const std::string& text) {
    const LoadOutcome outcome = load_texts({{"test.yaml", text}});
    for (const Diagnostic& one : outcome.diagnostics) ADD_FAILURE() << to_string(one);
    engine_.use(outcome.set);
  }
  std::vector<model::Decision> step(Nanoseconds elapsed) {
    now_ = now_ + elapsed;
    wall_ += elapsed;
    sample_.taken = now_;
    sample_.cpu->usage += std::chrono::duration_cast<Microseconds>(elapsed * cores_);
    model::Snapshot snapshot;
    snapshot.boot = now_;
    snapshot.wall = wall_;
    snapshot.host.taken = now_;
    snapshot.host.memory_total = Bytes{8ULL << 30};
    snapshot.host.cpu_cores = 4;
    snapshot.containers.push_back({ref_, sample_});
    const auto decisions = engine_.evaluate(snapshot, {});
    for (const model::Decision& one : decisions) obey(one);
    return decisions;
  }
  // Each step a minute; gives all that was decided.
  std::vector<model::Decision> run(Nanoseconds time) {
    std::vector<model::Decision> all;
    for (Nanoseconds at{0}; at < time; at += 1min) {
      for (auto& one : step(1min)) all.push_back(std::move(one));
    }
    return all;
  }
  void obey(const model::Decision& one) {
    model::DecisionRecord record;
    record.outcome = !one.refusal.empty() ? "refused" : one.audit ? "audited" : "done";
    if (record.outcome == "done") {
      if (const auto* set = std::get_if<model::SetFile>(&one.action)) {
        record.after = set->value;
        write(set->file, set->value);
      } else if (const auto* less = std::get_if<model::ReclaimMemory>(&one.action)) {
        reclaimed_ += static_cast<double>(less->amount.value);
        const double cold =
            static_cast<double>(sample_.memory.stat->inactive_file.value - less->amount.value);
        if (takes_) uses(static_cast<double>(sample_.memory.stat->anon.value) / kMebi, cold / kMebi);
      }
    }
    engine_.report(one, record);
  }
  void write(const std::string& file, const std::string& value) {
    const bool max = value.starts_with("max");
    if (file == "memory.max")
      sample_.limits.memory_max = max ? Bound<Bytes>::max() : Bound(Bytes{std::stoull(value)});
    if (file == "cpu.max") {
      sample_.limits.cpu_max->quota =
          max ? Bound<Microseconds>::max() : Bound(Microseconds(std::stoll(value)));
    }
  }
  // MiB; 0 where there is no limit.
  double limit() const {
    const auto& max = *sample_.limits.memory_max;
    return max.is_max() ? 0 : static_cast<double>(max.value().value) / kMebi;
  }
  double quota() const {
    const auto cores = sample_.limits.cpu_max->cores();
    return cores.is_max() ? 0 : cores.value().value;
  }
  const model::Recommendation* told(model::Recommendation::Resource resource) {
    told_ = engine_.recommendations();
    const auto found = std::ranges::find(told_, resource, &model::Recommendation::resource);
    return found == told_.end() ? nullptr : &*found;
  }

  Engine engine_{EngineOptions{}};
  std::shared_ptr<model::ContainerRef> ref_;
  model::Sample sample_;
  BootTime now_{100s};
  WallTime wall_{std::chrono::hours(24 * 20'000)};
  double cores_ = 0.5, reclaimed_ = 0;
  bool takes_ = true;
  std::vector<model::Recommendation> told_;
};

using enum model::Recommendation::Resource;

TEST_F(SizingTest, RecommendTellsAndTouchesNothing) {
  use(sizing("{memory: {mode: recommend}, cpu: {mode: recommend}}"));
  EXPECT_EQ(told(kMemory), nullptr);
  EXPECT_TRUE(run(24h).empty());
  const auto* memory = told(kMemory);
  ASSERT_NE(memory, nullptr);
  EXPECT_EQ(memory->policy, "fit");
  EXPECT_EQ(memory->mode, "recommend");
  EXPECT_FALSE(memory->limit);
  EXPECT_FALSE(memory->saves());
  EXPECT_GE(memory->target, 115 * kMebi);
  EXPECT_LE(memory->target, 115 * 1.05 * kMebi);
  EXPECT_NEAR(memory->confidence, 0.5, 0.01);
  EXPECT_NEAR(memory->upper, 2 * memory->target, 0.01 * memory->target);
  const auto* cpu = told(kCpu);
  ASSERT_NE(cpu, nullptr);
  EXPECT_GE(cpu->target, 0.575);
  EXPECT_LE(cpu->target, 0.575 * 1.05);
  EXPECT_NEAR(*cpu->used, 0.5, 1e-6);
  write("memory.max", std::to_string(mebi(1024).value));
  step(1s);
  EXPECT_NEAR(*told(kMemory)->saves(), 1024 * kMebi - told(kMemory)->target, 1);
}

TEST_F(SizingTest, EnforceSetsNothingWhileItKnowsLittleAndThenClosesIn) {
  use(sizing("{memory: {mode: enforce}}"));
  // 100 MiB seen for 10 minutes may be 1 % of what it needs: the upper bound lies beyond the machine.
  EXPECT_TRUE(run(10min).empty());
  const auto decisions = run(24h);
  ASSERT_FALSE(decisions.empty());
  EXPECT_EQ(decisions[0].cause, Cause::kAutosize);
  EXPECT_EQ(decisions[0].rule, "autosize");
  EXPECT_EQ(decisions[0].seen[0].first, "memory.working_set");
  EXPECT_GT(limit(), 115);
  EXPECT_LT(limit(), 115 * 1.05 * 2.1);
  double before = 1e9;
  for (const model::Decision& one : decisions) {
    const double to = std::stod(std::get<model::SetFile>(one.action).value) / kMebi;
    EXPECT_LT(to, before);
    if (before < 1e8) {
      EXPECT_GE(to, 0.79 * before) << "a step is bounded";
    }
    before = to;
  }
  run(24h * 6);
  EXPECT_LT(limit(), 115 * 1.05 * 1.2);
}

TEST_F(SizingTest, BoundsOfThePolicyHoldAtOnce) {
  use(sizing("{memory: {mode: enforce, max: 256MiB}, cpu: {mode: enforce, max: 1, min: 0.7}}"));
  run(2min);
  EXPECT_EQ(limit(), 256);
  EXPECT_EQ(quota(), 1);
  run(24h * 30);
  EXPECT_LT(limit(), 150);
  EXPECT_EQ(quota(), 0.7);
}

TEST_F(SizingTest, AnOomKillRaisesTheLimitStepByStep) {
  use(sizing("{memory: {mode: enforce, max: 1GiB}}"));
  write("memory.max", std::to_string(mebi(128).value));
  run(24h * 7);
  EXPECT_LT(limit(), 140);
  sample_.memory.events->oom = 1;
  sample_.memory.events->oom_kill = 1;
  const double before = limit();
  EXPECT_EQ(step(1min).size(), 1U);
  EXPECT_NEAR(limit(), 1.2 * before, 1);
  run(10min);
  // max(1.2 x 128, 128 + 100) and the margin.
  EXPECT_GE(limit(), 228 * 1.15);
  EXPECT_LE(limit(), 228 * 1.15 * 1.06);
}

TEST_F(SizingTest, ARaiseDoesNotWaitForTheNextCut) {
  use(sizing("{memory: {mode: enforce, max: 1GiB}}"));
  write("memory.max", std::to_string(mebi(1024).value));
  run(24h * 3);
  for (int minute = 0; minute < 24 * 60 && step(1min).empty(); ++minute) {
  }
  const double cut = limit();
  step(1min);
  uses(cut - 10);
  sample_.memory.events->oom = sample_.memory.events->oom_kill = 1;
  EXPECT_FALSE(run(2min).empty());
  EXPECT_GT(limit(), cut);
}

TEST_F(SizingTest, ColdMemoryIsTakenAwayBeforeTheLimitFollows) {
  use(sizing("{memory: {mode: enforce, max: 256MiB}}"));
  write("memory.max", std::to_string(mebi(1024).value));
  uses(100, 880);  // the cache fills what it is allowed
  const auto decisions = run(24h);
  EXPECT_TRUE(std::holds_alternative<model::ReclaimMemory>(decisions.at(0).action));
  EXPECT_GT(reclaimed_, 600 * kMebi);
  EXPECT_LT(limit(), 270);
  for (const model::Decision& one : decisions) EXPECT_EQ(one.refusal, "");
}

TEST_F(SizingTest, NeverBelowWhatIsInUse) {
  use(sizing("{memory: {mode: enforce, max: 128MiB}}"));
  write("memory.max", std::to_string(mebi(1024).value));
  uses(600);
  for (const model::Decision& one : run(24h)) EXPECT_TRUE(std::holds_alternative<model::SetFile>(one.action));
  EXPECT_GE(limit(), 630);
  EXPECT_LE(limit(), 632);
}

TEST_F(SizingTest, AThrottledContainerIsGivenMore) {
  use(sizing("{cpu: {mode: enforce, max: 3}}"));
  cores_ = 0.2;
  write("cpu.max", "50000 100000");
  run(24h * 7);
  EXPECT_LT(quota(), 0.3);
  for (int minute = 0; minute < 60; ++minute) {
    cores_ = std::min(2.0, quota());  // it takes all that it gets
    step(1min);
  }
  EXPECT_GE(quota(), 2);
}

TEST_F(SizingTest, AuditTellsOnceAndPauseStopsAll) {
  use(sizing("{memory: {mode: enforce, max: 256MiB}}", "  mode: audit\n"));
  const auto decisions = run(1h);
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_TRUE(decisions[0].audit);
  EXPECT_EQ(limit(), 0);
  EXPECT_TRUE(told(kMemory)->audit);
  use(sizing("{memory: {mode: enforce, max: 256MiB}}"));
  engine_.pause(true);
  EXPECT_TRUE(run(1h).empty());
  engine_.pause(false);
  EXPECT_EQ(step(1s).size(), 1U);
  EXPECT_EQ(limit(), 256);
}

TEST_F(SizingTest, DriftIsCorrectedAndWhatWasThereIsGivenBack) {
  use(sizing("{memory: {mode: enforce, max: 256MiB}}"));
  write("memory.max", std::to_string(mebi(512).value));
  run(2h);
  EXPECT_EQ(limit(), 256);
  write("memory.max", "max");
  const auto decisions = step(1s);
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(decisions[0].cause, Cause::kDrift);
  EXPECT_EQ(limit(), 256);
  use(sizing("{memory: {mode: recommend}}"));
  step(1s);
  EXPECT_EQ(limit(), 512);
}

TEST_F(SizingTest, AnExplicitLimitHasTheLastWord) {
  use(sizing("{memory: {mode: recommend}}", "  limits: {memory: {max: 200MiB}}\n"));
  run(1h);
  EXPECT_EQ(limit(), 200);
  EXPECT_NEAR(*told(kMemory)->limit, 200 * kMebi, 1);
  // Of another policy, by priority.
  use(sizing("{memory: {mode: enforce, max: 256MiB}}") + "---\n" +
      "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: fixed}\nspec:\n  priority: 5\n"
      "  select: {names: [web]}\n  limits: {memory: {max: 300MiB}}\n");
  run(1h);
  EXPECT_EQ(limit(), 300);
  const Explanation told = engine_.explain(*ref_);
  const auto field = std::ranges::find(told.fields, "memory.max", &FieldState::field);
  ASSERT_EQ(field->overruled.size(), 1U);
  EXPECT_EQ(field->overruled[0].rule, "autosize");
}

TEST_F(SizingTest, WhatIsKnownFollowsTheWorkloadOverRestartsAndReboots) {
  use(sizing("{memory: {mode: enforce, max: 256MiB}}"));
  run(48h);
  const double known = told(kMemory)->target;
  const std::string state = engine_.save(), sizes = engine_.save_sizes();
  const double held = limit();

  // The agent is started anew: the limit stays as it is, and so does what is to be given back.
  engine_ = Engine(EngineOptions{});
  use(sizing("{memory: {mode: enforce, max: 256MiB}}"));
  ASSERT_TRUE(engine_.restore(state));
  ASSERT_TRUE(engine_.restore_sizes(sizes));
  EXPECT_TRUE(step(1s).empty());
  EXPECT_EQ(limit(), held);
  use(sizing("{memory: {mode: recommend}}"));
  step(1s);
  EXPECT_EQ(limit(), 0);

  // After a reboot it is another cgroup, and the same workload.
  engine_ = Engine(EngineOptions{});
  EXPECT_FALSE(engine_.restore_sizes("{}"));
  EXPECT_FALSE(engine_.restore_sizes("nonsense"));
  ASSERT_TRUE(engine_.restore_sizes(sizes));
  ref_ = std::make_shared<model::ContainerRef>(*ref_);
  ref_->id = {8};
  ref_->container_id = "def";
  use(sizing("{memory: {mode: recommend}}"));
  step(1s);
  step(1s);
  ASSERT_NE(told(kMemory), nullptr);
  EXPECT_EQ(told(kMemory)->target, known);
  EXPECT_GT(told(kMemory)->observed, 47h);
}

TEST_F(SizingTest, PressureModeTakesColdMemoryAwayAndFindsWhatIsNeeded) {
  use(sizing("{memory: {mode: enforce, seek: pressure}}"));
  uses(100, 300);
  double needed = 250;  // below it, there is pressure
  double total = 0;
  for (int half_minute = 0; half_minute < 2 * 60 * 3; ++half_minute) {
    const double has = static_cast<double>(sample_.memory.current->value) / kMebi;
    if (has < needed) {
      total += 0.02 * 30;
      sample_.pressure.memory->some.total = Microseconds(static_cast<std::int64_t>(total * 1e6));
      uses(100, needed - 100);  // it is read in again
    }
    for (const model::Decision& one : step(30s)) {
      ASSERT_TRUE(std::holds_alternative<model::ReclaimMemory>(one.action));
      EXPECT_LE(static_cast<double>(std::get<model::ReclaimMemory>(one.action).amount.value),
                0.0101 * static_cast<double>(400 * kMebi));
      EXPECT_EQ(one.rule, "autosize");
    }
  }
  EXPECT_EQ(limit(), 0) << "no limit is set";
  EXPECT_GT(reclaimed_, 150 * kMebi);
  ASSERT_NE(told(kMemory), nullptr);
  EXPECT_EQ(told(kMemory)->seek, "pressure");
  EXPECT_GT(told(kMemory)->target, 240 * kMebi);
  EXPECT_LT(told(kMemory)->target, 350 * kMebi);
}

TEST_F(SizingTest, PressureModeLeavesAloneWhatCannotBeReclaimed) {
  use(sizing("{memory: {mode: enforce, seek: pressure}}"));
  uses(400);
  EXPECT_TRUE(run(2h).empty());
  EXPECT_GE(told(kMemory)->target, 400 * 1.15 * kMebi);
  use(sizing("{memory: {mode: enforce, seek: pressure, min: 900MiB}}"));
  uses(100, 800);
  EXPECT_TRUE(run(2h).empty());
  use(sizing("{memory: {mode: recommend, seek: pressure}}"));
  EXPECT_TRUE(run(2h).empty());
}

TEST_F(SizingTest, OneThatEndedByAnOomKillIsLearnedFrom) {
  use(sizing("{memory: {mode: recommend}}"));
  write("memory.max", std::to_string(mebi(128).value));
  run(1h);
  model::Snapshot snapshot;
  snapshot.boot = now_ + 1s;
  snapshot.wall = wall_;
  model::EndedContainer ended{.ref = ref_, .last = sample_, .vanished = wall_, .exit = model::Exit{}};
  ended.exit->oom_killed = true;
  snapshot.ended.push_back(ended);
  EXPECT_TRUE(engine_.evaluate(snapshot, {}).empty());
  EXPECT_TRUE(engine_.evaluate(snapshot, {}).empty());
  ref_ = std::make_shared<model::ContainerRef>(*ref_);
  ref_->id = {9};
  ref_->container_id = "next";
  step(1s);
  step(1s);
  EXPECT_GE(told(kMemory)->target, 228 * 1.15 * kMebi);
  EXPECT_LE(told(kMemory)->target, 228 * 1.15 * 1.06 * kMebi) << "once, not at each look";
}

}  // namespace
}  // namespace plimsoll::policies
