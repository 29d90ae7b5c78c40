// What rules do once, what becomes of what did not do, and disputes about a file.
#include <gtest/gtest.h>

#include <map>

#include "policies/engine.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;
using model::Bound;

class ActingTest : public testing::Test {
 protected:
  struct One {
    model::ContainerRef ref;
    model::Sample sample;
  };

  One& container(const std::string& name, std::uint64_t mebibytes,
                 std::map<std::string, std::string> labels = {}) {
    One& one = containers_[name];
    one.ref.id = {containers_.size()};
    one.ref.cgroup = "/plimsoll/" + name;
    one.ref.runtime = model::Runtime::kPlimsoll;
    one.ref.container_id = one.ref.name = name;
    one.ref.labels = std::move(labels);
    one.sample.memory.current = Bytes{mebibytes << 20};
    one.sample.limits.memory_max = Bound<Bytes>::max();
    one.sample.limits.pids_max = Bound<std::uint64_t>::max();
    return one;
  }
  void use(const std::string& kind, const std::string& spec) {
    const LoadOutcome outcome = load_texts(
        {{"test.yaml", "apiVersion: plimsoll/v1\nkind: " + kind + "\nmetadata: {name: p}\nspec:\n" + spec}});
    for (const Diagnostic& one : outcome.diagnostics) EXPECT_TRUE(one.warning) << to_string(one);
    engine_.use(outcome.set);
  }
  void rule(const std::string& when, const std::string& then, const std::string& more = "") {
    use("Policy", "  select: {names: '*'}\n  rules:\n    - name: r\n      when: " + when + "\n      then: [" +
                      then + "]\n" + more);
  }
  void host_rule(const std::string& then, const std::string& more = "      cooldown: 5s\n") {
    use("HostPolicy",
        "  rules:\n    - name: r\n      when: host.memory.available < 5% of "
        "host.memory.total\n      then: [" +
            then + "]\n" + more);
  }
  std::vector<model::Decision> step(Nanoseconds elapsed = 1s) {
    now_ = now_ + elapsed;
    model::Snapshot snapshot;
    snapshot.boot = snapshot.host.taken = now_;
    snapshot.host.memory_total = {1ULL << 30};
    snapshot.host.memory_available = {available_};
    for (auto& [name, one] : containers_) {
      one.sample.taken = now_;
      snapshot.containers.push_back({std::make_shared<model::ContainerRef>(one.ref), one.sample});
    }
    return engine_.evaluate(snapshot, {});
  }
  bool report(const model::Decision& decision, const std::string& outcome, const std::string& before = "") {
    model::DecisionRecord record;
    record.outcome = decision.refusal.empty() ? outcome : "refused";
    record.detail = "why not";
    record.before = before;
    if (const auto* set = std::get_if<model::SetFile>(&decision.action)) record.after = set->value;
    return engine_.report(decision, record);
  }

  // A stop or restart of "a": begun where nothing speaks against it, and then this came of it.
  bool ended(const model::Decision& decision, const std::string& outcome) {
    if (const bool last = report(decision, "done"); !decision.refusal.empty()) return last;
    model::DecisionRecord record;
    record.policy = "p";
    record.rule = "r";
    record.container_id = "a";
    record.action = model::action_name(decision.action);
    record.outcome = outcome;
    return engine_.report_later(record, now_);
  }

  Engine engine_{EngineOptions{}};
  std::map<std::string, One> containers_;
  BootTime now_{100s};
  std::uint64_t available_ = 1ULL << 20;
};

std::string victim(const std::vector<model::Decision>& decisions) {
  return decisions.size() == 1 && decisions[0].refusal.empty() ? decisions[0].container->name : "";
}

TEST_F(ActingTest, StopRestartAndReclaim) {
  container("a", 100);
  rule("memory.usage > 50MiB", "{reclaim: 10% of memory.usage}, {stop: {grace: 3s}}");
  auto decisions = step();
  ASSERT_EQ(decisions.size(), 2U);
  EXPECT_EQ(std::get<model::ReclaimMemory>(decisions[0].action).amount.value, 10ULL << 20);
  EXPECT_EQ(std::get<model::Stop>(decisions[1].action).grace, std::optional<Nanoseconds>(3s));
  rule("memory.usage > 50MiB", "restart");
  decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(std::get<model::Restart>(decisions[0].action).grace, std::nullopt);
}

TEST_F(ActingTest, AReclaimOfWhatIsNotKnownSaysSo) {
  One& one = container("a", 100);
  one.sample.memory.current.reset();
  one.sample.limits.pids_max = Bound<std::uint64_t>(5);
  rule("pids.max > 0", "{reclaim: 10% of memory.usage}");
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_NE(decisions[0].refusal.find("memory.usage"), std::string::npos) << decisions[0].refusal;
}

