#include "policies/engine.h"

#include <gtest/gtest.h>

#include <functional>

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;
using model::Bound;
using model::Cause;

std::shared_ptr<const PolicySet> load(const std::string& text) {
  const LoadOutcome outcome = load_texts({{"test.yaml", text}});
  for (const Diagnostic& one : outcome.diagnostics) {
    if (!one.warning) ADD_FAILURE() << to_string(one);
  }
  return outcome.set;
}

std::string policy(const std::string& spec, const std::string& name = "p") {
  return "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: " + name +
         "}\nspec:\n  select: {labels: {app: x}}\n" + spec;
}

// One container "x" whose files say what the engine had written, as a kernel would.
class EngineTest : public testing::Test {
 protected:
  EngineTest() {
    ref_.id = {7};
    ref_.cgroup = "/plimsoll/x";
    ref_.runtime = model::Runtime::kPlimsoll;
    ref_.container_id = "abc";
    ref_.name = "x";
    ref_.labels = {{"app", "x"}};
    sample_.memory.current = Bytes{50ULL << 20};
    sample_.limits.cpu_max = model::CpuMax{};
    sample_.limits.memory_max = Bound<Bytes>::max();
    sample_.limits.memory_high = Bound<Bytes>::max();
    sample_.limits.pids_max = Bound<std::uint64_t>::max();
  }

  void use(const std::string& text) { engine_.use(load(text)); }
  std::vector<model::Decision> step(Nanoseconds elapsed = 1s) {
    now_ = now_ + elapsed;
    model::Snapshot snapshot;
    snapshot.boot = now_;
    sample_.taken = now_;
    snapshot.host.taken = now_;
    snapshot.host.memory_total = {1ULL << 30};
    snapshot.host.memory_available = host_available_;
    snapshot.containers.push_back({std::make_shared<model::ContainerRef>(ref_), sample_});
    return engine_.evaluate(snapshot, {});
  }
  // Carries them out as a kernel that takes everything.
  void obey(const std::vector<model::Decision>& decisions) {
    for (const model::Decision& one : decisions) {
      model::DecisionRecord record;
      const auto* set = std::get_if<model::SetFile>(&one.action);
      record.outcome = !one.refusal.empty() ? "refused" : one.audit ? "audited" : "done";
      if (set != nullptr) {
        record.after = set->value;
        if (record.outcome == "done") write(set->file, set->value);
      }
      engine_.report(one, record);
    }
  }
  void write(const std::string& file, const std::string& value) {
    const auto bytes = value.starts_with("max") ? Bound<Bytes>::max() : Bound(Bytes{std::stoull(value)});
    if (file == "memory.max") sample_.limits.memory_max = bytes;
    if (file == "memory.high") sample_.limits.memory_high = bytes;
    if (file == "cpu.max") {
      sample_.limits.cpu_max->quota =
          value.starts_with("max") ? Bound<Microseconds>::max() : Bound(Microseconds(std::stoll(value)));
    }
  }
  static model::SetFile set_of(const model::Decision& one) { return std::get<model::SetFile>(one.action); }

  Engine engine_{EngineOptions{.untouchable = {"/", "/plimsoll/.shims"}}};
  model::ContainerRef ref_;
  model::Sample sample_;
  BootTime now_{100s};
  Bytes host_available_{512ULL << 20};
};

TEST_F(EngineTest, HoldsLimitsOnceAndCorrectsDrift) {
  use(policy("  limits: {cpu: {max: 0.5}, memory: {max: 128MiB}}\n"));
  auto decisions = step();
  ASSERT_EQ(decisions.size(), 2U);
  EXPECT_EQ(set_of(decisions[0]).file, "cpu.max");
  EXPECT_EQ(set_of(decisions[0]).value, "50000 100000");
  EXPECT_EQ(decisions[0].cause, Cause::kLimit);
  EXPECT_EQ(set_of(decisions[1]).value, "134217728");
  obey(decisions);
  EXPECT_TRUE(step().empty());
  write("memory.max", "max");
  decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(decisions[0].cause, Cause::kDrift);
  EXPECT_EQ(set_of(decisions[0]).before, "max");
  obey(decisions);
  EXPECT_TRUE(step().empty());
}

TEST_F(EngineTest, ARoundedValueIsNoDrift) {
  use(policy("  limits: {memory: {max: 100000001B}}\n"));
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(set_of(decisions[0]).value, "99999744");
  obey(decisions);
  EXPECT_TRUE(step().empty());
}

