// What concerns the whole host: fork bombs, its own housekeeping, and pods of Kubernetes.
#include "tests/vm/scenario_fixture.h"

namespace plimsoll {
namespace {

using HostScenarioVm = ScenarioVm;

TEST_F(HostScenarioVm, ForkBombStopper_EndsTheBombWhileTheHostAnswers) {
  use("fork-bomb-stopper");
  idle("neighbour");
  idle("bomb");
  ASSERT_TRUE(until([] { return file("bomb", "pids.max") == "1024"; }));
  Worker& heart = work("neighbour", vm_test::serve<100, 1>);
  ASSERT_TRUE(until([&] { return heart.count() > 5; }));
  const std::uint64_t beats = heart.count();
  Worker& bomb = work("bomb", vm_test::fork_bomb);
  ASSERT_TRUE(until([&] { return bomb.count() > 0; })) << "it never came to its line";
  std::vector<double> answers;
  ASSERT_TRUE(until([&] {
    answers.push_back(ps());
    return status("bomb") == "exited";
  })) << sh("policy explain bomb").text;
  ASSERT_TRUE(did("fork-bomb-stopper", "bomb end kill"));
  std::printf(
      "fork bomb: ended after %lu refused forks; the slowest of %zu answers of ps in %.0f ms; %lu beats of a "
      "neighbour's heart, at most %.0f ms late\n",
      bomb.count(), answers.size(), *std::ranges::max_element(answers), heart.count() - beats,
      vm_test::slowest(heart));
  EXPECT_GT(heart.count(), beats);
  EXPECT_EQ(status("neighbour"), "running");
  EXPECT_EQ(done("fork-bomb-stopper").back(), "bomb end kill");
}

// A cgroup as another runtime makes it, with a process in it.
class OthersScenarioVm : public ScenarioVm {
 protected:
  void TearDown() override {
    workers_.clear();
    for (const fs::path& one : made_) {
      EXPECT_TRUE(until([&] {
        std::error_code error;
        return fs::remove(one, error) || error == std::errc::no_such_file_or_directory;
      })) << one;
    }
    ScenarioVm::TearDown();
  }
  fs::path made(const std::string& path) {
    fs::path at = "/sys/fs/cgroup";
    for (const fs::path& part : fs::path(path)) {
      std::ofstream(at / "cgroup.subtree_control") << "+cpu +memory" << std::flush;
      at /= part;
      if (fs::create_directory(at)) made_.insert(made_.begin(), at);
    }
    workers_.emplace_back(at, vm_test::hold<1>);
    return at;
  }

 private:
  std::vector<fs::path> made_;  // the innermost first
};

TEST_F(OthersScenarioVm, SystemdServices_HousekeepingYieldsAndNoOtherService) {
  const fs::path updates = made("system.slice/apt-daily-upgrade.service");
  const fs::path backup = made("system.slice/nightly-backup.service");
  const fs::path ssh = made("system.slice/ssh.service");
  use("systemd-services");
  for (const fs::path& one : {updates, backup}) {
    EXPECT_TRUE(until([&] { return read_text(one / "cpu.idle") == "1"; })) << one;
    EXPECT_TRUE(until([&] { return read_text(one / "memory.high") == std::to_string(512 << 20); })) << one;
  }
  EXPECT_EQ(read_text(ssh / "cpu.idle"), "0");
  EXPECT_EQ(read_text(ssh / "memory.high"), "max");
  fs::remove(std::string(GuestAgent::kPolicies) + "/systemd-services.yaml");
  EXPECT_TRUE(until(
      [&] { return read_text(backup / "cpu.idle") == "0" && read_text(backup / "memory.high") == "max"; }));
}

TEST_F(OthersScenarioVm, KubernetesPods_BestEffortYieldsAndOthersDoNot) {
  const std::string pod = "pod0af5dfd1_32e1_4c0c_8c8f_51d2f5d0a5c1.slice/cri-containerd-";
  const std::string scope = std::string(64, 'a') + ".scope";
  const fs::path effort = made("kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-" + pod + scope);
  const fs::path sure = made("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-" + pod + scope);
  use("kubernetes-pods");
  EXPECT_TRUE(until([&] { return read_text(effort / "cpu.idle") == "1"; }));
  EXPECT_TRUE(until([&] { return read_text(effort / "memory.high") == std::to_string(1 << 30); }));
  EXPECT_EQ(read_text(sure / "cpu.idle"), "0");
  EXPECT_EQ(read_text(sure / "memory.high"), "max");
}

}  // namespace
}  // namespace plimsoll
