// A limit far below the use, over a slow swap (zram): the kernel reclaims inside write(2) for a long time.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <thread>

#include "agent/base/units.h"
#include "tests/vm/cgroup_fixture.h"

namespace plimsoll::enforce {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t kHeld = 192UL << 20;
constexpr const char* kLow = "16777216";

double seconds_of(auto action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

class SlowLimitTest : public CgroupTest {
 protected:
  SlowLimitTest() : CgroupTest("slow-test", "slow-test", {"memory"}) {}
  static void SetUpTestSuite() {
    ASSERT_EQ(std::system(
                  "modprobe zram && echo 512M >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null && "
                  "swapon /dev/zram0"),
              0);
  }
  static void TearDownTestSuite() { EXPECT_EQ(std::system("swapoff /dev/zram0 && rmmod zram"), 0); }
  void SetUp() override {
    CgroupTest::SetUp();
    if (!HasFatalFailure()) hold_memory();
  }
  // A process in the cgroup with pages that compress badly, which sleeps.
  void hold_memory() {
    start_sleeper([] {
      auto* words = static_cast<std::uint64_t*>(
          ::mmap(nullptr, kHeld, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      if (words == MAP_FAILED) return false;
      std::uint64_t x = 88172645463325252ULL;
      for (std::size_t i = 0; i < kHeld / sizeof x; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        words[i] = x;
      }
      return true;
    });
  }
  model::DecisionRecord reclaim(Bytes amount) { return act(model::ReclaimMemory{amount}); }
  model::DecisionRecord set(const std::string& file, const std::string& value) {
    return act(model::SetFile{file, value, ""});
  }
  std::uint64_t number(const std::string& file) {
    const auto text = cgroup_->read(file);
    return text ? parse_u64(text->substr(0, text->find('\n'))).value_or(0) : 0;
  }
  static bool eventually(const std::function<bool()>& condition) {
    return vm_test::eventually(condition, std::chrono::seconds(120));
  }
};

class SlowLimitFiles : public SlowLimitTest, public testing::WithParamInterface<std::string> {};

TEST_P(SlowLimitFiles, TheLoopGoesOnWhileTheKernelReclaims) {
  const std::string& file = GetParam();
  const double plain = seconds_of([&] { ASSERT_TRUE(cgroup_->write(file, kLow)); });
  ASSERT_TRUE(cgroup_->write(file, "max"));
  end_children();
  hold_memory();

  model::DecisionRecord record;
  const double ours = seconds_of([&] { record = set(file, kLow); });
  EXPECT_EQ(record.outcome, "done") << record.detail;
  EXPECT_EQ(record.after, kLow);
  const double settled = seconds_of([&] {
    EXPECT_TRUE(eventually([&] { return number("memory.current") <= 2 * (16UL << 20); }));
    EXPECT_TRUE(eventually([&] {
      executor_.tick();
      return executor_.reclaiming() == 0;
    }));
  });
  std::printf(
      "%s: write(2) itself took %.3f s, the executor %.3f s (%.1f %%), then %.3f s of reclaim in its thread: "
      "%s\n",
      file.c_str(), plain, ours, 100 * ours / plain, settled, record.detail.c_str());
  EXPECT_LT(ours, plain / 4);
}

INSTANTIATE_TEST_SUITE_P(Files, SlowLimitFiles, testing::Values("memory.high", "memory.max"),
                         [](const auto& file) { return file.param.substr(7); });

TEST_F(SlowLimitTest, MemoryIsTakenAwayWithoutALimit) {
  const std::uint64_t before = number("memory.current");
  const auto record = reclaim(Bytes{64UL << 20});
  EXPECT_EQ(record.outcome, "done") << record.detail;
  EXPECT_EQ(record.action, "reclaim");
  EXPECT_TRUE(record.detail.starts_with("memory.reclaim 64MiB")) << record.detail;
  EXPECT_TRUE(eventually([&] {
    executor_.tick();
    return executor_.reclaiming() == 0;
  }));
  EXPECT_LE(number("memory.current"), before - (60UL << 20));
  EXPECT_EQ(*cgroup_->read("memory.max"), "max\n");
}

TEST_F(SlowLimitTest, ALimitThatIsRaisedAgainIsNoLongerReclaimedTo) {
  ASSERT_EQ(set("memory.max", kLow).outcome, "done");
  ASSERT_EQ(executor_.reclaiming(), 1U);
  const auto raised = set("memory.max", "max");
  EXPECT_EQ(raised.outcome, "done");
  EXPECT_EQ(raised.before, kLow);
  EXPECT_EQ(raised.after, "max");
  EXPECT_TRUE(eventually([&] {
    executor_.tick();
    return executor_.reclaiming() == 0;
  }));
  const auto events = cgroup_->read("memory.events");
  ASSERT_TRUE(events);
  EXPECT_NE(events->find("oom_kill 0\n"), std::string::npos) << *events;
  std::printf("given up with %.1f MiB still there\n",
              static_cast<double>(number("memory.current")) / (1 << 20));
}

}  // namespace
}  // namespace plimsoll::enforce
