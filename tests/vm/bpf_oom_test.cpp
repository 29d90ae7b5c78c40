// The probe `oom`, against what the kernel counts and what processes say of themselves. Needs CAP_BPF and
// CAP_PERFMON, and the memory controller.
#include <algorithm>
#include <vector>

#include "tests/vm/bpf_fixture.h"
#include "tests/vm/eaters.h"

namespace plimsoll::bpf {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
// What a process touches between telling and being killed.
constexpr double kMargin = 32 * 4096;

using vm_test::Eater;

class OomTest : public ProbesTest {
 protected:
  OomTest() : ProbesTest({"oom"}) {}
  void SetUp() override {
    ProbesTest::SetUp();
    for (const model::ProbeState& probe : probes_->states()) {
      if (probe.name != "oom") continue;
      ASSERT_TRUE(probe.up) << probe.why;
    }
    write(folder_.parent_path() / "cgroup.subtree_control", "+memory");
  }
  void TearDown() override {
    eaters_.end();
    std::vector<fs::path> below;
    for (const auto& entry : fs::directory_iterator(folder_))
      if (entry.is_directory()) below.push_back(entry.path());
    for (const fs::path& one : below) EXPECT_EQ(::rmdir(one.c_str()), 0) << one;
    ProbesTest::TearDown();
  }
  fs::path below(const std::string& name) {
    write(folder_ / "cgroup.subtree_control", "+memory");
    fs::create_directories(folder_ / name);
    return folder_ / name;
  }
  static void limit(const fs::path& folder, std::uint64_t bytes) {
    write(folder / "memory.max", std::to_string(bytes));
    if (fs::exists(folder / "memory.swap.max")) write(folder / "memory.swap.max", "0");
  }

  static void write(const fs::path& file, const std::string& text) { vm_test::Eaters::write(file, text); }
  Eater eat(const fs::path& folder, const char* name, std::uint64_t bytes, int score_adj = 0) {
    return eaters_.eat(folder, name, bytes, score_adj);
  }
  static std::uint64_t kernels_count(const fs::path& folder) {
    return vm_test::Eaters::field(folder / "memory.events", "oom_kill");
  }

  std::vector<model::OomKill> kills() {
    for (const model::ProbeAlarm& alarm : probes_->drain()) {
      if (alarm.why == model::ProbeAlarm::Why::kOomKill) alarms_.push_back(alarm);
    }
    return probes_->take_ooms();
  }
  std::string below_root(const fs::path& folder) const {
    return folder.string().substr(cgroup_mount().size());
  }

