// What policies do to whole containers, disputes about a limit, and what stays when the agent is ended: on a
// real kernel, by a real agent.

#include "tests/vm/agent_fixture.h"

namespace plimsoll {
namespace {

class ActionsVm : public AgentVm {
 protected:
  // A policy of one rule for the container of the same name.
  static void rule(const std::string& name, const std::string& when, const std::string& then,
                   const std::string& more = "") {
    policy(name, "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: " + name +
                     "}\nspec:\n  select: {names: [" + name + "]}\n  rules:\n    - name: act\n      when: " +
                     when + "\n      then: [" + then + "]\n" + more);
  }
  static std::vector<json> of_now(const std::string& name) {
    std::vector<json> rows;
    const std::string id = inspect(name)["Id"];
    for (json& one : decisions("policy=" + name)) {
      if (one["container_id"] == id) rows.push_back(std::move(one));
    }
    return rows;
  }
};

TEST_F(ActionsVm, StopsForGoodWhatItsRestartPolicyWouldBringBack) {
  run("--name stopped --restart always", "sleep 1000 & sleep 1000 & sleep 1000 & wait");
  rule("stopped", "pids.count > 3", "{stop: {grace: 1s}}");
  ASSERT_TRUE(until([&] { return inspect("stopped")["State"]["Status"] == "exited"; }));
  ASSERT_TRUE(until([&] { return of_now("stopped").size() == 2; }));
  const auto rows = of_now("stopped");
  EXPECT_EQ(rows[0]["action"], "stop");
  EXPECT_EQ(rows[0]["detail"], "begun, grace 1s");
  EXPECT_EQ(rows[1]["outcome"], "done");
  EXPECT_EQ(rows[1]["detail"].get<std::string>().substr(0, 14), "stopped after ");
  EXPECT_EQ(inspect("stopped")["State"]["Status"], "exited");
}

TEST_F(ActionsVm, RestartsAndIsApartFromTheNext) {
  run("--name again", "sleep 1000 & sleep 1000 & sleep 1000 & wait");
  const std::string before = inspect("again")["State"]["StartedAt"];
  rule("again", "pids.count > 3", "{restart: {grace: 0s}}");
  ASSERT_TRUE(until([&] { return inspect("again")["State"]["StartedAt"] != before; }));
  // Its condition holds at once again: the next one is put off, and told.
  const auto put_off = [](const json& one) {
    return one["outcome"] == "refused" &&
           one["detail"].get<std::string>().find("the next is due in") != std::string::npos;
  };
  ASSERT_TRUE(until([&] { return std::ranges::any_of(of_now("again"), put_off); }));
  EXPECT_EQ(inspect("again")["State"]["Status"], "running");
}

TEST_F(ActionsVm, AKilledAgentsStopIsFinishedByTheNext) {
  run("--name deaf", "trap \"\" TERM; touch /tmp/deaf; while :; do sleep 1000; done");
  rule("deaf", "pids.count > 0", "{stop: {grace: 10m}}");
  ASSERT_TRUE(until([&] { return !of_now("deaf").empty(); }));
  agent_.kill();
  start_agent();
  EXPECT_EQ(inspect("deaf")["State"]["Status"], "running");
  // It waits for it again: another stop of the same container has to wait for that one. An end is seen.
  ASSERT_EQ(sh("kill -s KILL deaf").status, 0);
  ASSERT_TRUE(until([&] {
    const auto rows = of_now("deaf");
    return !rows.empty() && rows.back()["detail"].get<std::string>().starts_with("stopped after ");
  }));
}

TEST_F(ActionsVm, EndsThoughAContainerDoesNot) {
  run("--name deaf", "trap \"\" TERM; while :; do sleep 1000; done");
  rule("deaf", "pids.count > 0", "{stop: {grace: 100h}}");
  ASSERT_TRUE(until([&] { return !of_now("deaf").empty(); }));
  agent_.stop();  // waits for its end
  start_agent();
  EXPECT_EQ(inspect("deaf")["State"]["Status"], "running");
}

TEST_F(ActionsVm, ReclaimsWhatIsNotInUse) {
  const CompressedSwap swap;
  run("--name cold --memory 256m", "dd if=/dev/zero of=/cold bs=1M count=64; sleep 1000");
  ASSERT_TRUE(until([&] { return field(cgroup("cold") / "memory.stat", "file") >= (64ULL << 20); }));
  rule("cold", "memory.usage > 60MiB", "{reclaim: 50% of memory.usage}", "      cooldown: 1h\n");
  ASSERT_TRUE(until([&] { return !of_now("cold").empty(); }));
  const json told = of_now("cold").front();
  EXPECT_EQ(told["action"], "reclaim");
  EXPECT_EQ(told["outcome"], "done") << told;
  EXPECT_TRUE(until([&] { return std::stoull(file("cold", "memory.current")) < (50ULL << 20); })) << told;
  GuestAgent::remove_containers();
}

// Somebody else writes the file again and again, as another manager of it would.
TEST_F(ActionsVm, YieldsAfterSoManyCorrections) {
  run("--name disputed", "sleep 1000");
  const fs::path pids = cgroup("disputed") / "pids.max";
  policy("disputed",
         "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: disputed}\nspec:\n  drift: yield after 2\n"
         "  select: {names: [disputed]}\n  limits: {pids: {max: 55}}\n");
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(until([&] { return file("disputed", "pids.max") == "55"; })) << i;
    std::ofstream(pids) << "77";
  }
  ASSERT_TRUE(until([&] { return file("disputed", "pids.max") == "55"; }));
  std::ofstream(pids) << "77";
  ASSERT_TRUE(until([&] {
    const auto rows = of_now("disputed");
    return !rows.empty() && rows.back()["outcome"] == "refused";
  }));
  EXPECT_NE(of_now("disputed").back()["detail"].get<std::string>().find("left to them"), std::string::npos);
  EXPECT_EQ(file("disputed", "pids.max"), "77");
  EXPECT_NE(sh("policy explain disputed").text.find("left to them"), std::string::npos);
}

TEST_F(ActionsVm, WhatPoliciesSetStaysOrIsPutBackWhenTheAgentEnds) {
  run("--name kept --pids-limit 99", "sleep 1000");
  const fs::path folder = cgroup("kept");
  policy("kept",
         "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: kept}\nspec:\n  select: {names: [kept]}\n"
         "  limits: {pids: {max: 55}}\n  rules:\n    - name: still\n      when: pids.count > 0\n      then: "
         "[freeze]\n"
         "      until: pids.count > 1000\n");
  ASSERT_TRUE(until(
      [&] { return file("kept", "pids.max") == "55" && field(folder / "cgroup.events", "frozen") == 1; }));
  const auto pids = [&] {
    std::ifstream in(folder / "pids.max");
    std::string text;
    in >> text;
    return text;
  };
  agent_.stop();
  EXPECT_EQ(pids(), "55");
  agent_.start(with_, {"--on-stop", "put-back"});
  ASSERT_TRUE(until([&] { return !row("kept").is_null(); }));
  EXPECT_EQ(pids(), "55");
  agent_.stop();
  EXPECT_EQ(pids(), "99");
  EXPECT_EQ(field(folder / "cgroup.events", "frozen"), 0);
}

}  // namespace
}  // namespace plimsoll