TEST_F(EngineTest, ARuleSetsAndUntilPutsBack) {
  use(
      policy("  limits: {memory: {max: 100MiB}}\n  rules:\n    - name: squeeze\n      when: memory.usage > "
             "80% of memory.max for 2s\n"
             "      then: [{set: {memory.high: 90% of memory.max}}, {notify: '{{container.name}} at "
             "{{memory.usage}}'}]\n"
             "      until: memory.usage < 60% of memory.max\n"));
  obey(step());
  sample_.memory.current = Bytes{90ULL << 20};
  EXPECT_TRUE(step().empty());
  EXPECT_TRUE(step().empty());
  auto decisions = step();
  ASSERT_EQ(decisions.size(), 2U);
  EXPECT_EQ(std::get<model::Notify>(decisions[0].action).text, "x at 90MiB");
  EXPECT_EQ(now_ - decisions[0].breach, 2s);
  EXPECT_EQ(set_of(decisions[1]).value, "94371840");
  EXPECT_EQ(decisions[1].cause, Cause::kRule);
  EXPECT_EQ(decisions[1].rule, "squeeze");
  obey(decisions);
  EXPECT_TRUE(step().empty());
  sample_.memory.current = Bytes{50ULL << 20};
  decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(set_of(decisions[0]).file, "memory.high");
  EXPECT_EQ(set_of(decisions[0]).value, "max");
  EXPECT_EQ(decisions[0].cause, Cause::kUntil);
  obey(decisions);
  EXPECT_TRUE(step().empty());
}

TEST_F(EngineTest, StateSurvivesARestart) {
  const std::string text = policy(
      "  limits: {memory: {max: 100MiB}}\n  rules:\n    - name: squeeze\n      when: memory.usage > 80MiB\n"
      "      then: [{set: {memory.high: 90MiB}}]\n      until: memory.usage < 60MiB\n");
  use(text);
  obey(step());
  sample_.memory.current = Bytes{90ULL << 20};
  obey(step());
  ASSERT_FALSE(sample_.limits.memory_high->is_max());
  const std::string saved = engine_.save();
  engine_ = Engine(EngineOptions{});
  use(text);
  ASSERT_TRUE(engine_.restore(saved));
  EXPECT_TRUE(step().empty());
  sample_.memory.current = Bytes{50ULL << 20};
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(set_of(decisions[0]).value, "max");
  EXPECT_FALSE(engine_.restore("{nonsense"));
}

TEST_F(EngineTest, APolicyThatIsRemovedGivesBackWhatWasBefore) {
  use(policy("  limits: {cpu: {max: 0.5}}\n"));
  obey(step());
  engine_.use(std::make_shared<PolicySet>());
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(set_of(decisions[0]).value, "max 100000");
}

TEST_F(EngineTest, AValueIsPutBackByTheNextAgentWhereThisOneWasKilledBeforeTheWrite) {
  use(policy("  limits: {cpu: {max: 0.5}}\n"));
  obey(step());
  engine_.use(std::make_shared<PolicySet>());
  ASSERT_EQ(step().size(), 1U);
  const std::string saved = engine_.save();  // as the agent does before it carries the decision out
  engine_ = Engine(EngineOptions{});
  ASSERT_TRUE(engine_.restore(saved));
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(set_of(decisions[0]).value, "max 100000");
  EXPECT_EQ(decisions[0].cause, Cause::kUntil);
  obey(decisions);
  EXPECT_TRUE(step().empty());
  EXPECT_EQ(engine_.save().find("cpu.max"), std::string::npos);
}

TEST_F(EngineTest, AFirstWriteThatItsAgentDidNotOutliveIsPutBackToo) {
  use(policy("  limits: {cpu: {max: 0.5}}\n"));
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  const std::string saved = engine_.save();
  write("cpu.max", set_of(decisions[0]).value);
  engine_ = Engine(EngineOptions{});  // and the policy is gone meanwhile
  ASSERT_TRUE(engine_.restore(saved));
  const auto back = step();
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(set_of(back[0]).value, "max 100000");
}

TEST_F(EngineTest, APutBackThatFailsIsTriedAgainUntilItIsDoneOrTheContainerIsGone) {
  for (const std::string end : {"done", "vanished"}) {
    use(policy("  limits: {cpu: {max: 0.5}}\n"));
    obey(step());
    engine_.use(std::make_shared<PolicySet>());
    for (const Nanoseconds pause : {10s, 20s, 40s}) {
      const auto decisions = step();
      ASSERT_EQ(decisions.size(), 1U);
      EXPECT_EQ(set_of(decisions[0]).value, "max 100000");
      model::DecisionRecord record;
      record.outcome = "failed";
      record.detail = "write cpu.max: Input/output error";
      engine_.report(decisions[0], record);
      EXPECT_EQ(engine_.next_deadline(), now_ + pause);
      EXPECT_TRUE(step(pause - 1s).empty());
      EXPECT_EQ(engine_.explain(ref_).fields[0].problem, "being put back: write cpu.max: Input/output error");
    }
    const auto decisions = step();
    ASSERT_EQ(decisions.size(), 1U);
    model::DecisionRecord record;
    record.outcome = end;
    engine_.report(decisions[0], record);
    if (end == "done") write("cpu.max", "max");
    EXPECT_TRUE(step(1h).empty());
  }
}

TEST_F(EngineTest, WhatIsWantedAgainWhileItIsPutBackKeepsItsOriginal) {
  const std::string text = policy("  limits: {cpu: {max: 0.5}}\n");
  use(text);
  obey(step());
  engine_.use(std::make_shared<PolicySet>());
  auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  model::DecisionRecord record;
  record.outcome = "failed";
  engine_.report(decisions[0], record);
  use(policy("  limits: {cpu: {max: 0.25}}\n"));
  decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(set_of(decisions[0]).value, "25000 100000");
  obey(decisions);
  engine_.use(std::make_shared<PolicySet>());
  decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(set_of(decisions[0]).value, "max 100000");
}

