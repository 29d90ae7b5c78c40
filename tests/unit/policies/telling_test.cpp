// What targets are told of, and that it is over: once each, whatever ends it.
#include <gtest/gtest.h>

#include "policies/engine.h"
#include "policies/render.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;

constexpr const char* kTargets = R"(apiVersion: plimsoll/v1
kind: NotifyTarget
metadata: {name: oncall}
spec: {webhook: {url: "http://hooks.example.com/secret"}}
---
apiVersion: plimsoll/v1
kind: NotifyTarget
metadata: {name: ops}
spec: {alertmanager: {url: "http://am:9093"}}
---
)";

std::shared_ptr<const PolicySet> load(const std::string& documents) {
  const LoadOutcome outcome = load_texts({{"test.yaml", kTargets + documents}});
  for (const Diagnostic& one : outcome.diagnostics) ADD_FAILURE() << to_string(one);
  return outcome.set;
}

std::string policy(const std::string& rule, const std::string& mode = "enforce") {
  return "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  mode: " + mode +
         "\n  select: {names: x}\n  rules:\n    - name: r\n      when: memory.usage > 80MiB\n" + rule;
}
const std::string kUntil =
    "      then: [{notify: {text: \"{{container.name}} at {{memory.usage}}\", to: [oncall, ops], severity: "
    "critical}}]\n      until: memory.usage < 60MiB\n";
const std::string kPlain = "      then: [{notify: {text: much, to: oncall}}]\n";

class TellingTest : public testing::Test {
 protected:
  TellingTest() {
    ref_.id = {7};
    ref_.cgroup = "/plimsoll/x";
    ref_.runtime = model::Runtime::kPlimsoll;
    ref_.container_id = "abc";
    ref_.name = "x";
  }
  void use(const std::string& text) { engine_.use(load(text)); }
  // The notifications of one second with that much memory in use, as records say them.
  std::vector<std::string> step(std::uint64_t mebibytes, bool alive = true) {
    now_ = now_ + 1s;
    model::Snapshot snapshot;
    snapshot.boot = snapshot.host.taken = now_;
    snapshot.host.memory_total = {1ULL << 30};
    snapshot.host.memory_available = {(1ULL << 30) - (mebibytes << 20)};
    model::Sample sample;
    sample.taken = now_;
    sample.memory.current = Bytes{mebibytes << 20};
    if (alive) snapshot.containers.push_back({std::make_shared<model::ContainerRef>(ref_), sample});
    std::vector<std::string> said;
    for (const model::Decision& one : engine_.evaluate(snapshot, {})) {
      last_ = one;
      said.push_back(std::string(to_string(one.cause)) + ": " +
                     words_of(std::get<model::Notify>(one.action)));
    }
    return said;
  }
  // As an agent does that is killed and begun again.
  void restart(const std::string& text) {
    const std::string saved = engine_.save();
    engine_ = Engine(EngineOptions{});
    use(text);
    ASSERT_TRUE(engine_.restore(saved));
  }

  using Said = std::vector<std::string>;
  const Said nothing_;
  const Said fired_ = {"rule: x at 90MiB (to oncall, ops)"};
  const Said over_ = {"until: resolved: x at 90MiB (to oncall, ops)"};
  model::ContainerRef ref_;
  Engine engine_{EngineOptions{}};
  BootTime now_{1s};
  model::Decision last_;
};

TEST_F(TellingTest, ThatARuleHasEndedIsToldOnce) {
  use(policy(kUntil));
  EXPECT_EQ(step(50), nothing_);
  EXPECT_EQ(step(90), fired_);
  EXPECT_EQ(std::get<model::Notify>(last_.action).severity, model::Severity::kCritical);
  EXPECT_EQ(engine_.alerts(), (std::set<Engine::Alert>{{"p", "r", "/plimsoll/x"}}));
  EXPECT_EQ(step(90), nothing_);
  EXPECT_EQ(step(50), over_);
  EXPECT_EQ(last_.seen, (decltype(last_.seen){{"memory.usage", "90MiB"}}));
  EXPECT_EQ(step(50), nothing_);
  EXPECT_TRUE(engine_.alerts().empty());
}

TEST_F(TellingTest, ExplainNamesWhoIsTold) {
  use(policy(kUntil));
  EXPECT_EQ(step(50), nothing_);
  EXPECT_NE(explain_text(engine_.explain(ref_)).find("\n  notifies oncall and ops\n"), std::string::npos);
  EXPECT_EQ(step(90), fired_);
  EXPECT_NE(explain_text(engine_.explain(ref_)).find("ops: told, and not yet that it is over\n"),
            std::string::npos);
  EXPECT_NE(explain_json(engine_.explain(ref_)).find(R"("notifies":["oncall","ops"],"told":true)"),
            std::string::npos);
}

TEST_F(TellingTest, ListAndCheckKnowTargetsAndNoSecrets) {
  const LoadOutcome loaded = load_texts({{"a.yaml", kTargets + policy(kUntil)}});
  EXPECT_EQ(check_text(loaded), "1 policy, 2 targets, 0 warnings\n");
  EXPECT_EQ(targets_text(*loaded.set),
            "\nTARGET  KIND          WHERE                     FILE\n"
            "oncall  webhook       http://hooks.example.com  a.yaml:1\n"
            "ops     alertmanager  http://am:9093            a.yaml:6\n");
  EXPECT_EQ(targets_json(*loaded.set).find("secret"), std::string::npos);
}

