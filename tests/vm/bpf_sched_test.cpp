// Waits for a CPU and who had it meanwhile, against what the kernel counts itself.
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <optional>

#include "tests/vm/bpf_fixture.h"

namespace plimsoll::bpf {
namespace {

// Nanoseconds that a task waited for a CPU, as the kernel counts them: /proc/PID/schedstat, the second
// number.
std::uint64_t run_delay(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/schedstat");
  std::uint64_t on_cpu = 0, waited = 0;
  in >> on_cpu >> waited;
  return waited;
}

// A number of the cgroup's cpu.stat; microseconds.
double cpu_stat(const fs::path& cgroup, const std::string& wanted) {
  std::ifstream in(cgroup / "cpu.stat");
  std::string key;
  for (double value = 0; in >> key >> value;) {
    if (key == wanted) return value;
  }
  return -1;
}

class InterferenceTest : public ProbesTest {
 protected:
  using By = model::Interference::By;
  InterferenceTest() : ProbesTest({"sched", "throttle"}) {}
  void SetUp() override {
    ProbesTest::SetUp();
    ASSERT_EQ(why_down("sched"), "");
    for (const fs::path& one : {fs::path(cgroup_mount()), folder_})
      std::ofstream(one / "cgroup.subtree_control") << "+cpu" << std::flush;
  }
  // A task that spins on the first CPU, in a cgroup of its own below ours.
  struct Hog {
    fs::path folder;
    model::CgroupId id;
    pid_t pid = -1;
  };
  Hog hog(const std::string& name, const std::string& quota = "") {
    Hog one{folder_ / name, {}, -1};
    fs::create_directories(one.folder);
    if (!quota.empty()) std::ofstream(one.folder / "cpu.max") << quota << std::flush;
    one.id = id_of(one.folder);
    EXPECT_TRUE(probes_->watch(one.id));
    one.pid = ::fork();
    if (one.pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // not to spin on when the test is ended from outside
      std::ofstream(one.folder / "cgroup.procs") << ::getpid() << std::flush;
      cpu_set_t first;
      CPU_ZERO(&first);
      CPU_SET(0, &first);
      ::sched_setaffinity(0, sizeof first, &first);
      while (true) {
      }
    }
    return one;
  }
  static void end(const Hog& one) {
    ::kill(one.pid, SIGKILL);
    ::waitpid(one.pid, nullptr, 0);
    EXPECT_TRUE(vm_test::eventually([&] {
      std::error_code error;
      return fs::remove(one.folder, error);
    }));
  }
  static void pin(pid_t pid, int cpu) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    EXPECT_EQ(::sched_setaffinity(pid, sizeof one, &one), 0);
  }
  // It has done so itself, and will not do so again.
  static bool is_pinned(pid_t pid) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    return ::sched_getaffinity(pid, sizeof mask, &mask) == 0 && CPU_COUNT(&mask) == 1;
  }
  // Nanoseconds. `by` null: for whatever it was.
  double waited(model::CgroupId victim, std::optional<By> by, model::CgroupId aggressor = {}) const {
    double sum = 0;
    for (const model::Interference& cell : probes_->interference()) {
      if (cell.victim == victim && (!by || (cell.by == *by && cell.aggressor == aggressor)))
        sum += static_cast<double>(cell.waited.count());
    }
    return sum;
  }
  double waited(model::CgroupId victim) const { return waited(victim, std::nullopt); }
  // For a failure's message.
  std::string by_all(model::CgroupId victim) const {
    std::string text;
    for (const model::Interference& cell : probes_->interference()) {
      if (cell.victim == victim)
        text += "by " + std::to_string(static_cast<int>(cell.by)) + "/" +
                std::to_string(cell.aggressor.inode) + ": " + std::to_string(cell.waited.count()) + "; ";
    }
    return text;
  }
  double waited(model::CgroupId victim, model::CgroupId aggressor) const {
    return waited(victim, By::kContainer, aggressor);
  }
};

TEST_F(InterferenceTest, ThreeOnOneCpuBlameEachOther) {
  const std::array hogs = {hog("a"), hog("b"), hog("c")};
  // Until each has waited for a second; then the kernel's count is taken between two readings of ours.
  ASSERT_TRUE(vm_test::eventually(
      [&] { return std::ranges::all_of(hogs, [&](const Hog& one) { return waited(one.id) > 1e9; }); }));
  for (const Hog& one : hogs) {
    const double before = waited(one.id);
    const auto kernels = static_cast<double>(run_delay(one.pid));
    const double after = waited(one.id);
    EXPECT_GE(kernels, before * 0.9);
    EXPECT_LE(kernels, after * 1.1);
    const double by_hogs = [&] {
      double sum = 0;
      for (const Hog& other : hogs) sum += other.id == one.id ? 0 : waited(one.id, other.id);
      return sum;
    }();
    // The host's own tasks have the CPU as well, as they please.
    EXPECT_GE(by_hogs, 0.8 * (before - waited(one.id, By::kHost)))
        << by_all(one.id) << "the wait of " << one.folder << " is not blamed on its neighbours";
    EXPECT_LE(waited(one.id, one.id), 0.01 * after) << "a single task does not wait for itself";
    const auto seen = probes_->read(one.id).scheduling;
    ASSERT_TRUE(seen);
    EXPECT_NEAR(static_cast<double>(seen->waits.sum.count()), waited(one.id), 0.1 * after);
    EXPECT_GT(seen->on_cpu.count(), 0);
  }
  for (const Hog& one : hogs) end(one);
  for (const Hog& one : hogs) probes_->forget(one.id);
  EXPECT_TRUE(probes_->interference().empty());
}