TEST_F(EngineTest, AuditSaysItOnceAndTouchesNothing) {
  use(policy("  mode: audit\n  limits: {cpu: {max: 0.5}}\n"));
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_TRUE(decisions[0].audit);
  obey(decisions);
  EXPECT_TRUE(step().empty());
  EXPECT_TRUE(step(10min).empty());
  engine_.use(std::make_shared<PolicySet>());
  EXPECT_TRUE(step().empty());
}

TEST_F(EngineTest, TheHigherPriorityWins) {
  use(policy("  priority: 1\n  limits: {memory: {max: 100MiB}, cpu: {max: 1}}\n", "low") + "---\n" +
      policy("  priority: 2\n  limits: {memory: {max: 200MiB}}\n", "high"));
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 2U);
  EXPECT_EQ(decisions[0].policy, "low");
  EXPECT_EQ(decisions[1].policy, "high");
  EXPECT_EQ(set_of(decisions[1]).value, std::to_string(200ULL << 20));
}

TEST_F(EngineTest, MemoryMaxBelowUseIsRefusedUnlessForced) {
  use(policy("  limits: {memory: {max: 10MiB}}\n"));
  auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_NE(decisions[0].refusal.find("below the current use of 50MiB"), std::string::npos)
      << decisions[0].refusal;
  obey(decisions);
  EXPECT_TRUE(step().empty()) << "refused once, not at every tick";
  EXPECT_TRUE(step(1h).empty()) << "and not again later";
  sample_.memory.current = Bytes{5ULL << 20};
  decisions = step();
  ASSERT_EQ(decisions.size(), 1U) << "as soon as it does no harm";
  EXPECT_EQ(decisions[0].refusal, "");
}

TEST_F(EngineTest, OtherRuntimesOnlyWhereNamedAndUntouchablesNever) {
  use(policy("  limits: {cpu: {max: 0.5}}\n"));
  ref_.runtime = model::Runtime::kDocker;
  EXPECT_TRUE(step().empty());
  engine_.use(
      load("apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: d}\nspec:\n  select: {runtimes: "
           "[docker], labels: {app: x}}\n  limits: {cpu: {max: 0.5}}\n"));
  EXPECT_EQ(step().size(), 1U);
  ref_.cgroup = "/plimsoll/.shims/x";
  ref_.id.inode = 8;
  EXPECT_TRUE(step().empty());
  ref_.cgroup = "/plimsoll";
  ref_.id.inode = 9;
  EXPECT_TRUE(step().empty()) << "it holds an untouchable one";
}

TEST_F(EngineTest, AnUnknownSignalNeitherFiresNorClears) {
  use(
      policy("  rules:\n    - name: r\n      when: memory.usage > 80% of memory.max\n      then: [{kill: "
             "{signal: KILL}}]\n"));
  EXPECT_TRUE(step().empty());
  const auto told = engine_.explain(ref_);
  ASSERT_EQ(told.rules.size(), 1U);
  EXPECT_EQ(told.rules[0].when.truth, Truth::kUnknown);
  EXPECT_NE(told.rules[0].when.why_unknown.find("memory.max"), std::string::npos)
      << told.rules[0].when.why_unknown;
}

TEST_F(EngineTest, ALadderWaitsOnlyWhileItsConditionHolds) {
  use(
      policy("  rules:\n    - name: r\n      when: memory.usage > 80MiB\n      then: [{freeze: 2s}, {wait: "
             "5s}, {kill: {signal: TERM, grace: 1s}}]\n"));
  sample_.memory.current = Bytes{90ULL << 20};
  auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<model::Freeze>(decisions[0].action));
  step();
  decisions = step();
  ASSERT_EQ(decisions.size(), 1U) << "thawed after 2 s";
  EXPECT_TRUE(std::holds_alternative<model::Thaw>(decisions[0].action));
  EXPECT_TRUE(step(4s).empty()) << "the wait begins when the freeze is over";
  decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(std::get<model::Kill>(decisions[0].action).grace, 1s);
  EXPECT_TRUE(step().empty()) << "fires again only after the condition was false";
  sample_.memory.current = Bytes{1};
  step();
  sample_.memory.current = Bytes{90ULL << 20};
  EXPECT_EQ(step().size(), 1U);
  sample_.memory.current = Bytes{1};
  EXPECT_TRUE(step(3s).size() == 1U) << "only the thaw";
  EXPECT_TRUE(step(10s).empty());
}

