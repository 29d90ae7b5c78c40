// Decisions carried out on real cgroups of this test's own.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <thread>

#include "tests/vm/cgroup_fixture.h"

namespace plimsoll::enforce {
namespace {

using vm_test::eventually;

class ExecutorTest : public CgroupTest {
 protected:
  ExecutorTest() : CgroupTest("enforce-test", "victim", {"cpu", "memory", "pids", "cpuset", "io"}) {}
  // A process in the cgroup that ignores or obeys SIGTERM.
  pid_t start(bool obeys) {
    return start_sleeper([obeys] { return ::signal(SIGTERM, obeys ? SIG_DFL : SIG_IGN) != SIG_ERR; });
  }
  bool event(const std::string& line) {
    return (read("cgroup.events") + "\n").find(line + "\n") != std::string::npos;
  }
};

TEST_F(ExecutorTest, SetsEveryLimitAndReadsItBack) {
  const std::pair<const char*, const char*> kLimits[] = {
      {"cpu.max", "50000 100000"}, {"cpu.max.burst", "20000"},
      {"cpu.weight", "50"},        {"cpu.idle", "1"},
      {"cpu.idle", "0"},           {"cpuset.cpus", "0"},
      {"memory.max", "134217728"}, {"memory.high", "104857600"},
      {"memory.low", "1048576"},   {"memory.min", "4096"},
      {"memory.oom.group", "1"},   {"pids.max", "200"}};
  for (const auto& [file, value] : kLimits) {
    const auto record = act(model::SetFile{file, value, ""});
    EXPECT_EQ(record.outcome, "done") << file << ": " << record.detail;
    EXPECT_EQ(record.after, value) << file;
    EXPECT_EQ(read(file), value);
  }
  EXPECT_EQ(act(model::SetFile{"memory.max", "max", ""}).before, "134217728");
}

TEST_F(ExecutorTest, TellsTheKernelsRefusal) {
  const auto record = act(model::SetFile{"cpu.weight", "0", ""});
  EXPECT_EQ(record.outcome, "refused");
  EXPECT_NE(record.detail.find("cpu.weight"), std::string::npos) << record.detail;
  EXPECT_EQ(act(model::SetFile{"cgroup.procs", "1", ""}).outcome, "refused");
  EXPECT_EQ(act(model::SetFile{"../cgroup.procs", "1", ""}).outcome, "refused");
}

TEST_F(ExecutorTest, AuditTouchesNothing) {
  const pid_t child = start(true);
  EXPECT_EQ(act(model::SetFile{"memory.max", "4096", "max"}, true).outcome, "audited");
  EXPECT_EQ(act(model::Kill{SIGKILL, Nanoseconds(0)}, true).outcome, "audited");
  EXPECT_EQ(act(model::Freeze{}, true).outcome, "audited");
  EXPECT_EQ(read("memory.max"), "max");
  EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), 0);
  EXPECT_TRUE(event("frozen 0"));
}

TEST_F(ExecutorTest, WhatCannotBeReclaimedStays) {
  const pid_t child = start(true);
  model::DecisionRecord record;
  EXPECT_TRUE(eventually([&] {
    record = act(model::ReclaimMemory{Bytes{1ULL << 30}});
    return record.outcome == "done" && record.detail.ends_with("less could be taken away than was asked for");
  })) << record.outcome
      << " " << record.detail;
  EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), 0);
  EXPECT_EQ(act(model::ReclaimMemory{Bytes{1ULL << 30}}, true).outcome, "audited");
}

TEST_F(ExecutorTest, FreezesAndThaws) {
  start(true);
  EXPECT_EQ(act(model::Freeze{}).outcome, "done");
  EXPECT_TRUE(eventually([&] { return event("frozen 1"); }));
  EXPECT_EQ(act(model::Thaw{}).outcome, "done");
  EXPECT_TRUE(eventually([&] { return event("frozen 0"); }));
}

TEST_F(ExecutorTest, KillsThoseThatDoNotObeyAfterTheGrace) {
  start(true);
  const pid_t stubborn = start(false);
  const auto record = act(model::Kill{SIGTERM, std::chrono::milliseconds(300)});
  EXPECT_EQ(record.outcome, "done");
  EXPECT_EQ(record.detail, "SIGTERM to 2 processes");
  EXPECT_EQ(::waitpid(stubborn, nullptr, WNOHANG), 0);
  ASSERT_TRUE(executor_.next_deadline());
  EXPECT_TRUE(eventually([&] {
    executor_.tick();
    return event("populated 0");
  }));
  EXPECT_FALSE(executor_.next_deadline());
}