TEST_F(ActingTest, TheVictimIsTheOneWithTheMostOrTheLeast) {
  container("big", 200, {{"tier", "batch"}});
  container("middle", 100, {{"tier", "batch"}});
  container("small", 50, {{"tier", "batch"}});
  container("other", 500);
  host_rule("{kill: {victim: {among: {labels: {tier: batch}}, most: memory.usage}}}");
  EXPECT_EQ(victim(step()), "big");
  host_rule("{kill: {victim: {among: {labels: {tier: batch}}, least: memory.usage}}}");
  EXPECT_EQ(victim(step()), "small");
}

TEST_F(ActingTest, PreferredOnesComeFirstAndAvoidedOnesLast) {
  container("big", 200, {{"tier", "batch"}, {"avoid", "true"}});
  container("middle", 100, {{"tier", "batch"}});
  container("small", 50, {{"tier", "batch"}, {"spare", "true"}});
  const std::string choice =
      "victim: {among: {labels: {tier: batch}}, most: memory.usage, prefer: {labels: {spare: 'true'}}, "
      "avoid: {labels: {avoid: 'true'}}}";
  host_rule("{stop: {" + choice + "}}");
  EXPECT_EQ(victim(step()), "small");
  containers_.erase("small");
  host_rule("{restart: {" + choice + "}}");
  EXPECT_EQ(victim(step()), "middle");
  containers_.erase("middle");
  host_rule("{kill: {" + choice + "}}");
  EXPECT_EQ(victim(step()), "big") << "avoided, not excepted";
}

// One step's decisions in 1,000 s, of which each has this outcome.
TEST_F(ActingTest, WhatFailsIsTriedAgainLaterEachTimeAndGivenUp) {
  container("a", 100);
  rule("memory.usage > 50MiB", "{reclaim: 10MiB}, {notify: done}", "      cooldown: 1m\n");
  auto decisions = step();
  ASSERT_EQ(decisions.size(), 2U) << "the ladder goes on";
  EXPECT_FALSE(report(decisions[0], "failed"));
  report(decisions[1], "done");
  std::vector<int> when;
  bool last = false;
  for (int second = 1; second < 60; ++second) {
    decisions = step();
    for (const auto& one : decisions) {
      EXPECT_TRUE(std::holds_alternative<model::ReclaimMemory>(one.action)) << "only what failed";
      when.push_back(second);
      last = report(one, "failed");
    }
  }
  EXPECT_EQ(when, (std::vector{1, 3, 7, 15}));
  EXPECT_TRUE(last);
  // Given up, it rests for longer than its cooldown, each time that this happens again.
  EXPECT_EQ(step(60s).size(), 0U);
  decisions = step(60s);
  EXPECT_EQ(decisions.size(), 2U);
}

TEST_F(ActingTest, WhatDidInTheEndIsNotTriedAgain) {
  container("a", 100);
  rule("memory.usage > 50MiB", "{freeze: 5s}", "      cooldown: 1m\n");
  report(step().at(0), "failed");
  const auto again = step();
  ASSERT_EQ(again.size(), 1U);
  report(again[0], "done");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(step().empty());
}

TEST_F(ActingTest, NothingIsTriedAgainOnceTheConditionIsFalse) {
  One& one = container("a", 100);
  rule("memory.usage > 50MiB", "{reclaim: 10MiB}", "      cooldown: 1m\n");
  report(step().at(0), "failed");
  one.sample.memory.current = Bytes{1};
  EXPECT_TRUE(step().empty());
  EXPECT_TRUE(step(10s).empty());
}

TEST_F(ActingTest, TriesOutliveTheAgent) {
  container("a", 100);
  rule("memory.usage > 50MiB", "{reclaim: 10MiB}", "      cooldown: 1m\n");
  report(step().at(0), "failed");
  const std::string saved = engine_.save();
  engine_ = Engine(EngineOptions{});
  rule("memory.usage > 50MiB", "{reclaim: 10MiB}", "      cooldown: 1m\n");
  ASSERT_TRUE(engine_.restore(saved));
  EXPECT_EQ(step().size(), 1U);
}

TEST_F(ActingTest, RestartsOfOneContainerAreApartMoreAndMore) {
  container("a", 100);
  rule("memory.usage > 50MiB", "restart", "      cooldown: 1s\n");
  std::vector<int> when;
  int refusals = 0;
  for (int second = 0; second < 100; ++second) {
    for (const auto& one : step()) {
      refusals += one.refusal.empty() ? 0 : 1;
      if (one.refusal.empty()) when.push_back(second);
      ended(one, "done");
    }
  }
  EXPECT_EQ(when, (std::vector{0, 10, 30, 70}));
  EXPECT_LE(refusals, 4) << "each told once";
}

TEST_F(ActingTest, RestartsThatAreLongAgoDoNotCount) {
  container("a", 100);
  rule("memory.usage > 50MiB", "restart", "      cooldown: 1s\n");
  EXPECT_FALSE(ended(step().at(0), "done"));
  step();
  const auto again = step(10min);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].refusal, "");
}