TEST_F(EngineTest, AHostPolicyKillsItsVictimWithinTheRate) {
  engine_ = Engine(EngineOptions{.kills_a_minute = 2});
  engine_.use(load(
      "apiVersion: plimsoll/v1\nkind: HostPolicy\nmetadata: {name: h}\nspec:\n  rules:\n    - name: free\n"
      "      when: host.memory.available < 5% of host.memory.total\n"
      "      then: [{kill: {victim: {among: {labels: {app: x}}, most: memory.usage}, grace: 2s}}]\n      "
      "cooldown: 5s\n"));
  EXPECT_TRUE(step().empty());
  host_available_ = {1ULL << 20};
  obey(step());  // the victim must have been seen once
  int killed = 0, refused = 0;
  for (int i = 0; i < 59; ++i) {
    const auto decisions = step();
    for (const auto& one : decisions) {
      EXPECT_EQ(one.container->name, "x");
      (one.refusal.empty() ? killed : refused)++;
    }
    obey(decisions);
  }
  EXPECT_EQ(killed, 1) << "one was killed before";
  EXPECT_EQ(refused, 1) << "told once, not at every tick";
  const auto later = step(2s);
  ASSERT_EQ(later.size(), 1U) << "as soon as the rate allows it";
  EXPECT_EQ(later[0].refusal, "");
}

TEST_F(EngineTest, PausedItDecidesNothing) {
  use(policy("  limits: {cpu: {max: 0.5}}\n"));
  engine_.pause(true);
  EXPECT_TRUE(step().empty());
  engine_.pause(false);
  EXPECT_EQ(step().size(), 1U);
}

TEST_F(EngineTest, ASampleFromBeforeAWriteIsNoDrift) {
  use(policy("  limits: {memory: {max: 128MiB}}\n"));
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  model::DecisionRecord record;
  record.outcome = "done";
  record.after = "134217728";
  record.breach_to_effect = 3ms;
  engine_.report(decisions[0], record);
  // An event of some other container wakes the engine: this one's sample is still the old one.
  EXPECT_TRUE(step(0s).empty());
  EXPECT_TRUE(step(2ms).empty()) << "read before the write took effect";
  write("memory.max", "134217728");
  EXPECT_TRUE(step().empty());
}

TEST_F(EngineTest, TheOriginalIsNotMistakenForAValueJustTakenAway) {
  const std::string text = policy(
      "  rules:\n    - name: r\n      when: memory.usage > 80MiB\n      then: [{set: {memory.high: 90MiB}}]\n"
      "      until: memory.usage < 60MiB\n");
  use(text);
  sample_.memory.current = Bytes{90ULL << 20};
  obey(step());
  sample_.memory.current = Bytes{50ULL << 20};
  const auto back = step();
  ASSERT_EQ(back.size(), 1U);
  // Fires again on the very sample that still shows 90MiB.
  sample_.memory.current = Bytes{90ULL << 20};
  step(0s);
  obey(back);
  obey(step());
  sample_.memory.current = Bytes{50ULL << 20};
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(set_of(decisions[0]).value, "max");
}

TEST_F(EngineTest, AFreezeWithoutAnEndIsThawedByUntilAndByTheRulesRemoval) {
  const std::string text = policy(
      "  rules:\n    - name: r\n      when: memory.usage > 80MiB\n      then: [freeze]\n"
      "      until: memory.usage < 60MiB\n");
  for (const bool removed : {false, true}) {
    use(text);
    sample_.memory.current = Bytes{90ULL << 20};
    auto decisions = step();
    ASSERT_EQ(decisions.size(), 1U);
    EXPECT_TRUE(std::holds_alternative<model::Freeze>(decisions[0].action));
    EXPECT_TRUE(step(1h).empty());
    if (removed) {
      engine_.use(std::make_shared<PolicySet>());
    } else {
      sample_.memory.current = Bytes{50ULL << 20};
    }
    decisions = step();
    ASSERT_EQ(decisions.size(), 1U);
    EXPECT_TRUE(std::holds_alternative<model::Thaw>(decisions[0].action));
    EXPECT_EQ(decisions[0].rule, "r");
    EXPECT_TRUE(step().empty());
  }
}

TEST_F(EngineTest, AFreezeIsThawedByTheNextAgentWhicheverMomentThisOneWasKilledAt) {
  const std::string text = policy(
      "  rules:\n    - {name: r, when: memory.usage > 80MiB, then: [freeze: 5s]}\n"
      "    - {name: open, when: memory.usage > 80MiB, then: [freeze], until: memory.usage < 60MiB}\n");
  use(text);
  sample_.memory.current = Bytes{90ULL << 20};
  auto decisions = step();
  ASSERT_EQ(decisions.size(), 2U);
  const auto next_agent = [&] {
    const std::string saved = engine_.save();
    engine_ = Engine(EngineOptions{});
    use(text);
    ASSERT_TRUE(engine_.restore(saved));
  };
  next_agent();  // saved before the freeze was carried out
  sample_.memory.current = Bytes{50ULL << 20};
  EXPECT_TRUE(step().empty()) << "one of the two still holds it frozen";
  next_agent();
  for (int i = 0; i < 2; ++i) {
    decisions = step(4s);
    ASSERT_EQ(decisions.size(), 1U);
    EXPECT_TRUE(std::holds_alternative<model::Thaw>(decisions[0].action));
    EXPECT_EQ(decisions[0].rule, "r");
    next_agent();  // killed before the thaw was carried out
  }
  obey(step());
  next_agent();
  EXPECT_TRUE(step(1h).empty());
}