  vm_test::Eaters eaters_;
  std::vector<model::ProbeAlarm> alarms_;
};

TEST_F(OomTest, VictimAskerLimitAndTheLargest) {
  ASSERT_TRUE(probes_->watch(id()));
  limit(folder_, 64 * kMiB);
  const Eater small = eat(folder_, "small", 6 * kMiB);
  const Eater middle = eat(folder_, "middle", 12 * kMiB);
  const Eater big = eat(folder_, "big", 30 * kMiB);
  ASSERT_GE(big.anon, 30 * kMiB);
  const Eater hungry = eat(folder_, "hungry", 24 * kMiB);
  const auto told = kills();
  ASSERT_FALSE(told.empty());
  // The kernel may come to the one that asked as well: its charge failed before the first's memory was back.
  if (hungry.anon == 0) {
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[1].victims.at(0).process.pid, hungry.pid);
    EXPECT_LT(told[1].usage.value, 48 * kMiB);
  } else {
    ASSERT_EQ(told.size(), 1U);
  }
  const model::OomKill& kill = told[0];
  EXPECT_EQ(kill.constraint, model::OomConstraint::kMemcg);
  EXPECT_EQ(kill.cgroup, id());
  EXPECT_EQ(kill.container, id());
  EXPECT_EQ(kill.path, below_root(folder_));
  EXPECT_EQ(kill.max, model::Bound<Bytes>(Bytes{64 * kMiB}));
  EXPECT_TRUE(kill.high.is_max());
  EXPECT_EQ(kill.total.value, 64 * kMiB);
  EXPECT_NEAR(static_cast<double>(kill.usage.value), 64.0 * kMiB, 1.0 * kMiB);
  ASSERT_EQ(kill.victims.size(), 1U);
  EXPECT_EQ(kill.kills, 1U);
  EXPECT_EQ(kill.untold, 0U);
  const model::OomProcess& victim = kill.victims[0].process;
  EXPECT_EQ(victim.pid, big.pid);
  EXPECT_EQ(victim.tid, big.pid);
  EXPECT_EQ(victim.comm, "big");
  EXPECT_EQ(victim.container, id());
  EXPECT_EQ(victim.cgroup, id());
  EXPECT_EQ(victim.score_adj, 0);
  EXPECT_EQ(victim.uid, ::getuid());
  EXPECT_EQ(kill.victims[0].cgroup_path, below_root(folder_));
  EXPECT_NEAR(static_cast<double>(victim.anon.value), static_cast<double>(big.anon), kMargin);
  EXPECT_EQ(victim.swap.value, 0U);
  EXPECT_GT(victim.file.value, 0U);
  EXPECT_GT(victim.virtual_size.value, victim.resident().value);
  EXPECT_GT(victim.page_tables.value, 30 * kMiB / 512);
  EXPECT_EQ(kill.asker.pid, hungry.pid);
  EXPECT_EQ(kill.asker.comm, "hungry");
  EXPECT_EQ(kill.asker_path, below_root(folder_));
  EXPECT_GE(kill.order, 0);
  EXPECT_NE(kill.gfp, 0U);
  EXPECT_EQ(kill.considered, 4U);
  ASSERT_EQ(kill.top.size(), 4U);
  EXPECT_EQ(kill.top[0].pid, big.pid);
  EXPECT_EQ(kill.top[1].pid, hungry.pid);
  EXPECT_EQ(kill.top[2].pid, middle.pid);
  EXPECT_NEAR(static_cast<double>(kill.top[2].anon.value), static_cast<double>(middle.anon), kMargin);
  EXPECT_EQ(kill.top[3].pid, small.pid);
  EXPECT_NEAR(static_cast<double>(kill.top[3].anon.value), static_cast<double>(small.anon), kMargin);
  EXPECT_LE(kill.began, kill.killed);
  ASSERT_EQ(alarms_.size(), told.size());
  EXPECT_EQ(alarms_[0].container, id());
  EXPECT_EQ(alarms_[0].pid, big.pid);
  EXPECT_EQ(probes_->read(id()).oom->memcg, told.size());
  EXPECT_EQ(probes_->read(id()).oom->global, 0U);
}

TEST_F(OomTest, TheTenLargestOfMany) {
  ASSERT_TRUE(probes_->watch(id()));
  limit(folder_, 96 * kMiB);
  std::vector<Eater> eaters;
  for (int i = 0; i < 14; ++i)
    eaters.push_back(eat(folder_, "one", static_cast<std::uint64_t>(1 + (i * 5) % 14) * kMiB / 2));
  eat(folder_, "hungry", 200 * kMiB);
  const auto told = kills();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].considered, 15U);
  ASSERT_EQ(told[0].top.size(), 10U);
  EXPECT_EQ(told[0].top[0].comm, "hungry");
  std::ranges::sort(eaters, std::greater{}, &Eater::anon);
  for (std::size_t i = 1; i < 10; ++i) EXPECT_EQ(told[0].top[i].pid, eaters[i - 1].pid) << i;
}

TEST_F(OomTest, ALimitBelowTheContainer) {
  ASSERT_TRUE(probes_->watch(id()));
  const fs::path child = below("child");
  limit(child, 32 * kMiB);
  const Eater one = eat(child, "one", 100 * kMiB);
  const auto told = kills();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].cgroup, id_of(child));
  EXPECT_EQ(told[0].path, below_root(child));
  EXPECT_EQ(told[0].container, id());
  ASSERT_EQ(told[0].victims.size(), 1U);
  EXPECT_EQ(told[0].victims[0].process.pid, one.pid);
  EXPECT_EQ(told[0].victims[0].process.container, id());
  EXPECT_EQ(told[0].victims[0].process.cgroup, id_of(child));
  EXPECT_EQ(told[0].victims[0].cgroup_path, below_root(child));
  EXPECT_EQ(probes_->read(id()).oom->memcg, 1U);
}