TEST_F(ExecutorTest, ASignalGetsThroughAFreeze) {
  const pid_t child = start(true);
  ASSERT_EQ(act(model::Freeze{std::chrono::seconds(60)}).outcome, "done");
  ASSERT_TRUE(eventually([&] { return event("frozen 1"); }));
  const auto record = act(model::Kill{SIGTERM, std::chrono::seconds(600)});
  EXPECT_EQ(record.outcome, "done");
  EXPECT_EQ(record.detail, "SIGTERM to 1 process, thawed");
  EXPECT_TRUE(eventually([&] { return event("populated 0"); }));
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
  children_.clear();
  EXPECT_TRUE(executor_.tick().empty());
  EXPECT_FALSE(executor_.next_deadline()) << "all obeyed: what starts in this cgroup now is not hit";

  start(true);
  ASSERT_EQ(act(model::Freeze{}).outcome, "done");
  ASSERT_TRUE(eventually([&] { return event("frozen 1"); }));
  EXPECT_EQ(act(model::Kill{SIGKILL, Nanoseconds(0)}).outcome, "done");
  EXPECT_TRUE(eventually([&] { return event("populated 0"); }));
}

TEST_F(ExecutorTest, AGraceOutlivesTheAgent) {
  start(false);
  std::string kept;
  executor_.persist_with([&](const std::string& state) { kept = state; });
  ASSERT_EQ(act(model::Kill{SIGTERM, std::chrono::milliseconds(1)}).outcome, "done");
  ASSERT_FALSE(kept.empty());

  Executor next(kRoot, clock_);
  EXPECT_FALSE(next.restore("{nonsense"));
  ASSERT_TRUE(next.restore(kept));
  next.persist_with([&](const std::string& state) { kept = state; });
  std::vector<model::DecisionRecord> records;
  EXPECT_TRUE(eventually([&] {
    for (auto& one : next.tick()) records.push_back(std::move(one));
    return event("populated 0");
  }));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].detail, "SIGKILL after the grace of 1ms");
  EXPECT_EQ(records[0].outcome, "done");
  EXPECT_EQ(records[0].policy, "test");
  EXPECT_EQ(records[0].container, "victim");
  EXPECT_EQ(kept, "");

  // Another cgroup at the same path is another container.
  start(false);
  std::string wrong =
      R"({"version":1,"kills":[{"when":1,"inode":)" + std::to_string(cgroup_->id().inode + 1) +
      R"(,"grace":1,"cgroup":"/enforce-test","policy":"p","rule":"r","cause":"rule","action":"kill",)" +
      R"("container":"c","container_id":"i"}]})";
  ASSERT_TRUE(next.restore(wrong));
  EXPECT_TRUE(next.tick().empty());
  EXPECT_TRUE(event("populated 1"));
  EXPECT_FALSE(next.next_deadline());
}

TEST_F(ExecutorTest, SignalsTheWholeSubtreeAndNothingElse) {
  auto below = kernel::Cgroup::create(cgroup_->path() + "/below");
  ASSERT_TRUE(below);
  const pid_t inside = start(true);
  ASSERT_TRUE(below->add_process(inside));
  start(true);
  const pid_t outside = ::fork();
  if (outside == 0) {
    while (true) ::pause();
  }
  EXPECT_EQ(act(model::Kill{SIGTERM, std::chrono::seconds(60)}).detail, "SIGTERM to 2 processes");
  EXPECT_TRUE(eventually([&] { return event("populated 0"); }));
  EXPECT_EQ(::waitpid(outside, nullptr, WNOHANG), 0);
  ::kill(outside, SIGKILL);
  ::waitpid(outside, nullptr, 0);
}

TEST_F(ExecutorTest, ACgroupThatIsGoneOrAnotherIsVanished) {
  model::ContainerRef other = *ref_;
  other.id.inode += 1;
  ref_ = std::make_shared<model::ContainerRef>(other);
  EXPECT_EQ(act(model::SetFile{"memory.max", "4096", ""}).outcome, "vanished");
  EXPECT_EQ(read("memory.max"), "max");
  other.cgroup = "/enforce-test-gone";
  ref_ = std::make_shared<model::ContainerRef>(other);
  EXPECT_EQ(act(model::Freeze{}).outcome, "vanished");
  other.cgroup = "/../etc";
  ref_ = std::make_shared<model::ContainerRef>(other);
  EXPECT_NE(act(model::Freeze{}).outcome, "done");
}

}  // namespace
}  // namespace plimsoll::enforce