TEST_F(EngineTest, AThawThatFailsIsTriedAgainUntilItIsDone) {
  use(policy("  rules: [{name: r, when: memory.usage > 80MiB, then: [freeze: 5s]}]\n"));
  sample_.memory.current = Bytes{90ULL << 20};
  obey(step());
  step(4s);
  for (const Nanoseconds pause : {1s, 2s, 4s}) {
    const auto decisions = step();
    ASSERT_EQ(decisions.size(), 1U);
    EXPECT_TRUE(std::holds_alternative<model::Thaw>(decisions[0].action));
    model::DecisionRecord record;
    record.outcome = "failed";
    engine_.report(decisions[0], record);
    EXPECT_EQ(engine_.next_deadline(), now_ + pause);
    EXPECT_TRUE(step(pause - 1s).empty());
    EXPECT_EQ(engine_.explain(ref_).frozen_by, "p/r");
  }
  obey(step());
  EXPECT_TRUE(step(1h).empty());
  EXPECT_EQ(engine_.explain(ref_).frozen_by, "");
}

TEST_F(EngineTest, OneFreezeDoesNotEndAnother) {
  use(
      policy("  rules:\n    - {name: long, when: memory.usage > 80MiB, then: [freeze: 60s]}\n"
             "    - {name: short, when: memory.usage > 80MiB, then: [freeze: 1s]}\n"
             "    - {name: own, when: memory.usage > 80MiB, then: [freeze: 1s, wait: 1s, thaw: ]}\n"
             "    - {name: end, when: memory.usage > 95MiB, then: [thaw]}\n"));
  sample_.memory.current = Bytes{90ULL << 20};
  auto decisions = step();
  EXPECT_EQ(decisions.size(), 3U);
  obey(decisions);
  EXPECT_TRUE(step(1s).empty());
  EXPECT_TRUE(step(1s).empty()) << "its own thaw ends its own freeze";
  EXPECT_TRUE(step(28s).empty());
  auto told = engine_.explain(ref_);
  EXPECT_EQ(told.frozen_by, "p/long");
  EXPECT_EQ(told.thaw_in, 30s);
  EXPECT_EQ(engine_.next_deadline(), now_ + 30s);
  decisions = step(30s);
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<model::Thaw>(decisions[0].action));
  EXPECT_EQ(decisions[0].rule, "long");
  obey(decisions);
  EXPECT_EQ(engine_.explain(ref_).frozen_by, "");
  sample_.memory.current = Bytes{50ULL << 20};
  step();
  sample_.memory.current = Bytes{90ULL << 20};
  obey(step());
  sample_.memory.current = Bytes{99ULL << 20};
  decisions = step();
  ASSERT_EQ(decisions.size(), 1U) << "a rule that only thaws ends what the others began";
  EXPECT_EQ(decisions[0].rule, "end");
  EXPECT_EQ(engine_.explain(ref_).thaw_in, 0s);
  obey(decisions);
  EXPECT_EQ(engine_.explain(ref_).frozen_by, "");
}

TEST_F(EngineTest, AFreezeOfALadderThatEndsBeforeItsThawIsThawed) {
  use(policy("  rules: [{name: r, when: memory.usage > 80MiB, then: [freeze, wait: 10s, thaw]}]\n"));
  sample_.memory.current = Bytes{90ULL << 20};
  obey(step());
  EXPECT_EQ(engine_.explain(ref_).frozen_by, "p/r");
  EXPECT_EQ(engine_.explain(ref_).thaw_in, std::nullopt);
  sample_.memory.current = Bytes{50ULL << 20};
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<model::Thaw>(decisions[0].action));
}

TEST_F(EngineTest, AContainerThatIsNoLongerSelectedIsThawed) {
  const std::string rule =
      "  rules:\n    - name: r\n      when: memory.usage > 80MiB\n      then: [{set: {memory.high: 90MiB}}, "
      "freeze]\n      until: memory.usage < 60MiB\n";
  const std::string elsewhere =
      "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  select: {names: [other]}\n" +
      rule;
  const std::vector<std::pair<std::string, std::function<void()>>> ways = {
      {"another name", [&] { ref_.labels["app"] = "y"; }},
      {"another selection", [&] { use(elsewhere); }},
      {"audit", [&] { use(policy("  mode: audit\n" + rule)); }},
      {"off", [&] { use(policy("  mode: off\n" + rule)); }},
      {"removed", [&] { engine_.use(std::make_shared<PolicySet>()); }},
  };
  sample_.memory.current = Bytes{90ULL << 20};
  for (const auto& [way, change] : ways) {
    use(policy(rule));
    ref_.labels["app"] = "x";
    obey(step());
    EXPECT_EQ(engine_.explain(ref_).frozen_by, "p/r") << way;
    change();
    auto decisions = step();
    std::erase_if(decisions, [](const model::Decision& one) { return one.audit; });
    ASSERT_EQ(decisions.size(), 2U) << way;
    EXPECT_TRUE(std::holds_alternative<model::Thaw>(decisions[0].action)) << way;
    EXPECT_EQ(decisions[0].cause, Cause::kUntil) << way;
    EXPECT_EQ(set_of(decisions[1]).value, "max") << way;
    obey(decisions);
    step();
    EXPECT_EQ(engine_.explain(ref_).frozen_by, "") << way;
  }
}

