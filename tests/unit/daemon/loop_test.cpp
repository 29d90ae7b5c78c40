// The loop over trees of ordinary files: what it keeps for the agent after it. All else needs a kernel:
// tests/vm/agent_test.cpp.
#include "agent/daemon/loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "tests/unit/watch/temporary_tree.h"

namespace plimsoll::daemon {
namespace {

using namespace std::chrono_literals;

const std::string kWeb = "plimsoll/" + std::string(64, 'c');

class TestClock final : public Clock {
 public:
  WallTime wall() const override { return WallTime(now); }
  BootTime boot() const override { return {now}; }
  std::chrono::nanoseconds now = 1h;
};

class LoopTest : public testing::Test {
 protected:
  // One agent, from its start to its death.
  struct Agent {
    explicit Agent(LoopTest& of)
        : watcher(*watch::Watcher::open({.cgroup_mount = of.host_.root() + "/cgroup",
                                         .proc = of.host_.root() + "/proc",
                                         .most_pressure_triggers = 0},
                                        of.clock_, nullptr)),
          executor(of.host_.root() + "/cgroup", of.clock_),
          folder(*PolicyFolder::open(of.host_.root() + "/policies")),
          loop(*Loop::open({.clock = of.clock_,
                            .watcher = *watcher,
                            .engine = engine,
                            .executor = executor,
                            .audit = *of.audit_,
                            .folder = folder,
                            .metrics = metrics,
                            .board = board,
                            .disks = {},
                            .boot_id = of.boot_id_,
                            .tick = 1s})) {}
    std::unique_ptr<watch::Watcher> watcher;
    policies::Engine engine{policies::EngineOptions{}};
    enforce::Executor executor;
    PolicyFolder folder;
    exporters::OwnMetrics metrics;
    Board board;
    std::unique_ptr<Loop> loop;
  };

  LoopTest() {
    host_.put("proc/stat", "cpu  100 0 100 0 0 0 0 0 0 0\ncpu0 100 0 100 0 0 0 0 0 0 0\n");
    host_.put("proc/meminfo",
              "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 500 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
    host_.put("policies/");
    host_.put("cgroup/" + kWeb + "/cpu.stat", "usage_usec 1\nuser_usec 1\nsystem_usec 1\n");
    host_.put("cgroup/" + kWeb + "/memory.current", "4096\n");
    host_.put("cgroup/" + kWeb + "/cgroup.events", "populated 1\nfrozen 0\n");
    audit_ = *enforce::AuditLog::open(host_.root() + "/decisions.db");
  }

  Tree host_;
  TestClock clock_;
  std::string boot_id_ = "one";
  std::unique_ptr<enforce::AuditLog> audit_;
};

TEST_F(LoopTest, APauseHoldsOverARestartAndARebootUntilSomebodyEndsIt) {
  {
    Agent agent(*this);
    EXPECT_FALSE(agent.board.get()->paused);
    agent.loop->pause(true);
    EXPECT_TRUE(agent.board.get()->paused);
  }
  boot_id_ = "two";
  {
    Agent agent(*this);
    EXPECT_TRUE(agent.board.get()->paused);
    agent.loop->pause(false);
  }
  Agent agent(*this);
  EXPECT_FALSE(agent.board.get()->paused);
}

TEST_F(LoopTest, WhatWorkloadsUsedIsGoodOverAReboot) {
  host_.put("policies/a.yaml",
            "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  select: {names: ['*']}\n"
            "  autosize: {memory: {mode: recommend}}\n");
  host_.put("cgroup/" + kWeb + "/memory.stat", "anon 4096\ninactive_file 0\n");
  const auto kept = [&] { return audit_->get_state("sizes")->value_or(""); };
  const int never = ::eventfd(0, EFD_CLOEXEC);
  {
    Agent agent(*this);
    agent.loop->stop();
    ASSERT_TRUE(agent.loop->run(never));
  }
  const std::string first = kept();
  EXPECT_NE(first.find(R"("peak":4096.0)"), std::string::npos) << first;
  boot_id_ = "two";
  host_.put("cgroup/" + kWeb + "/memory.current", "4000\n");
  {
    Agent agent(*this);
    agent.loop->stop();
    ASSERT_TRUE(agent.loop->run(never));
  }
  EXPECT_EQ(kept(), first) << "the same hour, and no higher peak";
  ::close(never);
}

// The tick is a second; 40 ms after it, most of what was left of the host's memory is gone.
TEST_F(LoopTest, AHostThatIsShortOfMemoryIsLookedAtBetweenTicks) {
  host_.put(
      "policies/a.yaml",
      "apiVersion: plimsoll/v1\nkind: HostPolicy\nmetadata: {name: guard}\nspec:\n  rules:\n"
      "    - {name: r, when: host.memory.available < 10% of host.memory.total, then: [notify: short]}\n");
  const auto decided = [&] { return audit_->query({.policy = "guard"})->size(); };
  const int never = ::eventfd(0, EFD_CLOEXEC);
  Agent agent(*this);
  EXPECT_EQ(decided(), 0U);
  host_.put("proc/meminfo",
            "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 90 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
  clock_.now += 40ms;
  agent.loop->stop();
  ASSERT_TRUE(agent.loop->run(never));
  EXPECT_EQ(decided(), 1U);
  ::close(never);
}

// A FIFO in the place of cgroup.freeze holds the freeze up while somebody looks at what is saved.
TEST_F(LoopTest, AFreezeIsSavedBeforeItIsMade) {
  host_.put("policies/a.yaml",
            "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  select: {names: ['*']}\n"
            "  rules: [{name: r, when: memory.usage > 0, then: [freeze: 5s]}]\n");
  const std::string freezer = host_.root() + "/cgroup/" + kWeb + "/cgroup.freeze";
  ASSERT_EQ(::mkfifo(freezer.c_str(), 0600), 0);
  bool saved = false;
  std::string written;
  std::thread reader([&] {
    for (int i = 0; i < 200 && !saved; ++i) {
      const auto state = audit_->get_state("engine");
      saved = state && *state && (*state)->find(R"("freezes":[{)") != std::string::npos;
      if (!saved) std::this_thread::sleep_for(25ms);
    }
    const UniqueFd fifo(::open(freezer.c_str(), O_RDONLY | O_CLOEXEC));
    char byte = 0;
    if (::read(fifo.get(), &byte, 1) == 1) written = byte;
  });
  const Agent agent(*this);
  reader.join();
  EXPECT_TRUE(saved);
  EXPECT_EQ(written, "1");
}

}  // namespace
}  // namespace plimsoll::daemon