TEST_F(OomTest, ALimitAboveTwoContainers) {
  const fs::path a = below("a"), b = below("b");
  ASSERT_TRUE(probes_->watch(id_of(a)));
  ASSERT_TRUE(probes_->watch(id_of(b)));
  limit(folder_, 64 * kMiB);
  const Eater big = eat(a, "big", 40 * kMiB);
  const Eater hungry = eat(b, "hungry", 30 * kMiB);
  const auto told = kills();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].cgroup, id());
  EXPECT_EQ(told[0].container.inode, 0U);
  EXPECT_EQ(told[0].path, below_root(folder_));
  ASSERT_EQ(told[0].victims.size(), 1U);
  EXPECT_EQ(told[0].victims[0].process.pid, big.pid);
  EXPECT_EQ(told[0].victims[0].process.container, id_of(a));
  EXPECT_EQ(told[0].asker.pid, hungry.pid);
  EXPECT_EQ(told[0].asker.container, id_of(b));
  EXPECT_EQ(told[0].asker_path, below_root(b));
  EXPECT_EQ(probes_->read(id_of(a)).oom->memcg, 1U);
  EXPECT_EQ(probes_->read(id_of(b)).oom->memcg, 0U);
}

TEST_F(OomTest, AGroupIsOneKillWithAllItsVictims) {
  ASSERT_TRUE(probes_->watch(id()));
  limit(folder_, 48 * kMiB);
  write(folder_ / "memory.oom.group", "1");
  std::vector<pid_t> pids;
  for (const char* name : {"one", "two", "three"}) pids.push_back(eat(folder_, name, 4 * kMiB).pid);
  pids.push_back(eat(folder_, "hungry", 100 * kMiB).pid);
  const auto told = kills();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].kills, 5U) << "the one that was chosen is counted twice";
  EXPECT_EQ(told[0].untold, 0U);
  std::vector<pid_t> named;
  for (const auto& victim : told[0].victims) named.push_back(victim.process.pid);
  EXPECT_EQ(named[0], pids[3]) << "the one that was chosen comes first";
  std::ranges::sort(named);
  std::ranges::sort(pids);
  EXPECT_EQ(named, pids);
  EXPECT_EQ(kernels_count(folder_), 5U);
  EXPECT_EQ(probes_->read(id()).oom->memcg, 5U);
}

TEST_F(OomTest, AsManyAsTheKernelCounts) {
  ASSERT_TRUE(probes_->watch(id()));
  limit(folder_, 16 * kMiB);
  std::size_t victims = 0;
  for (int i = 0; i < 25; ++i) {
    eat(folder_, "one", 64 * kMiB);
    for (const auto& kill : kills()) victims += kill.victims.size();
  }
  const std::uint64_t kernels = kernels_count(folder_);
  EXPECT_GE(kernels, 25U);
  EXPECT_EQ(victims, kernels);
  EXPECT_EQ(alarms_.size(), kernels);
  EXPECT_EQ(probes_->read(id()).oom->memcg, kernels);
  // Known where kernel.bpf_stats_enabled is 1.
  for (const model::ProbeState& probe : probes_->states()) {
    if (probe.name == "oom" && probe.runs != 0)
      std::printf("%.0f us a kill, %.0f ns a run, %.1f runs a kill\n",
                  static_cast<double>(probe.spent.count()) / static_cast<double>(kernels) / 1e3,
                  static_cast<double>(probe.spent.count()) / static_cast<double>(probe.runs),
                  static_cast<double>(probe.runs) / static_cast<double>(kernels));
  }
}

// The machine's own: SysRq f asks for one kill, as if there were no memory left.
TEST_F(OomTest, AKillThatAPersonAsksForIsTheMachines) {
  ASSERT_TRUE(probes_->watch(id()));
  const Eater one = eat(folder_, "one", 16 * kMiB, 1000);
  write("/proc/sysrq-trigger", "f");
  std::vector<model::OomKill> told;
  ASSERT_TRUE(vm_test::eventually([&] { return !(told = kills()).empty(); }));
  const model::OomKill& kill = told[0];
  EXPECT_NE(kill.constraint, model::OomConstraint::kMemcg);
  EXPECT_EQ(kill.cgroup.inode, 0U);
  EXPECT_EQ(kill.path, "");
  EXPECT_EQ(kill.order, -1);
  ASSERT_EQ(kill.victims.size(), 1U);
  EXPECT_EQ(kill.victims[0].process.pid, one.pid);
  EXPECT_EQ(kill.victims[0].process.score_adj, 1000);
  EXPECT_NEAR(static_cast<double>(kill.victims[0].process.anon.value), static_cast<double>(one.anon),
              kMargin);
  EXPECT_EQ(probes_->read(id()).oom->global, 1U);
}

}  // namespace
}  // namespace plimsoll::bpf