TEST_F(EngineTest, FromEnforceToAuditItLetsGo) {
  use(policy("  limits: {memory: {max: 128MiB}}\n"));
  obey(step());
  EXPECT_TRUE(step().empty());
  use(policy("  mode: audit\n  limits: {memory: {max: 128MiB}}\n"));
  auto decisions = step();
  ASSERT_FALSE(decisions.empty());
  EXPECT_EQ(set_of(decisions[0]).value, "max");
  EXPECT_EQ(decisions[0].cause, Cause::kUntil);
  EXPECT_FALSE(decisions[0].audit);
  obey(decisions);
  decisions = step();
  for (const auto& one : decisions) EXPECT_TRUE(one.audit);
  obey(decisions);
  EXPECT_TRUE(step().empty());
  use(policy("  limits: {memory: {max: 128MiB}}\n"));
  obey(step());
  engine_.use(std::make_shared<PolicySet>());
  decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(set_of(decisions[0]).value, "max") << "what was before the first write";
}

TEST_F(EngineTest, APausedLadderStandsStill) {
  use(
      policy("  rules:\n    - name: r\n      when: memory.usage > 80MiB\n      then: [{freeze: 1s}, {wait: "
             "2s}, {kill: {signal: KILL}}]\n"));
  sample_.memory.current = Bytes{90ULL << 20};
  EXPECT_EQ(step().size(), 1U);
  engine_.pause(true);
  const auto thawed = step(5s);
  ASSERT_EQ(thawed.size(), 1U) << "no longer frozen than the rule said";
  EXPECT_TRUE(std::holds_alternative<model::Thaw>(thawed[0].action));
  EXPECT_TRUE(step(5s).empty());
  engine_.pause(false);
  EXPECT_TRUE(step().empty()) << "the wait has not begun";
  const auto decisions = step(2s);
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<model::Kill>(decisions[0].action));
}

TEST_F(EngineTest, AStepAfterAFreezeBeginsWhenItIsOver) {
  const std::string text = policy(
      "  rules:\n    - name: r\n      when: memory.usage > 80MiB\n      then: [{freeze: 5s}, {kill: {signal: "
      "TERM, grace: 10s}}]\n");
  use(text);
  sample_.memory.current = Bytes{90ULL << 20};
  auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<model::Freeze>(decisions[0].action));
  obey(decisions);
  EXPECT_TRUE(step(2s).empty());
  const auto told = engine_.explain(ref_);
  EXPECT_EQ(told.rules[0].phase, RulePhase::kWaiting);
  EXPECT_EQ(told.rules[0].wait_left, 3s);
  const std::string saved = engine_.save();
  engine_ = Engine(EngineOptions{});  // a new agent goes on with the freeze, and does not begin it anew
  use(text);
  ASSERT_TRUE(engine_.restore(saved));
  EXPECT_TRUE(step(1s).empty());
  EXPECT_EQ(engine_.next_deadline(), now_ + 2s);
  decisions = step(2s);
  ASSERT_EQ(decisions.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<model::Kill>(decisions[0].action))
      << "the signal is sent before the thaw, so that nothing runs in between";
  EXPECT_TRUE(std::holds_alternative<model::Thaw>(decisions[1].action));
  obey(decisions);
  sample_.memory.current = Bytes{1};
  step();
  sample_.memory.current = Bytes{90ULL << 20};
  obey(step());
  sample_.memory.current = Bytes{1};
  decisions = step(10s);
  ASSERT_EQ(decisions.size(), 1U) << "it goes on only while its condition holds";
  EXPECT_TRUE(std::holds_alternative<model::Thaw>(decisions[0].action));
}

TEST_F(EngineTest, EveryDecisionOfARuleSaysWhatWasSeenAndSinceWhen) {
  use(policy(
      "  rules:\n    - name: r\n      when: memory.usage > 80MiB for 3s\n      then: [{set: {memory.high: "
      "90MiB}}, {kill: {signal: TERM}}]\n"));
  sample_.memory.current = Bytes{90ULL << 20};
  step();
  step();
  step();
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 2U);
  for (const auto& one : decisions) {
    EXPECT_EQ(now_ - one.breach, 3s);
    ASSERT_EQ(one.seen.size(), 1U);
    EXPECT_EQ(one.seen[0], (std::pair<std::string, std::string>("memory.usage", "90MiB")));
  }
}

TEST_F(EngineTest, AStepThatCannotBeComputedIsTold) {
  use(policy(
      "  rules:\n    - name: r\n      when: memory.usage > 80MiB\n      then: [{set: {memory.high: 90% of "
      "memory.max}}, {set: {pids.max: +10% up to 100}}]\n"));
  sample_.memory.current = Bytes{90ULL << 20};
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 2U);
  EXPECT_EQ(decisions[0].refusal, "memory.max: no limit is set");
  EXPECT_NE(decisions[1].refusal.find("pids.max"), std::string::npos);
  EXPECT_TRUE(step().empty());
}

