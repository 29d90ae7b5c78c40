// Who gets the memory: leaks, shortage of the whole host, memory that lies idle, and what would fit.
#include <cstdlib>

#include "tests/vm/scenario_fixture.h"

namespace plimsoll {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

class MemoryScenarioVm : public ScenarioVm {
 protected:
  static std::uint64_t events(const std::string& name, const std::string& what) {
    return field(cgroup(name) / "memory.events", what);
  }
  static std::uint64_t anon(const std::string& name) { return field(cgroup(name) / "memory.stat", "anon"); }
  static std::uint64_t available() {
    std::ifstream in("/proc/meminfo");
    std::string key;
    for (std::uint64_t kib = 0; in >> key;) {
      if (key == "MemAvailable:" && in >> kib) return kib << 10;
    }
    return 0;
  }
  static std::uint64_t kernels_kills() { return field("/proc/vmstat", "oom_kill"); }
  // Of a container that shall not notice.
  void expect_untouched(const std::string& name, std::uint64_t anon_before) {
    EXPECT_EQ(anon(name), anon_before) << name << ": memory was taken from it";
    for (const char* event : {"high", "max", "oom", "oom_kill"}) EXPECT_EQ(events(name, event), 0U) << event;
    EXPECT_EQ(status(name), "running");
  }
};

TEST_F(MemoryScenarioVm, LeakCatcher_SqueezesThenRestartsWhatLeaksAndNobodyElse) {
  use("leak-catcher");
  idle("neighbour");
  Worker& steady = work("neighbour", vm_test::hold<100>);
  ASSERT_TRUE(until([&] { return steady.count() == 1; }));
  const std::uint64_t before = anon("neighbour");
  run("--name leaky --label leaks=true", "sleep 100000");
  ASSERT_TRUE(until([] { return file("leaky", "memory.max") == std::to_string(256 * kMiB); }));
  const json began = inspect("leaky")["State"]["StartedAt"];
  Worker& leak = work("leaky", vm_test::grow);
  ASSERT_TRUE(until([] { return file("leaky", "memory.high") != "max"; })) << sh("policy explain leaky").text;
  EXPECT_TRUE(did("leak-catcher", "leaky squeeze notify"));
  ASSERT_TRUE(did("leak-catcher", "leaky start-anew restart")) << sh("policy explain leaky").text;
  ASSERT_TRUE(until([&] { return leak.dead(); }));
  // It has a new life before it.
  ASSERT_TRUE(
      until([&] { return status("leaky") == "running" && inspect("leaky")["State"]["StartedAt"] != began; }));
  EXPECT_TRUE(until([] { return file("leaky", "memory.max") == std::to_string(256 * kMiB); }));
  EXPECT_EQ(file("leaky", "memory.high"), "max");
  EXPECT_EQ(row("leaky")["oom_kills"], 0) << "the kernel came first";
  expect_untouched("neighbour", before);
}

TEST_F(MemoryScenarioVm, GuardTheHost_EndsTheRightOneAndTheHostGoesOn) {
  idle("database", "--label tier=latency");
  idle("small", "--label tier=batch");
  idle("large", "--label tier=batch");
  idle("other");
  Worker& database = work("database", vm_test::hold<400>);
  Worker& small = work("small", vm_test::hold<60>);
  Worker& heart = work("database", vm_test::serve<100, 1>);
  ASSERT_TRUE(until([&] { return database.count() == 1 && small.count() == 1 && heart.count() > 5; }));
  const std::uint64_t before = anon("database"), kills = kernels_kills();
  // Somebody who is no container's has most of the memory, so that it does not take long.
  const std::uint64_t ballast = available() > 900 * kMiB ? available() - 900 * kMiB : 0;
  void* held = ::mmap(nullptr, ballast, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(held, MAP_FAILED);
  std::memset(held, 1, ballast);
  ::madvise(held, ballast, MADV_DONTFORK);

  use("guard-the-host");
  Worker& hog = work("large", vm_test::grow);
  std::vector<double> answers;
  const std::uint64_t beats = heart.count();
  ASSERT_TRUE(until([&] {
    answers.push_back(ps());
    return hog.dead();
  })) << available();
  ASSERT_TRUE(did("guard-the-host", "large free-memory kill"));
  const std::uint64_t went_to = hog.count();
  EXPECT_TRUE(until([] { return status("large") == "exited"; }));
  ::munmap(held, ballast);
  std::ranges::sort(answers);
  std::printf(
      "host memory shortage: the hog was ended at %lu MiB; %lu answers of ps meanwhile, the slowest in %.0f "
      "ms; "
      "%lu beats of a neighbour's heart, at most %.0f ms late\n",
      went_to, answers.size(), answers.back(), heart.count() - beats, vm_test::slowest(heart));
  EXPECT_GT(heart.count(), beats);
  EXPECT_EQ(kernels_kills(), kills) << "the kernel came first";
  for (const json& one : decisions("policy=guard-the-host")) EXPECT_EQ(one["container"], "large") << one;
  for (const char* name : {"small", "other"}) EXPECT_EQ(status(name), "running");
  EXPECT_FALSE(small.dead());
  expect_untouched("database", before);
}

class IdleMemoryScenarioVm : public MemoryScenarioVm {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(std::system("modprobe zram && echo 512M >/sys/block/zram0/disksize && mkswap /dev/zram0 "
                          ">/dev/null && swapon /dev/zram0"),
              0);
  }
  static void TearDownTestSuite() { EXPECT_EQ(std::system("swapoff /dev/zram0 && rmmod zram"), 0); }
};

TEST_F(IdleMemoryScenarioVm, PressureSqueeze_TakesWhatLiesIdleAndLetsItComeBack) {
  idle("cache", "--label squeeze=true");
  idle("other");
  Worker& cache = work("cache", vm_test::hold<200>);
  Worker& other = work("other", vm_test::hold<50>);
  ASSERT_TRUE(until([&] { return cache.count() == 1 && other.count() == 1; }));
  const std::uint64_t all = memory_of("cache"), others = anon("other");
  use("pressure-squeeze");
  ASSERT_TRUE(until([&] { return memory_of("cache") + 2 * kMiB < all; })) << sh("policy explain cache").text;
  const std::uint64_t squeezed = memory_of("cache");
  EXPECT_TRUE(did("pressure-squeeze", "cache autosize reclaim"));
  // It is wanted again: nothing is in its way.
  cache.shared().go = true;
  ASSERT_TRUE(until([&] { return cache.count() == 2; }));
  EXPECT_TRUE(until([&] { return memory_of("cache") > all - kMiB; }));
  std::printf(
      "pressure squeeze: %.1f of %.1f MiB given back to the host, and all there again when it was wanted\n",
      static_cast<double>(all - squeezed) / kMiB, static_cast<double>(all) / kMiB);
  EXPECT_EQ(file("cache", "memory.high"), "max");
  EXPECT_EQ(file("cache", "memory.max"), "max");
  EXPECT_EQ(events("cache", "oom"), 0U);
  EXPECT_EQ(anon("other"), others);
}

TEST_F(MemoryScenarioVm, RightSizeRecommend_TellsWhatFitsAndTouchesNothing) {
  idle("web", "-m 1g --cpus 1.5");
  Worker& steady = work("web", vm_test::hold<100>);
  ASSERT_TRUE(until([&] { return steady.count() == 1; }));
  use("right-size-recommend");
  const auto recommended = [](const std::string& resource) -> json {
    for (const json& one : get("/plimsoll/v1/recommendations?container=web")) {
      if (one["resource"] == resource) return one;
    }
    return {};
  };
  ASSERT_TRUE(until([&] { return !recommended("memory").is_null() && !recommended("cpu").is_null(); }));
  EXPECT_GT(recommended("memory")["target"], 100.0 * kMiB);
  EXPECT_LT(recommended("memory")["target"], 200.0 * kMiB);
  EXPECT_GT(recommended("memory")["saves"], 800.0 * kMiB);
  EXPECT_LT(recommended("cpu")["target"], 1.5);
  EXPECT_EQ(file("web", "memory.max"), std::to_string(1024 * kMiB));
  EXPECT_EQ(file("web", "cpu.max"), "150000 100000");
  EXPECT_EQ(sh("recommend web --patch compose").status, 0);
}

}  // namespace
}  // namespace plimsoll