// A quota of a tenth of a CPU, and a neighbour who takes the CPU meanwhile: it is not the neighbour's fault.
TEST_F(InterferenceTest, AQuotaIsNotBlamedOnANeighbour) {
  ASSERT_EQ(why_down("throttle"), "");
  const Hog held = hog("held", "10000 100000");
  const Hog neighbour = hog("neighbour");
  ASSERT_TRUE(vm_test::eventually([&] { return waited(held.id) > 5e9; }));
  const double before = waited(held.id);
  const auto kernels = static_cast<double>(run_delay(held.pid));
  const double after = waited(held.id);
  EXPECT_GE(kernels, before * 0.9);
  EXPECT_LE(kernels, after * 1.1);
  EXPECT_GE(waited(held.id, By::kQuota), 0.7 * before);
  EXPECT_LE(waited(held.id, neighbour.id), 0.25 * after);
  EXPECT_EQ(waited(neighbour.id, By::kQuota), 0);
  const double stolen = static_cast<double>(probes_->read(held.id).scheduling->stolen.count());
  EXPECT_NEAR(stolen, waited(held.id, neighbour.id), 0.05 * after);
  for (const Hog& one : {held, neighbour}) end(one);
}

TEST_F(InterferenceTest, ThrottlingIsWhatCpuStatSays) {
  ASSERT_EQ(why_down("throttle"), "");
  const Hog held = hog("held", "20000 100000");
  const auto seconds = [&] {
    return static_cast<double>(probes_->read(held.id).throttling->episodes.sum.count()) / 1e3;
  };
  ASSERT_TRUE(vm_test::eventually([&] { return probes_->read(held.id).throttling->episodes.count() >= 20; }));
  const double before = seconds();
  const double kernels = cpu_stat(held.folder, "throttled_usec");
  const double after = seconds();
  EXPECT_GE(kernels, 0.98 * before);
  EXPECT_LE(kernels, 1.02 * after + 100'000);  // one may have ended between the two
  EXPECT_LE(static_cast<double>(probes_->read(held.id).throttling->episodes.count()),
            cpu_stat(held.folder, "nr_throttled") + 1);
  end(held);
}

// What holds up a pod's cgroup holds up the containers in it.
TEST_F(InterferenceTest, AQuotaAboveTheContainerIsAQuota) {
  ASSERT_EQ(why_down("throttle"), "");
  std::ofstream(folder_ / "cpu.max") << "10000 100000" << std::flush;
  const Hog one = hog("one");
  ASSERT_TRUE(vm_test::eventually([&] { return waited(one.id) > 3e9; }));
  EXPECT_GE(waited(one.id, By::kQuota), 0.8 * waited(one.id));
  end(one);
}

// From one queue to the other and back before it ever runs: what it waited in the first is not told again.
TEST_F(InterferenceTest, AWaitThatMovesToAndFroCountsOnce) {
  ASSERT_GE(::sysconf(_SC_NPROCESSORS_ONLN), 2);
  const std::array hogs = {hog("victim"), hog("here"), hog("there")};
  ASSERT_TRUE(vm_test::eventually(
      [&] { return std::ranges::all_of(hogs, is_pinned, [](auto& one) { return one.pid; }); }));
  pin(hogs[2].pid, 1);
  for (const Hog* one : {&hogs[1], &hogs[2]})
    std::ofstream(one->folder / "cpu.weight") << 1000 << std::flush;  // ten times the victim's
  const pid_t victim = hogs[0].pid;
  ASSERT_TRUE(vm_test::eventually([&] { return waited(hogs[0].id) > 1e8; }));
  for (int move = 0; move < 1000; ++move) pin(victim, move % 2);
  const double ours = waited(hogs[0].id);
  EXPECT_LE(ours, 1.1 * static_cast<double>(run_delay(victim)));
  for (const Hog& one : hogs) end(one);
}

TEST_F(InterferenceTest, TimeOnCpusIsWhatCpuStatSays) {
  const std::array hogs = {hog("a"), hog("b")};
  const auto ours = [&] { return static_cast<double>(probes_->read(hogs[0].id).scheduling->on_cpu.count()); };
  ASSERT_TRUE(vm_test::eventually([&] { return ours() > 2e9; }));
  const double before = ours();
  const double kernels = cpu_stat(hogs[0].folder, "usage_usec") * 1e3;
  const double after = ours();
  EXPECT_GE(kernels, 0.9 * before);
  EXPECT_LE(kernels, 1.1 * after);
  for (const Hog& one : hogs) end(one);
}

}  // namespace
}  // namespace plimsoll::bpf