TEST_F(EngineTest, ALadderWaitsOutWhatItCannotSee) {
  use(policy(
      "  rules:\n    - name: r\n      when: memory.usage > 80MiB\n      then: [{notify: a}, {wait: 2s}, "
      "{notify: b}]\n"));
  sample_.memory.current = Bytes{90ULL << 20};
  EXPECT_EQ(step().size(), 1U);
  sample_.memory.current.reset();
  EXPECT_TRUE(step(5s).empty());
  sample_.memory.current = Bytes{90ULL << 20};
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(std::get<model::Notify>(decisions[0].action).text, "b");
}

TEST_F(EngineTest, ARateIsNotMadeOfTheMillisecondsBetweenTwoEvents) {
  use(policy("  rules:\n    - {name: r, when: memory.growth > 50MiB, then: [{notify: a}]}\n"));
  for (int i = 0; i < 40; ++i) {  // 10 MiB/s, with a jump of 1 MiB within 5 ms beside each tick
    sample_.memory.current = Bytes{(50ULL + 10ULL * static_cast<unsigned>(i)) << 20};
    EXPECT_TRUE(step(995ms).empty());
    sample_.memory.current->value += 1 << 20;
    EXPECT_TRUE(step(5ms).empty());
  }
  for (int i = 0; i < 20; ++i) {  // 100 MiB/s, told by events alone
    sample_.memory.current->value += 10 << 20;
    if (!step(100ms).empty()) return;
  }
  FAIL() << "a storm of events hides the growth";
}

TEST_F(EngineTest, CooldownsOfTheHostsRulesSurviveARestart) {
  const auto set = load(
      "apiVersion: plimsoll/v1\nkind: HostPolicy\nmetadata: {name: h}\nspec:\n  rules:\n    - {name: r, "
      "when: "
      "host.memory.available < 1GiB, then: [{notify: low}], cooldown: 1m}\n");
  engine_.use(set);
  EXPECT_EQ(step().size(), 1U);
  step();
  const std::string saved = engine_.save();
  engine_ = Engine(EngineOptions{});
  engine_.use(set);
  ASSERT_TRUE(engine_.restore(saved));
  EXPECT_TRUE(step(10s).empty());
  EXPECT_EQ(step(1min).size(), 1U);
}

TEST_F(EngineTest, TellsWhenTimeAloneChangesSomething) {
  use(
      policy("  rules:\n    - name: r\n      when: memory.usage > 80MiB for 2500ms\n"
             "      then: [{freeze: 700ms}, {wait: 3s}, {notify: still}]\n"
             "      until: memory.usage < 60MiB for 1500ms\n      cooldown: 10s\n"));
  (void)step();
  EXPECT_EQ(engine_.next_deadline(), std::nullopt);
  sample_.memory.current = Bytes{90ULL << 20};
  EXPECT_TRUE(step().empty());
  EXPECT_EQ(engine_.next_deadline(), now_ + 2500ms);
  EXPECT_TRUE(step(2s).empty());
  EXPECT_EQ(engine_.next_deadline(), now_ + 500ms);
  EXPECT_EQ(step(500ms).size(), 1U) << "at the deadline itself the rule fires";
  EXPECT_EQ(engine_.next_deadline(), now_ + 700ms) << "the thaw";
  EXPECT_EQ(step(700ms).size(), 1U);
  EXPECT_EQ(engine_.next_deadline(), now_ + 3s) << "the wait";
  EXPECT_EQ(step(3s).size(), 1U);
  EXPECT_EQ(engine_.next_deadline(), std::nullopt) << "only a new value can end it";
  sample_.memory.current = Bytes{50ULL << 20};
  EXPECT_TRUE(step().empty());
  EXPECT_EQ(engine_.next_deadline(), now_ + 1500ms) << "until";
  sample_.memory.current = Bytes{55ULL << 20};
  EXPECT_TRUE(step(1500ms).empty());
  EXPECT_EQ(engine_.next_deadline(), std::nullopt)
      << "a cooldown's end means nothing while the condition is false";
  const BootTime cooled = now_ + 10s;
  sample_.memory.current = Bytes{90ULL << 20};
  (void)step();
  (void)step(3s);
  EXPECT_EQ(engine_.next_deadline(), cooled);
}

TEST_F(EngineTest, ARefusedWriteIsADeadlineToo) {
  use(policy("  limits: {cpu: {max: 0.5}}\n"));
  for (const model::Decision& one : step()) {
    model::DecisionRecord record;
    record.outcome = "refused";
    engine_.report(one, record);
  }
  EXPECT_EQ(engine_.next_deadline(), now_ + 10s);
  EXPECT_TRUE(step().empty());
  EXPECT_EQ(engine_.next_deadline(), now_ + 9s);
  EXPECT_EQ(step(9s).size(), 1U);
}

