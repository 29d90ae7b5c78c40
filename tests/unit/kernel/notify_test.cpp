// Inotify, pidfds, PSI thresholds and host facts, as far as any kernel has them.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "agent/kernel/host_facts.h"
#include "agent/kernel/inotify.h"
#include "agent/kernel/pidfd.h"
#include "agent/kernel/psi_trigger.h"

namespace plimsoll::kernel {
namespace {

namespace fs = std::filesystem;

TEST(Inotify, TellsWhatHappenedInOrder) {
  const fs::path folder = fs::path(::testing::TempDir()) / ("inotify-" + std::to_string(::getpid()));
  fs::create_directory(folder);
  auto inotify = Inotify::open();
  ASSERT_TRUE(inotify);
  const auto watch = inotify->add(folder, IN_CREATE | IN_DELETE);
  ASSERT_TRUE(watch);
  EXPECT_TRUE(inotify->drain()->empty());
  fs::create_directory(folder / "one");
  fs::remove(folder / "one");
  const auto changes = inotify->drain();
  ASSERT_TRUE(changes);
  ASSERT_EQ(changes->size(), 2U);
  EXPECT_EQ((*changes)[0].name, "one");
  EXPECT_EQ((*changes)[0].watch, *watch);
  EXPECT_TRUE((*changes)[0].mask & IN_CREATE);
  EXPECT_TRUE((*changes)[1].mask & IN_DELETE);
  fs::remove_all(folder);
  EXPECT_EQ(inotify->add(folder, IN_CREATE).error().kind(), ErrorKind::kNotFound);
}

TEST(Pidfd, HoldsAProcess) {
  const int child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  const auto process = Pidfd::open(child);
  ASSERT_TRUE(process) << process.error().message();
  EXPECT_FALSE(process->ended());
  ASSERT_TRUE(process->signal(SIGKILL));
  pollfd poll_one{process->fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&poll_one, 1, 30'000), 1);
  EXPECT_TRUE(process->ended());
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(process->signal(SIGTERM).error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(Pidfd::open(child).error().kind(), ErrorKind::kNotFound);
}

TEST(PsiTrigger, WithoutPrivilegeTheWindowIsAMultipleOfTwoSeconds) {
  const PsiThreshold tenth = unprivileged({Microseconds(50'000), Microseconds(500'000)});
  EXPECT_EQ(tenth.window, Microseconds(2'000'000));
  EXPECT_EQ(tenth.stall, Microseconds(200'000));
  EXPECT_EQ(unprivileged({Microseconds(1), Microseconds(2'000'000)}).window, Microseconds(2'000'000));
  EXPECT_EQ(unprivileged({Microseconds(1), Microseconds(2'500'000)}).window, Microseconds(4'000'000));
}

TEST(HostFacts, AreReadFromTheFixture) {
  const std::string folder = std::string(PLIMSOLL_FIXTURES) + "/cgroup-6.12";
  const fs::path etc = fs::path(::testing::TempDir()) / ("etc-" + std::to_string(::getpid()));
  fs::create_directory(etc);
  std::ofstream(etc / "os-release") << "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
  std::ofstream(etc / "machine-id") << "0123456789abcdef0123456789abcdef\n";
  const auto facts = read_host_facts({folder + "/proc", "/nowhere", etc});
  fs::remove_all(etc);
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_TRUE(facts->kernel_version.starts_with("6.12.")) << facts->kernel_version;
  EXPECT_EQ(facts->os_version, "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(facts->machine_id, "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(facts->boot_id.size(), 36U);
  EXPECT_EQ(facts->system_uuid, "");
  EXPECT_EQ(facts->cpus, 2U);
  EXPECT_EQ(facts->physical_cores, 2U);
  EXPECT_EQ(facts->sockets, 1U);
  EXPECT_GT(facts->memory.value, 1UL << 30);
  EXPECT_EQ(facts->cgroup_mount, "/sys/fs/cgroup");
  EXPECT_TRUE(facts->psi);
  EXPECT_FALSE(read_host_facts({"/nowhere", "/nowhere", "/nowhere"}));
}

}  // namespace
}  // namespace plimsoll::kernel
