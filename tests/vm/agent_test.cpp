// The agent as a whole on a real kernel: launched, watched, held, told. Run in the guest from the project's
// root, with plimsoll and plimsoll-runtime beside this executable.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>

#include "tests/promtool.h"
#include "tests/vm/agent_fixture.h"

namespace plimsoll {
namespace {

std::string limits(const std::string& name, const std::string& select, const std::string& spec,
                   const std::string& more = "") {
  return "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: " + name + "}\nspec:\n  select: {" +
         select + "}\n" + more + (spec.empty() ? "" : "  limits: {" + spec + "}\n");
}

TEST_F(WholeAgentVm, MemoryHogIsKilledAtItsLineAndCountedOnce) {
  policy("hog", limits("hog", "names: [hog]", "memory: {max: 32MiB, swap: 0}"));
  ASSERT_TRUE(until([&] { return get("/plimsoll/v1/policies")["policies"].size() == 1; }));
  // Two seconds of peace, so that the limit is there before it is needed; and it lives on as a shell.
  run("--name hog", "sleep 2; tail /dev/zero; sleep 3; exit 137");
  ASSERT_TRUE(until([&] {
    return metric(R"(plimsoll_workload_oom_events_total{name="hog",image="demo"})") == 1;
  })) << ask("/metrics").text;
  EXPECT_EQ(file("hog", "memory.max"), "33554432");
  EXPECT_LE(std::stoull(file("hog", "memory.peak").empty() ? "0" : file("hog", "memory.peak")), 33'554'432U);
  ASSERT_TRUE(until([&] { return inspect("hog")["State"]["Status"] == "exited"; }));
  EXPECT_EQ(inspect("hog")["State"]["OOMKilled"], true);
  EXPECT_EQ(inspect("hog")["State"]["ExitCode"], 137);
  // Once it is gone it is not counted again.
  EXPECT_EQ(metric(R"(plimsoll_workload_oom_events_total{name="hog",image="demo"})"), 1);
}

TEST_F(AgentVm, CpuHogUsesHalfACore) {
  policy("half", limits("half", "labels: {app: burner}", "cpu: {max: 0.5}"));
  run("--name burner --label app=burner", "for core in 1 2 3; do while :; do :; done & done; wait");
  ASSERT_TRUE(until([&] { return file("burner", "cpu.max") == "50000 100000"; }));
  const fs::path stat = cgroup("burner") / "cpu.stat";
  const auto began = std::chrono::steady_clock::now();
  const std::uint64_t before = field(stat, "usage_usec");
  std::this_thread::sleep_for(20s);  // the time over which it is measured
  const std::uint64_t after = field(stat, "usage_usec");
  const std::chrono::duration<double, std::micro> wall = std::chrono::steady_clock::now() - began;
  EXPECT_NEAR(static_cast<double>(after - before) / wall.count(), 0.5, 0.025);
  const json told = row("burner");
  EXPECT_EQ(told["cpu_limit"], 0.5);
  EXPECT_GT(field(stat, "nr_throttled"), 0U);
}

TEST_F(AgentVm, RuleSetsMemoryHighAndUntilPutsItBack) {
  policy("squeeze", limits("squeeze", "names: [grower]", "memory: {max: 64MiB, swap: 0}",
                           "  rules:\n    - name: squeeze\n      when: memory.usage > 60% of memory.max\n"
                           "      then: [{set: {memory.high: 90% of memory.max}}]\n"
                           "      until: memory.usage < 30% of memory.max\n"));
  // 45 MiB of a tmpfs, until it is told to let go of them.
  run("--name grower --tmpfs /tmp",
      "dd if=/dev/zero of=/tmp/fill bs=1M count=45; while [ ! -e /tmp/free ]; do sleep 0.1; done; "
      "rm /tmp/fill; sleep 1000");
  ASSERT_TRUE(until([&] { return file("grower", "memory.high") == "60395520"; }))
      << file("grower", "memory.current");
  const Answer freed = sh("exec grower touch /tmp/free");
  ASSERT_EQ(freed.status, 0) << freed.text;
  ASSERT_TRUE(until([&] { return file("grower", "memory.high") == "max"; }))
      << file("grower", "memory.current");
  // The file is written before the decision is recorded.
  ASSERT_TRUE(until([&] { return decisions("policy=squeeze").size() >= 4; }));
  std::vector<std::string> told;
  for (const json& one : decisions("policy=squeeze")) {
    if (one["rule"] == "squeeze")
      told.push_back(one["cause"].get<std::string>() + " " + one["after"].get<std::string>());
  }
  EXPECT_EQ(told, (std::vector<std::string>{"rule 60395520", "until max"}));
}

TEST_F(AgentVm, DriftIsCorrectedWithinASecondAndCounted) {
  policy("line", limits("line", "names: [still]", "memory: {max: 64MiB}"));
  run("--name still", "sleep 1000");
  ASSERT_TRUE(until([&] { return file("still", "memory.max") == "67108864"; }));
  const fs::path max = cgroup("still") / "memory.max";
  const auto count = [] {
    std::size_t drifts = 0;
    for (const json& one : decisions("policy=line"))
      drifts += one["cause"] == "drift" && one["outcome"] == "done" ? 1 : 0;
    return drifts;
  };
  // Each correction is timed from the write of somebody else to the moment that the file is right again.
  for (std::size_t round = 1; round <= 5; ++round) {
    const auto began = std::chrono::steady_clock::now();
    std::ofstream(max) << "134217728";
    ASSERT_TRUE(until([&] { return read_text(max) == "67108864"; }));
    const auto took = std::chrono::steady_clock::now() - began;
    EXPECT_LT(took, 1s);
    ASSERT_TRUE(until([&] { return count() == round; })) << count();
  }
  EXPECT_EQ(metric(R"(plimsoll_decisions_total{policy="line",rule="limits",action="set",outcome="done"})"),
            6);
}

TEST_F(AgentVm, AuditTouchesNothing) {
  policy("would", limits("would", "names: [watched]",
                         "memory: {max: 48MiB, swap: 0}, cpu: {max: 0.25, weight: 20}, pids: {max: 50}",
                         "  mode: audit\n  rules:\n    - name: stop\n      when: memory.usage > 0\n"
                         "      then: [{set: {memory.high: 1MiB}}, {freeze: 1s}, {kill: {signal: KILL}}]\n"));
  run("--name watched", "sleep 1000");
  const std::array<const char*, 6> files = {"memory.max", "memory.high", "cpu.max",
                                            "cpu.weight", "pids.max",    "cgroup.freeze"};
  ASSERT_TRUE(until([&] {
    std::set<std::string> actions;
    for (const json& one : decisions("policy=would")) actions.insert(one["action"].get<std::string>());
    return actions.contains("set") && actions.contains("kill");
  }));
  const std::array<const char*, 6> untouched = {"max", "max", "max 100000", "100", "max", "0"};
  for (std::size_t i = 0; i < files.size(); ++i)
    EXPECT_EQ(file("watched", files[i]), untouched[i]) << files[i];
  EXPECT_EQ(inspect("watched")["State"]["Running"], true);
  for (const json& one : decisions("policy=would")) EXPECT_EQ(one["outcome"], "audited") << one;
}

TEST_F(AgentVm, PoliciesAreFollowedLiveAndABadOneIsRefusedWhole) {
  run("--name one", "sleep 1000");
  policy("first", limits("first", "names: [one]", "pids: {max: 77}"));
  ASSERT_TRUE(until([&] { return file("one", "pids.max") == "77"; }));
  put("second", "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: second}\nspec:\n  limitz: {}\n");
  ASSERT_TRUE(until([&] { return metric("plimsoll_policy_load_errors").value_or(0) > 0; }));
  const json told = get("/plimsoll/v1/policies");
  EXPECT_EQ(told["policies"].size(), 1U);
  ASSERT_FALSE(told["diagnostics"].empty());
  EXPECT_EQ(told["diagnostics"][0]["line"], 5);
  EXPECT_EQ(file("one", "pids.max"), "77");
  const Answer doctor = sh("doctor");
  EXPECT_EQ(doctor.status, 1);
  EXPECT_NE(doctor.text.find("second.yaml:5:3"), std::string::npos) << doctor.text;
  fs::remove(std::string(GuestAgent::kPolicies) + "/second.yaml");
  ASSERT_TRUE(until([&] { return metric("plimsoll_policy_load_errors") == 0; }));
  // What a policy set is put back when it goes.
  fs::remove(std::string(GuestAgent::kPolicies) + "/first.yaml");
  ASSERT_TRUE(until([&] { return file("one", "pids.max") == "max"; }));
}

TEST_F(AgentVm, WhatWasSetIsPutBackEvenByTheNextAgent) {
  policy("line", limits("line", "names: [kept]", "pids: {max: 88}, memory: {max: 96MiB}"));
  run("--name kept --pids-limit 400", "sleep 1000");
  ASSERT_TRUE(
      until([&] { return file("kept", "pids.max") == "88" && file("kept", "memory.max") == "100663296"; }));
  const fs::path folder = cgroup("kept");
  agent_.kill();
  fs::remove(std::string(GuestAgent::kPolicies) + "/line.yaml");
  EXPECT_EQ(read_text(folder / "pids.max"), "88");
  start_agent();
  EXPECT_TRUE(until([&] { return file("kept", "pids.max") == "400" && file("kept", "memory.max") == "max"; }))
      << file("kept", "pids.max") << " " << file("kept", "memory.max");
}

TEST_F(AgentVm, ExplainListAndDecisionsTellTheSame) {
  policy("web",
         limits("web", "labels: {app: web}", "memory: {max: 64MiB}",
                "  rules:\n    - name: waits\n      when: cpu.wait > 1\n      then: [{notify: waits}]\n"));
  run("--name page --label app=web", "sleep 1000");
  ASSERT_TRUE(until([&] { return file("page", "memory.max") == "67108864"; }));
  const Answer explained = sh("policy explain page");
  EXPECT_EQ(explained.status, 0) << explained.text;
  EXPECT_NE(explained.text.find("web"), std::string::npos) << explained.text;
  EXPECT_NE(explained.text.find("64MiB"), std::string::npos) << explained.text;
  EXPECT_NE(
      explained.text.find("The BPF probe sched, which counts cpu.wait, is not up: the agent was told to "
                          "do without all probes.\n"),
      std::string::npos)
      << explained.text;
  const Answer listed = sh("policy list");
  EXPECT_EQ(listed.status, 0) << listed.text;
  EXPECT_NE(listed.text.find("web"), std::string::npos) << listed.text;
  const Answer told = sh("decisions --container page");
  EXPECT_NE(told.text.find("web/limits"), std::string::npos) << told.text;
  const Answer nobody = sh("policy explain nobody");
  EXPECT_EQ(nobody.status, 1);
  EXPECT_EQ(nobody.text, "plimsoll: No such running container: nobody\n");
  EXPECT_EQ(sh("oom page").status, 0);
  const Answer unkilled = sh("oom nobody");
  EXPECT_EQ(unkilled.status, 1);
  EXPECT_EQ(unkilled.text, "plimsoll: No such OOM kill or container: nobody\n");
  const Answer screen = sh("top --once");
  EXPECT_NE(screen.text.find("page"), std::string::npos) << screen.text;
}

TEST_F(AgentVm, PauseStopsAllEnforcement) {
  run("--name free", "sleep 1000");
  ASSERT_EQ(sh("pause").status, 0);
  policy("late", limits("late", "names: [free]", "pids: {max: 99}"));
  ASSERT_TRUE(until([&] { return get("/plimsoll/v1/policies")["policies"].size() == 1; }));
  const auto sampled = [] { return metric("plimsoll_agent_sample_duration_seconds_count").value_or(0); };
  const double now = sampled();
  ASSERT_TRUE(until([&] { return sampled() >= now + 3; }));
  EXPECT_EQ(file("free", "pids.max"), "max");
  ASSERT_EQ(sh("pause --resume").status, 0);
  EXPECT_TRUE(until([&] { return file("free", "pids.max") == "99"; }));
}

TEST_F(WholeAgentVm, ScrapeIsCleanAndGzippedWhenAsked) {
  run("--name seen --label app=seen", "sleep 1000");
  ASSERT_TRUE(until([&] { return !row("seen").is_null(); }));
  // Any user with cgroups of his own may name one so.
  const fs::path odd = "/sys/fs/cgroup/system.slice/\xFF.service";
  fs::create_directories(odd);
  ASSERT_TRUE(until([&] {
    return ask("/metrics", GuestAgent::kListen).text.find("\xEF\xBF\xBD.service") != std::string::npos;
  }));
  const Answer plain = ask("/metrics", GuestAgent::kListen);
  fs::remove(odd);
  EXPECT_NE(plain.text.find("container_memory_working_set_bytes{id=\"/plimsoll/"), std::string::npos);
  EXPECT_NE(plain.text.find("plimsoll_container_info{"), std::string::npos);
  EXPECT_THAT(promtool_findings(plain.text).unexpected, testing::IsEmpty());
  EXPECT_EQ(std::system("curl -sS -H 'Accept-Encoding: gzip' http://127.0.0.1:9876/metrics | gzip -dc | "
                        "grep -q '^plimsoll_agent_watched_containers '"),
            0);
  // Only reading is public, and only what is meant for it.
  EXPECT_EQ(ask("/containers/json", GuestAgent::kListen).status, 404);
  EXPECT_EQ(ask("/plimsoll/v1/health", GuestAgent::kListen).status, 200);
  EXPECT_EQ(ask("/plimsoll/v1/decisions?follow=1", GuestAgent::kListen).status, 501);
}

// The state of a moment that has passed, and a line for each of its containers.
TEST_F(AgentVm, WhatWasRecordedIsShownAndExported) {
  run("--name past --memory 64m", "sleep 1000");
  ASSERT_TRUE(until([&] { return sh("top --once").text.find("past") != std::string::npos; }));
  const std::string id = inspect("past")["Id"];
  ASSERT_TRUE(
      until([&] { return sh("export past").text.find("\"kind\":\"container\"") != std::string::npos; }));
  const Answer lines = sh("export past");
  const json last = json::parse(lines.text.substr(lines.text.rfind('\n', lines.text.size() - 2) + 1));
  EXPECT_EQ(last["container"]["id"], id);
  ASSERT_EQ(sh("rm -f past").status, 0);
  ASSERT_TRUE(until([&] { return sh("top --once").text.find("past") == std::string::npos; }));
  const Answer then = sh("top --once --at '" + last["when"].get<std::string>() + "'");
  EXPECT_NE(then.text.find("past"), std::string::npos) << then.text;
  EXPECT_NE(then.text.find("64MiB"), std::string::npos) << then.text;
  EXPECT_NE(then.text.find("recorded at "), std::string::npos) << then.text;
  const Answer never = sh("top --once --at '1000 weeks ago'");
  EXPECT_EQ(never.status, 1);
  EXPECT_NE(never.text.find("nothing was recorded until then"), std::string::npos) << never.text;
}

// What the policies in force decided is decided again by a replay of what was recorded; others decide
// otherwise.
TEST_F(AgentVm, AReplayDecidesAgainWhatWasDecided) {
  const auto squeeze = [](const std::string& line) {
    return limits("squeeze", "names: [grower]", "memory: {max: 64MiB, swap: 0}",
                  "  rules:\n    - name: squeeze\n      when: memory.usage > " + line +
                      " of memory.max\n"
                      "      then: [{set: {memory.high: 90% of memory.max}}, {notify: squeezed}]\n"
                      "      until: memory.usage < 30% of memory.max\n");
  };
  policy("squeeze", squeeze("60%"));
  run("--name grower --tmpfs /tmp",
      "dd if=/dev/zero of=/tmp/fill bs=1M count=45; while [ ! -e /tmp/free ]; do sleep 0.1; done; "
      "rm /tmp/fill; sleep 1000");
  ASSERT_TRUE(until([&] { return file("grower", "memory.high") == "60395520"; }));
  ASSERT_EQ(sh("exec grower touch /tmp/free").status, 0);
  // Other tests had containers and policies of these names.
  const std::string id = inspect("grower")["Id"];
  const auto of_this = [&](const auto& list) {
    return static_cast<std::size_t>(
        std::ranges::count_if(list, [&](const json& one) { return one["container_id"] == id; }));
  };
  ASSERT_TRUE(until([&] { return of_this(decisions("policy=squeeze")) >= 5; }));
  const std::size_t live = of_this(decisions("policy=squeeze"));
  const auto replayed = [&](const std::string& file) {
    return json::parse(sh("policy test --history 10m --format json " + file).text, nullptr, false);
  };
  json again;
  // What was last decided becomes durable some seconds later.
  ASSERT_TRUE(until([&] {
    again = replayed(std::string(GuestAgent::kPolicies) + "/squeeze.yaml");
    return again.is_object() && of_this(again["decisions"]) >= live;
  })) << again.dump(1);
  EXPECT_EQ(of_this(again["decisions"]), live) << again.dump(1);
  for (const json& one : again["decisions"])
    EXPECT_TRUE(one["container_id"] != id || one["as_then"] == true) << one;
  std::ofstream("/tmp/never.yaml") << squeeze("99%");
  const json never = replayed("/tmp/never.yaml");
  for (const json& one : never["decisions"]) EXPECT_NE(one["rule"], "squeeze") << one;
  const Answer denied = sh("policy test --history 10m --deny notify " + std::string(GuestAgent::kPolicies));
  EXPECT_EQ(denied.status, 3) << denied.text;
  EXPECT_NE(denied.text.find("denied, and would have happened: notify"), std::string::npos) << denied.text;
  const Answer nothing = sh("policy test --history '2 weeks ago..1 week ago' /tmp/never.yaml");
  EXPECT_EQ(nothing.status, 1);
  EXPECT_NE(nothing.text.find("nothing was recorded then"), std::string::npos) << nothing.text;
}

// What a killed agent had recorded is there, and the next one goes on.
TEST_F(AgentVm, HistoryOutlivesTheAgent) {
  run("--name kept", "sleep 1000");
  ASSERT_TRUE(
      until([&] { return sh("export kept").text.find("\"kind\":\"container\"") != std::string::npos; }));
  const std::string before = sh("export kept").text;
  agent_.kill();
  start_agent();
  const std::string after = sh("export kept").text;
  EXPECT_EQ(after.substr(0, before.size()), before);
  ASSERT_TRUE(until([&] { return sh("export kept").text.size() > after.size(); }));
}

TEST_F(AgentVm, ASecondAgentOnTheSameStateLeaves) {
  const Answer second = sh("agent --run /run/other --listen ''");
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.text.find(GuestAgent::kState), std::string::npos) << second.text;
  EXPECT_NE(second.text.find("another agent"), std::string::npos) << second.text;
}

TEST_F(WholeAgentVm, WhatEndsWhileNoAgentRunsIsExportedAsEnded) {
  run("--name away --tmpfs /tmp",
      "while [ ! -e /tmp/end ]; do sleep 0.1; done; n=0; "
      "while [ $n -lt 20000 ]; do n=$((n+1)); done; exit 9");
  ASSERT_TRUE(until([&] { return !row("away").is_null(); }));
  const fs::path folder = cgroup("away");
  const int pid = inspect("away")["State"]["Pid"].get<int>();
  agent_.kill();
  std::ofstream("/proc/" + std::to_string(pid) + "/root/tmp/end") << "";
  ASSERT_TRUE(until([&] { return !fs::exists(folder); }));
  start_agent();
  const json state = inspect("away");
  EXPECT_EQ(state["State"]["ExitCode"], 9);
  const std::string id = state["Id"];
  ASSERT_TRUE(until([&] { return metric_of("plimsoll_container_exit_code", id).has_value(); }));
  EXPECT_EQ(metric_of("plimsoll_container_exit_code", id), 9);
  const double used = state["LastUsage"]["CpuUsageUsec"].get<double>() / 1e6;
  EXPECT_GT(used, 0);
  EXPECT_NEAR(metric_of("plimsoll_ended_cpu_usage_seconds_total", id).value_or(0), used, 1e-6);
}

TEST_F(AgentVm, TwentyKillsOfTheAgentLoseNothing) {
  constexpr int kContainers = 10;
  policy("all", limits("all", "labels: {app: worker}", "pids: {max: 64}"));
  for (int i = 0; i < kContainers; ++i) {
    // The last two end by themselves while kills go on; the others linger, so that the exec that ends them
    // ends first.
    const std::string script =
        i < 8 ? "n=0; while [ ! -e /tmp/end ]; do echo line $n; n=$((n+1)); sleep 0.2; done; sleep 3; exit " +
                    std::to_string(20 + i)
              : "n=0; while [ $n -lt 40 ]; do echo line $n; n=$((n+1)); sleep 0.2; done; exit " +
                    std::to_string(20 + i);
    run("--name w" + std::to_string(i) + " --label app=worker --tmpfs /tmp", script);
  }
  std::mt19937 random(20'261'124);  // the same moments each time, as far as a guest allows
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(
        std::chrono::milliseconds(random() % 1500));  // a random moment is what is tested
    agent_.kill();
    start_agent();
  }
  for (int i = 0; i < 8; ++i) {
    const std::string name = "w" + std::to_string(i);
    EXPECT_EQ(inspect(name)["State"]["Running"], true) << name;
    EXPECT_EQ(file(name, "pids.max"), "64") << name;
    ASSERT_EQ(sh("exec " + name + " touch /tmp/end").status, 0);
  }
  for (int i = 0; i < kContainers; ++i) {
    const std::string name = "w" + std::to_string(i);
    ASSERT_TRUE(until([&] { return inspect(name)["State"]["Status"] == "exited"; })) << name;
    EXPECT_EQ(inspect(name)["State"]["ExitCode"], 20 + i) << name;
    EXPECT_EQ(inspect(name)["State"]["OOMKilled"], false);
    // Lines are numbered from 0 without a gap.
    const std::string text = sh("logs " + name).text;
    std::size_t at = 0;
    int lines = 0;
    for (; at < text.size(); ++lines) {
      const auto end = text.find('\n', at);
      ASSERT_EQ(text.substr(at, end - at), "line " + std::to_string(lines)) << name;
      at = end + 1;
    }
    EXPECT_GE(lines, i < 8 ? 1 : 40) << name;
  }
}

}  // namespace
}  // namespace plimsoll
