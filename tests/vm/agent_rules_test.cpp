// Rules to their end on a real kernel: freeze, notify, kill, priority, cooldown, and the host's own policy.

#include "tests/vm/agent_fixture.h"

namespace plimsoll {
namespace {

class RulesVm : public AgentVm {
 protected:
  using AgentVm::AgentVm;
  static std::string document(const std::string& kind, const std::string& name, const std::string& spec) {
    return "apiVersion: plimsoll/v1\nkind: " + kind + "\nmetadata: {name: " + name + "}\nspec:\n" + spec;
  }
  // A container of that many processes beside its first, which ends at SIGTERM or does not.
  static void crowd(const std::string& flags, int count, const std::string& on_term = "exit 0") {
    run(flags, "trap \"" + on_term + "\" TERM; for i in $(seq " + std::to_string(count) +
                   "); do sleep 1000 & done; while :; do wait; done");
  }
  // "CAUSE ACTION OUTCOME" of each decision of a policy, the oldest first.
  static std::vector<std::string> told(const std::string& policy) {
    std::vector<std::string> rows;
    for (const json& one : decisions("policy=" + policy)) {
      rows.push_back(one["cause"].get<std::string>() + " " + one["action"].get<std::string>() + " " +
                     one["outcome"].get<std::string>());
    }
    return rows;
  }
  static bool sampled_again(int times) {
    const auto count = [] { return metric("plimsoll_agent_sample_duration_seconds_count").value_or(0); };
    const double now = count();
    return until([&] { return count() >= now + times; });
  }
};

class WholeRulesVm : public RulesVm {
 protected:
  WholeRulesVm() : RulesVm(GuestAgent::With::kProbes) {}
};

TEST_F(WholeRulesVm, FreezesForItsTimeTellsAndCoolsDown) {
  policy("calm",
         document("Policy", "calm",
                  "  select: {names: [crowd]}\n  rules:\n    - name: calm\n      when: pids.count > 5\n"
                  "      then:\n        - notify: \"{{container.name}} has {{pids.count}}\"\n"
                  "        - freeze: 5s\n      cooldown: 1h\n"));
  crowd("--name crowd", 8);
  const fs::path events = cgroup("crowd") / "cgroup.events";
  ASSERT_TRUE(until([&] { return field(events, "frozen") == 1; }));
  ASSERT_TRUE(until([&] { return field(events, "frozen") == 0; }));
  ASSERT_TRUE(sampled_again(3));
  const auto rows = decisions("policy=calm");
  ASSERT_GE(rows.size(), 3U);
  EXPECT_EQ(rows[0]["action"], "notify");
  EXPECT_EQ(rows[0]["detail"], "crowd has 9");
  EXPECT_EQ(rows[1]["action"], "freeze");
  EXPECT_EQ(rows[2]["action"], "thaw");
  EXPECT_EQ(rows.size(), 3U) << "the cooldown does not hold";
  EXPECT_EQ(inspect("crowd")["State"]["Status"], "running");
}

TEST_F(RulesVm, KillsWhatDoesNotHearSigterm) {
  policy("ender",
         document("Policy", "ender",
                  "  select: {names: [deaf]}\n  rules:\n    - name: end\n      when: pids.count > 5\n"
                  "      then: [{kill: {signal: TERM, grace: 1s}}]\n"));
  crowd("--name deaf", 8, ":");
  ASSERT_TRUE(until([&] { return inspect("deaf")["State"]["Status"] == "exited"; }));
  EXPECT_EQ(inspect("deaf")["State"]["ExitCode"], 137);
  ASSERT_TRUE(until([&] { return !told("ender").empty(); }));
  EXPECT_EQ(told("ender").front(), "rule kill done");
}

TEST_F(RulesVm, TheHigherPriorityHoldsAndTheLowerFollowsIt) {
  policy("low", document("Policy", "low",
                         "  priority: 10\n  select: {names: [both]}\n  limits: {pids: {max: 77}}\n"));
  policy("high", document("Policy", "high",
                          "  priority: 20\n  select: {names: [both]}\n  limits: {pids: {max: 55}}\n"));
  run("--name both", "sleep 1000");
  ASSERT_TRUE(until([&] { return file("both", "pids.max") == "55"; }));
  fs::remove(std::string(GuestAgent::kPolicies) + "/high.yaml");
  EXPECT_TRUE(until([&] { return file("both", "pids.max") == "77"; }));
}

TEST_F(RulesVm, TheHostsPolicyChoosesItsVictim) {
  crowd("--name small --label tier=batch", 2);
  crowd("--name large --label tier=batch", 6);
  crowd("--name other", 9);
  ASSERT_TRUE(
      until([&] { return !row("small").is_null() && !row("large").is_null() && !row("other").is_null(); }));
  ASSERT_TRUE(sampled_again(2));
  policy("guard", document("HostPolicy", "guard",
                           "  rules:\n    - name: shed\n      when: host.memory.available < 100% of "
                           "host.memory.total\n      then:\n        - kill: {victim: {among: {labels: {tier: "
                           "batch}}, most: pids.count}, grace: 2s}\n      cooldown: 1h\n"));
  ASSERT_TRUE(until([&] { return inspect("large")["State"]["Status"] == "exited"; }));
  ASSERT_TRUE(sampled_again(2));
  EXPECT_EQ(inspect("small")["State"]["Status"], "running");
  EXPECT_EQ(inspect("other")["State"]["Status"], "running");
  ASSERT_TRUE(until([&] { return !decisions("policy=guard").empty(); }));
  EXPECT_EQ(decisions("policy=guard").front()["container"], "large");
}

}  // namespace
}  // namespace plimsoll
