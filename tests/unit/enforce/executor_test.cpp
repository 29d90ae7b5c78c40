// Graces over a cgroup of ordinary files; what only a kernel can show is in tests/vm/enforce_test.cpp.
#include "agent/enforce/executor.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/watch/temporary_tree.h"

namespace plimsoll::enforce {
namespace {

using namespace std::chrono_literals;

class TestClock final : public Clock {
 public:
  WallTime wall() const override { return WallTime(now); }
  BootTime boot() const override { return {now}; }
  std::chrono::nanoseconds now = 1h;
};

class ExecutorTest : public testing::Test {
 protected:
  ExecutorTest() {
    cgroups_.put("web/cgroup.events", "populated 1\nfrozen 0\n");
    cgroups_.put("web/cgroup.kill", "0");
    const auto cgroup = kernel::Cgroup::open(cgroups_.root() + "/web");
    const std::string when = std::to_string(std::chrono::nanoseconds(clock_.now + 10s).count());
    EXPECT_TRUE(executor_.restore(
        R"({"version":1,"kills":[{"when":)" + when + R"(,"inode":)" + std::to_string(cgroup->id().inode) +
        R"(,"grace":10000000000,"cgroup":"/web","policy":"p","rule":"r","cause":"rule","action":"kill",)"
        R"("container":"web","container_id":"abc"}]})"));
    executor_.persist_with([this](const std::string& state) { kept_ = state; });
  }
  bool killed() {
    std::ifstream file(cgroups_.root() + "/web/cgroup.kill");
    return file.get() == '1';
  }

  Tree cgroups_;
  TestClock clock_;
  Executor executor_{cgroups_.root(), clock_};
  std::string kept_ = "as it was";
};

TEST_F(ExecutorTest, AGraceThatIsOverEndsInAKill) {
  clock_.now += 9s;
  EXPECT_TRUE(executor_.tick().empty());
  clock_.now += 1s;
  EXPECT_EQ(executor_.next_deadline(), clock_.boot());
  const auto records = executor_.tick();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].outcome, "done");
  EXPECT_TRUE(killed());
  EXPECT_EQ(kept_, "");
}

TEST_F(ExecutorTest, PausedNoGraceEndsAndAfterwardsItBeginsAnew) {
  executor_.pause(true);
  clock_.now += 1h;
  EXPECT_EQ(executor_.next_deadline(), std::nullopt) << "the loop must not spin on it";
  EXPECT_TRUE(executor_.tick().empty());
  EXPECT_FALSE(killed());
  executor_.pause(true);
  executor_.pause(false);
  EXPECT_EQ(executor_.next_deadline(), clock_.boot() + 10s);
  EXPECT_NE(kept_.find(std::to_string(std::chrono::nanoseconds(clock_.now + 10s).count())),
            std::string::npos);
  executor_.pause(false);
  clock_.now += 10s;
  EXPECT_EQ(executor_.tick().size(), 1U);
  EXPECT_TRUE(killed());
}

TEST_F(ExecutorTest, PausedItStillForgetsThoseThatObeyed) {
  executor_.pause(true);
  cgroups_.put("web/cgroup.events", "populated 0\nfrozen 0\n");
  EXPECT_TRUE(executor_.tick().empty());
  EXPECT_EQ(kept_, "");
}

}  // namespace
}  // namespace plimsoll::enforce