TEST_F(EngineTest, AnIdleCgroupsWeightIsLeftAloneUntilItIsNoLongerIdle) {
  sample_.limits.cpu_idle = false;
  sample_.limits.cpu_weight = 200;
  const std::string low = policy("  priority: 1\n  limits: {cpu: {weight: 50}}\n", "low");
  use(low);
  auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  obey(decisions);
  sample_.limits.cpu_weight = 50;
  EXPECT_TRUE(step().empty());
  use(low + "---\n" + policy("  priority: 2\n  limits: {cpu: {idle: true}}\n", "high"));
  decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(set_of(decisions[0]).file, "cpu.idle");
  obey(decisions);
  sample_.limits.cpu_idle = true;
  sample_.limits.cpu_weight = 0;
  EXPECT_TRUE(step().empty()) << "a weight of 0 is what an idle cgroup shows, no drift";
  // Both go: first idle, then the weight, which the kernel has set to its default.
  engine_.use(std::make_shared<PolicySet>());
  decisions = step();
  ASSERT_EQ(decisions.size(), 2U);
  EXPECT_EQ(set_of(decisions[0]).file, "cpu.idle");
  EXPECT_EQ(set_of(decisions[0]).value, "0");
  EXPECT_EQ(set_of(decisions[1]).file, "cpu.weight");
  EXPECT_EQ(set_of(decisions[1]).value, "200");
}

TEST_F(EngineTest, ABurstThatShrinksGoesBeforeItsQuota) {
  sample_.limits.cpu_max->quota = Bound(Microseconds(100'000));
  sample_.limits.cpu_burst = Microseconds(80'000);
  use(policy("  limits: {cpu: {max: 0.5, burst: 20ms}}\n"));
  auto decisions = step();
  ASSERT_EQ(decisions.size(), 2U);
  EXPECT_EQ(set_of(decisions[0]).file, "cpu.max.burst");
  EXPECT_EQ(set_of(decisions[1]).file, "cpu.max");
}

TEST_F(EngineTest, ABurstAboveAnotherPolicysQuotaIsRefusedByName) {
  sample_.limits.cpu_burst = Microseconds(0);
  use(policy("  priority: 1\n  limits: {cpu: {burst: 20ms}}\n", "low") + "---\n" +
      policy("  priority: 2\n  limits: {cpu: {max: 0.1}}\n", "high"));
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 2U);
  EXPECT_EQ(decisions[1].refusal, "cpu.burst is more than the quota of cpu.max in one period, 10ms");
}

TEST_F(EngineTest, HoldsLimitsOfADiskWhateverItIsCalled) {
  sample_.limits.io_max.emplace();
  sample_.limits.io_weight.emplace();
  const std::string spec =
      "  limits: {io: [{device: /dev/vda, read_bps: 50MiB, write_iops: 500, weight: 50}]}\n";
  use(policy(spec));
  EXPECT_EQ(devices_of(*load(policy(spec))), std::vector<std::string>{"/dev/vda"});
  for (const model::Decision& one : step())
    EXPECT_NE(one.refusal.find("/dev/vda"), std::string::npos) << one.refusal;

  engine_ = Engine(EngineOptions{});
  use(policy("  priority: 1\n" + spec, "low") + "---\n" +
      policy("  priority: 2\n  limits: {io: [{device: '254:0', read_bps: 10MiB}]}\n", "high"));
  engine_.use_devices({{"/dev/vda", {"254:0", ""}}});
  auto decisions = step();
  ASSERT_EQ(decisions.size(), 3U);
  EXPECT_EQ(set_of(decisions[0]).value, "254:0 rbps=10485760");
  EXPECT_EQ(set_of(decisions[0]).before, "254:0 rbps=max");
  EXPECT_EQ(decisions[0].policy, "high");
  EXPECT_EQ(set_of(decisions[1]).value, "254:0 wiops=500");
  EXPECT_EQ(set_of(decisions[2]).file, "io.weight");
  EXPECT_EQ(set_of(decisions[2]).value, "254:0 50");
  obey(decisions);
  model::IoMax line{254,
                    0,
                    Bound<std::uint64_t>(10485760),
                    Bound<std::uint64_t>::max(),
                    Bound<std::uint64_t>::max(),
                    Bound<std::uint64_t>(500)};
  sample_.limits.io_max = {line};
  sample_.limits.io_weight->devices = {{{254, 0}, 50}};
  EXPECT_TRUE(step().empty());

  const std::string saved = engine_.save();
  line.write_iops = Bound<std::uint64_t>::max();
  sample_.limits.io_max = {line};
  decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(decisions[0].cause, Cause::kDrift);
  EXPECT_EQ(set_of(decisions[0]).value, "254:0 wiops=500");

  engine_ = Engine(EngineOptions{});
  ASSERT_TRUE(engine_.restore(saved));
  decisions = step();
  ASSERT_EQ(decisions.size(), 2U) << "wiops is what it was before already";
  EXPECT_EQ(set_of(decisions[0]).value, "254:0 rbps=max");
  EXPECT_EQ(set_of(decisions[1]).value, "254:0 default");
}

TEST_F(EngineTest, ADiskThatIsNotThereIsRefusedWithItsReason) {
  sample_.limits.io_max.emplace();
  use(policy("  limits: {io: [{device: /srv, read_bps: 1MiB}]}\n"));
  engine_.use_devices({{"/srv", {"", "/srv is on tmpfs, which has no disk of its own"}}});
  const auto decisions = step();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(decisions[0].refusal, "/srv is on tmpfs, which has no disk of its own");
}

}  // namespace
}  // namespace plimsoll::policies
