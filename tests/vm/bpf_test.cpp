// Each probe on a real kernel, against what a workload knows of itself. Needs CAP_BPF and CAP_PERFMON.
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/vm/bpf_fixture.h"

namespace plimsoll::bpf {
namespace {

// Programs in the kernel of that name, whoever loaded them.
int loaded(std::string_view name) {
  int count = 0;
  for (std::uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
    const UniqueFd program(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    std::uint32_t size = sizeof info;
    if (program && bpf_obj_get_info_by_fd(program.get(), &info, &size) == 0 && name == info.name) ++count;
  }
  return count;
}

TEST_F(ProbesTest, AllAreUp) {
  probes_ = Probes::open({.types = kTypes, .cgroup_mount = cgroup_mount(), .on = {"all"}});
  for (const model::ProbeState& probe : probes_->states())
    EXPECT_TRUE(probe.up) << probe.name << ": " << probe.why;
}

TEST_F(ProbesTest, EachShortProcessIsCounted) {
  ASSERT_TRUE(probes_->watch(id()));
  run(folder_, "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i+1)); done");
  const auto seen = probes_->read(id()).lifecycle;
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->forks, 1000U);
  EXPECT_EQ(seen->execs, 1001U);
  EXPECT_EQ(seen->exits, 1001U);
  EXPECT_EQ(seen->failures, 0U);
  EXPECT_EQ(seen->signals, 0U);
  EXPECT_EQ(seen->lifetimes.count(), 1001U);
  EXPECT_GT(seen->lifetimes.sum.count(), 0);
}

TEST_F(ProbesTest, EndsAreToldApart) {
  ASSERT_TRUE(probes_->watch(id()));
  run(folder_, "/bin/false; /bin/false; sh -c 'kill -9 $$'; /bin/true; exit 3");
  const auto seen = probes_->read(id()).lifecycle;
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->exits, 5U);
  EXPECT_EQ(seen->failures, 3U);
  EXPECT_EQ(seen->signals, 1U);
}

TEST_F(ProbesTest, ACgroupBelowCountsForItsContainer) {
  fs::create_directories(folder_ / "child");
  ASSERT_TRUE(probes_->watch(id()));
  run(folder_ / "child", "/bin/true; /bin/true");
  EXPECT_EQ(probes_->read(id()).lifecycle->forks, 2U);
  EXPECT_EQ(probes_->read(id_of(folder_ / "child")).lifecycle->forks, 0U);
}

TEST_F(ProbesTest, WhatCameBeforeItsNameIsCounted) {
  run(folder_, "/bin/true; /bin/true; /bin/true");
  ASSERT_TRUE(probes_->watch(id()));
  EXPECT_EQ(probes_->read(id()).lifecycle->forks, 3U);
  run(folder_, "/bin/true");
  EXPECT_EQ(probes_->read(id()).lifecycle->forks, 4U);
}

TEST_F(ProbesTest, WhoIsMovedInIsCounted) {
  ASSERT_TRUE(probes_->watch(id()));
  run(folder_, "exit 0");
  EXPECT_EQ(probes_->read(id()).lifecycle->attaches, 1U);
}

// Hierarchies of cgroup v1 may be beside v2 (mount -t cgroup -o none,name=x), and their ids begin at 1, too.
class CgroupV1 {
 public:
  CgroupV1() {
    fs::create_directories(mount_);
    EXPECT_EQ(::mount("none", mount_.c_str(), "cgroup", 0, "none,name=plimsoll-test"), 0)
        << std::strerror(errno);
  }
  ~CgroupV1() {
    for (const fs::path& one : made_) EXPECT_EQ(::rmdir(one.c_str()), 0) << one;
    EXPECT_EQ(::umount(mount_.c_str()), 0) << std::strerror(errno);
    fs::remove(mount_);
  }
  const fs::path& make() {
    made_.push_back(mount_ / std::to_string(made_.size()));
    EXPECT_TRUE(fs::create_directory(made_.back()));
    return made_.back();
  }