TEST_F(ActingTest, AFailedStopThatWasReportedLaterIsTriedAgain) {
  container("a", 100);
  rule("memory.usage > 50MiB", "{stop: {grace: 1s}}");
  const auto decisions = step();
  EXPECT_FALSE(ended(decisions.at(0), "failed"));
  EXPECT_TRUE(engine_.next_deadline().has_value());
  EXPECT_EQ(step().size(), 1U);
}

TEST_F(ActingTest, AStopThatBeginsAndFailsEachTimeIsGivenUp) {
  container("a", 100);
  rule("memory.usage > 50MiB", "{stop: {grace: 1s}}", "      cooldown: 1s\n");
  std::vector<int> when;
  bool last = false;
  for (int second = 0; second < 40 && !last; ++second) {
    for (const auto& one : step()) {
      when.push_back(second);
      last = ended(one, "failed");
    }
  }
  EXPECT_EQ(when, (std::vector{0, 1, 3, 7, 15}));
  EXPECT_TRUE(last);
}

TEST_F(ActingTest, NothingBeginsAnewWhileAStopGoesOnNotEvenForTheNextAgent) {
  const auto stop = [&] { rule("memory.usage > 50MiB", "{stop: {grace: 1m}}", "      cooldown: 1s\n"); };
  container("a", 100);
  stop();
  const auto begun = step();
  ASSERT_EQ(begun.size(), 1U);
  report(begun[0], "done");
  EXPECT_TRUE(step(10s).empty());
  const std::string saved = engine_.save();
  engine_ = Engine(EngineOptions{});
  stop();
  ASSERT_TRUE(engine_.restore(saved));
  EXPECT_TRUE(step(10s).empty());
}

TEST_F(ActingTest, AWriteThatFailsIsGivenUpAndTakenUpWhenSomethingChanges) {
  One& one = container("a", 1);
  use("Policy", "  select: {names: '*'}\n  limits: {pids: {max: 10}}\n");
  int tries = 0, last = 0;
  for (int i = 0; i < 10'000; ++i) {
    for (const auto& decision : step()) {
      ++tries;
      last += report(decision, "failed", "max") ? 1 : 0;
    }
  }
  EXPECT_EQ(tries, 8);
  EXPECT_EQ(last, 1);
  one.sample.limits.pids_max = Bound<std::uint64_t>(77);
  EXPECT_EQ(step().size(), 1U) << "the file is not as it was";
  use("Policy", "  select: {names: '*'}\n  limits: {pids: {max: 10}}\n");
  EXPECT_TRUE(step().empty()) << "in flight";
}

class DriftTest : public ActingTest {
 protected:
  // Somebody sets pids.max to 77 whenever it is 10; how often it was corrected, and what was said last.
  int dispute(const std::string& drift, int rounds = 20) {
    One& one = container("a", 1);
    use("Policy", "  drift: " + drift + "\n  select: {names: '*'}\n  limits: {pids: {max: 10}}\n");
    int corrections = -1;  // the first write is none
    for (int i = 0; i < rounds; ++i) {
      for (const auto& decision : step()) {
        refusal_ = decision.refusal;
        if (refusal_.empty()) ++corrections;
        if (refusal_.empty()) one.sample.limits.pids_max = Bound<std::uint64_t>(10);
        told_ += refusal_.empty() ? 0 : 1;
        report(decision, "done");
      }
      step(1ms);  // seen as written
      one.sample.limits.pids_max = Bound<std::uint64_t>(77);
    }
    return corrections;
  }
  std::string refusal_;
  int told_ = 0;
};

TEST_F(DriftTest, IsCorrectedForEver) {
  EXPECT_EQ(dispute("hold"), 19);
  EXPECT_EQ(told_, 0);
}
TEST_F(DriftTest, IsLeftAtOnce) {
  EXPECT_EQ(dispute("yield"), 0);
  EXPECT_EQ(told_, 1);
}
TEST_F(DriftTest, IsLeftAfterSoManyCorrections) {
  EXPECT_EQ(dispute("yield after 3"), 3);
  EXPECT_EQ(told_, 1) << "once";
  EXPECT_NE(refusal_.find("left to them"), std::string::npos) << refusal_;
  // Theirs stays when the policy goes: what was there before the first write is not put over it.
  use("Policy", "  select: {names: b}\n  limits: {pids: {max: 5}}\n");
  EXPECT_TRUE(step().empty());
}
TEST_F(DriftTest, IsHeldAgainWhenThePoliciesAreLoadedAnew) {
  dispute("yield after 3");
  use("Policy", "  drift: yield after 3\n  select: {names: '*'}\n  limits: {pids: {max: 10}}\n");
  EXPECT_EQ(step().size(), 1U);
}

}  // namespace
}  // namespace plimsoll::policies
