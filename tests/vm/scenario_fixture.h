// The policies of the library as they are shipped, each beside the trouble it is for.
#pragma once

#include <list>

#include "tests/vm/agent_fixture.h"
#include "tests/vm/scenario_workers.h"

namespace plimsoll {

using vm_test::Worker;

class ScenarioVm : public AgentVm {
 protected:
  using AgentVm::AgentVm;
  void TearDown() override {
    workers_.clear();
    AgentVm::TearDown();
  }

  static void use(const std::string& name) {
    policy(name, read_text(PLIMSOLL_SOURCE_DIR "/policies/library/" + name + ".yaml") + "\n");
  }
  // A container that only sleeps, seen by the agent.
  static void idle(const std::string& name, const std::string& flags = "") {
    run("--name " + name + " " + flags, "sleep 100000");
    ASSERT_TRUE(until([&] { return !row(name).is_null(); }));
  }
  Worker& work(const std::string& container, void (*what)(Worker::Shared&)) {
    return workers_.emplace_back(cgroup(container), what);
  }

  static std::string status(const std::string& name) { return inspect(name)["State"]["Status"]; }
  // Decisions of a policy that were carried out, as "CONTAINER RULE ACTION", the oldest first.
  static std::vector<std::string> done(const std::string& policy) {
    std::vector<std::string> rows;
    for (const json& one : decisions("policy=" + policy)) {
      if (one["outcome"] != "done") continue;
      rows.push_back(one["container"].get<std::string>() + " " + one["rule"].get<std::string>() + " " +
                     one["action"].get<std::string>());
    }
    return rows;
  }
  static bool did(const std::string& policy, const std::string& what) {
    return until([&] {
      const auto rows = done(policy);
      return std::ranges::find(rows, what) != rows.end();
    });
  }
  // What plimsoll ps takes to answer, in ms.
  static double ps() {
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(sh("ps").status, 0);
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
  }
  static std::uint64_t memory_of(const std::string& name) {
    return std::stoull(file(name, "memory.current"));
  }

  std::list<Worker> workers_;
};

}  // namespace plimsoll