 private:
  const fs::path mount_ = "/tmp/plimsoll-v1-" + std::to_string(::getpid());
  std::vector<fs::path> made_;
};

TEST_F(ProbesTest, ACgroupOfV1IsNotTakenForThatOfV2WithItsId) {
  if (id().inode > 100'000) GTEST_SKIP() << "to get as far takes v1 too many cgroups on this host";
  std::set<model::CgroupId> containers;
  for (int i = 0; i < 20; ++i) {  // an id is an inode, and files have some: not every one can be met
    const fs::path one = folder_ / std::to_string(i);
    fs::create_directories(one);
    ASSERT_TRUE(probes_->watch(id_of(one)));
    containers.insert(id_of(one));
  }
  CgroupV1 v1;
  fs::path other = v1.make();
  while (!containers.contains(id_of(other)) && id_of(other) < *containers.rbegin()) other = v1.make();
  ASSERT_TRUE(containers.contains(id_of(other))) << "no id was met";
  const auto before = probes_->read(id_of(other)).lifecycle;
  run(other, "exit 0");
  const auto after = probes_->read(id_of(other)).lifecycle;
  ASSERT_TRUE(before && after);
  EXPECT_EQ(after->attaches, before->attaches);
}

TEST_F(ProbesTest, AForkBurstRaisesAnAlarmOnceAWindow) {
  probes_ = Probes::open(only({"lifecycle"}, {.window = std::chrono::hours(1), .forks_of_a_burst = 20}));
  ASSERT_TRUE(probes_->watch(id()));
  run(folder_, "i=0; while [ $i -lt 19 ]; do /bin/true; i=$((i+1)); done");
  EXPECT_TRUE(probes_->drain().empty());
  run(folder_, "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done");
  const auto alarms = probes_->drain();
  ASSERT_GE(alarms.size(), 1U);
  EXPECT_LE(alarms.size(), static_cast<std::size_t>(std::thread::hardware_concurrency()));
  EXPECT_EQ(alarms[0].container, id());
  EXPECT_EQ(alarms[0].why, model::ProbeAlarm::Why::kForkBurst);
  EXPECT_NE(alarms[0].pid, 0);
  EXPECT_TRUE(probes_->drain().empty());
}

TEST_F(ProbesTest, ThreadsAreNoProcesses) {
  ASSERT_TRUE(probes_->watch(id()));
  const pid_t child = ::fork();
  if (child == 0) {
    std::ofstream(folder_ / "cgroup.procs") << ::getpid() << std::flush;
    for (int i = 0; i < 7; ++i) std::thread([] {}).join();
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  const auto seen = probes_->read(id()).lifecycle;
  EXPECT_EQ(seen->threads, 7U);
  EXPECT_EQ(seen->forks, 0U);
  EXPECT_EQ(seen->exits, 1U);
}

// Threads that exit beside each other must not each be taken for the last.
TEST_F(ProbesTest, AProcessEndsOnceHoweverItsThreadsExit) {
  ASSERT_TRUE(probes_->watch(id()));
  constexpr int kProcesses = 100;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::ofstream(folder_ / "cgroup.procs") << ::getpid() << std::flush;
      for (int t = 0; t < 8; ++t) std::thread([] { ::syscall(SYS_exit, 0); }).detach();
      ::syscall(SYS_exit, 0);  // of this thread only: the others end by themselves
    }
    ::waitpid(child, nullptr, 0);
  }
  EXPECT_EQ(probes_->read(id()).lifecycle->exits, static_cast<std::uint64_t>(kProcesses));
}

TEST_F(ProbesTest, AContainersLastNumbersStayUntilTheyAreForgotten) {
  ASSERT_TRUE(probes_->watch(id()));
  const model::CgroupId gone = id();
  run(folder_, "/bin/true");
  fs::remove(folder_);
  EXPECT_EQ(probes_->read(gone).lifecycle->forks, 1U);
  probes_->forget(gone);
  EXPECT_EQ(probes_->read(gone).lifecycle->forks, 0U);
}

TEST_F(ProbesTest, NothingIsLeftInTheKernel) {
  EXPECT_GT(loaded("forked"), 0);
  probes_.reset();
  EXPECT_TRUE(vm_test::eventually([] { return loaded("forked") == 0; }));
}

TEST_F(ProbesTest, NothingIsLeftOfOneThatIsKilled) {
  probes_.reset();
  ASSERT_TRUE(vm_test::eventually([] { return loaded("forked") == 0; }));
  const pid_t child = ::fork();
  if (child == 0) {
    const auto probes = Probes::open(only({"lifecycle", "sched"}));
    while (true) ::pause();
  }
  ASSERT_TRUE(vm_test::eventually([] { return loaded("forked") > 0; }));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(vm_test::eventually([] { return loaded("forked") == 0; }));
}

// Leaves this process with these capabilities only; root's number gives no others while it makes no new
// program.
bool keep_only(std::initializer_list<int> capabilities) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (const int one : capabilities) {
    auto& half = data[static_cast<std::size_t>(one) / 32];
    half.effective |= 1U << (one % 32);
    half.permitted = half.effective;
  }
  return ::syscall(SYS_capset, &header, data.data()) == 0;
}

TEST_F(ProbesTest, ThreeCapabilitiesAreEnough) {
  probes_.reset();
  const pid_t child = ::fork();
  if (child == 0) {
    if (!keep_only({CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN})) ::_exit(100);
    int down = 0;
    for (const model::ProbeState& one :
         Probes::open({.types = kTypes, .cgroup_mount = cgroup_mount(), .on = {"all"}})->states()) {
      if (one.up) continue;
      ++down;
      std::fprintf(stderr, "%s: %s\n", one.name.c_str(), one.why.c_str());
    }
    ::_exit(down);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "probes that are not up";
}

TEST_F(ProbesTest, OneThatIsSwitchedOffSaysSo) {
  probes_ = Probes::open(only({"sched"}));
  EXPECT_FALSE(probes_->states().front().up);
  EXPECT_EQ(probes_->states().front().why, "switched off");
  EXPECT_FALSE(probes_->read(id()).lifecycle);
  EXPECT_TRUE(probes_->watch(id()));
}

TEST_F(ProbesTest, AFullMapIsCountedAsLost) {
  probes_ = Probes::open(only({"lifecycle"}, {.most_containers = 1}));
  ASSERT_TRUE(probes_->watch(id()));
  run(folder_, "/bin/true");
  fs::create_directories(folder_ / "child");
  EXPECT_FALSE(probes_->watch(id_of(folder_ / "child")));
  // This process' own cgroup, in which the shell was forked, is the other one that wants an entry.
  EXPECT_GT(probes_->states().front().lost_map_full, 0U);
}

}  // namespace
}  // namespace plimsoll::bpf