TEST_F(TellingTest, WithoutATargetNobodyWaitsForTheEnd) {
  use(policy("      then: [{notify: much}]\n      until: memory.usage < 60MiB\n"));
  EXPECT_EQ(step(90), (Said{"rule: much"}));
  EXPECT_EQ(step(50), nothing_);
}

TEST_F(TellingTest, WithoutUntilItIsOverWhenTheConditionIsFalse) {
  use(policy(kPlain));
  EXPECT_EQ(step(90), (Said{"rule: much (to oncall)"}));
  EXPECT_EQ(step(90), nothing_);
  EXPECT_EQ(step(50), (Said{"until: resolved: much (to oncall)"}));
}

// A cooldown ends the rule at once, but what it told of goes on.
TEST_F(TellingTest, ACooldownIsNotTheEnd) {
  use(policy(kPlain + "      cooldown: 3s\n"));
  EXPECT_EQ(step(90), (Said{"rule: much (to oncall)"}));
  EXPECT_EQ(step(90), nothing_);
  EXPECT_EQ(step(90), nothing_);
  EXPECT_EQ(step(90), nothing_);
  EXPECT_EQ(step(90), (Said{"rule: much (to oncall)"})) << "again after the cooldown";
  EXPECT_EQ(step(50), (Said{"until: resolved: much (to oncall)"}));
  EXPECT_EQ(step(50), nothing_);
}

TEST_F(TellingTest, ALadderEndsForAllWhomItTold) {
  use(policy(
      "      then: [{notify: {text: a, to: oncall}}, {wait: 1s}, {notify: {text: b, to: ops, severity: "
      "critical}}]\n      until: memory.usage < 60MiB\n"));
  EXPECT_EQ(step(90), (Said{"rule: a (to oncall)"}));
  EXPECT_EQ(last_.step, 0U);
  EXPECT_EQ(step(90), (Said{"rule: b (to ops)"}));
  EXPECT_EQ(last_.step, 2U);
  EXPECT_EQ(step(50), (Said{"until: resolved: b (to oncall, ops)"}));
}

TEST_F(TellingTest, TheContainersEndIsOne) {
  use(policy(kUntil));
  EXPECT_EQ(step(90), fired_);
  EXPECT_EQ(step(0, false), over_);
  EXPECT_EQ(last_.container->name, "x");
  EXPECT_EQ(step(0, false), nothing_);
}

TEST_F(TellingTest, SoIsThatOfThePolicyOrOfItsText) {
  use(policy(kUntil));
  EXPECT_EQ(step(90), fired_);
  use("");
  EXPECT_EQ(step(90), over_);
  use(policy(kUntil));
  EXPECT_EQ(step(90), fired_);
  use(policy(kPlain));
  EXPECT_EQ(step(90), (Said{"rule: much (to oncall)", over_[0]}));
  use(policy(kPlain, "off"));
  EXPECT_EQ(step(90), (Said{"until: resolved: much (to oncall)"}));
}

TEST_F(TellingTest, ARuleThatIsEditedElsewhereGoesOn) {
  use(policy(kUntil));
  EXPECT_EQ(step(90), fired_);
  use("# a comment\n" + policy(kUntil));
  EXPECT_EQ(step(90), nothing_);
  EXPECT_EQ(step(50), over_);
}

TEST_F(TellingTest, ARestartForgetsNothing) {
  use(policy(kUntil));
  EXPECT_EQ(step(90), fired_);
  restart(policy(kUntil));
  EXPECT_EQ(step(90), nothing_);
  EXPECT_EQ(engine_.alerts().size(), 1U);
  EXPECT_EQ(step(50), over_);
  restart(policy(kUntil));
  EXPECT_EQ(step(50), nothing_);
}

TEST_F(TellingTest, WhatEndedWhileTheAgentWasAwayIsTold) {
  use(policy(kUntil));
  EXPECT_EQ(step(90), fired_);
  restart("");
  EXPECT_EQ(step(90), over_) << "the policy";
  use(policy(kUntil));
  EXPECT_EQ(step(90), fired_);
  restart(policy(kUntil));
  EXPECT_EQ(step(0, false), over_) << "the container";
  EXPECT_EQ(last_.container->cgroup, "/plimsoll/x");
  EXPECT_EQ(last_.container->id.inode, 7U);
}

TEST_F(TellingTest, APauseIsNoEnd) {
  use(policy(kUntil));
  EXPECT_EQ(step(90), fired_);
  engine_.pause(true);
  EXPECT_EQ(step(90), nothing_);
  EXPECT_EQ(step(50), over_) << "nothing is touched by telling";
  EXPECT_EQ(step(90), nothing_);
}

TEST_F(TellingTest, AnAuditSaysWhatWouldHaveBeenTold) {
  use(policy(kUntil, "audit"));
  EXPECT_EQ(step(90), fired_);
  EXPECT_TRUE(last_.audit);
  EXPECT_TRUE(engine_.alerts().empty());
  EXPECT_EQ(step(50), over_);
  EXPECT_TRUE(last_.audit);
}

TEST_F(TellingTest, TheHostsRulesToo) {
  use("apiVersion: plimsoll/v1\nkind: HostPolicy\nmetadata: {name: h}\nspec:\n  rules:\n    - name: r\n"
      "      when: host.memory.available < 944MiB\n" +
      kPlain);
  EXPECT_EQ(step(90), (Said{"rule: much (to oncall)"}));
  EXPECT_EQ(engine_.alerts(), (std::set<Engine::Alert>{{"h", "r", "/"}}));
  EXPECT_EQ(step(50), (Said{"until: resolved: much (to oncall)"}));
  EXPECT_EQ(last_.container->name, "host");
}

}  // namespace
}  // namespace plimsoll::policies
