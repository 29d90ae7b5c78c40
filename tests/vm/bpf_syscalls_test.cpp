// The probe of system calls, against a workload that counts its own. Needs CAP_BPF and CAP_PERFMON.
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <functional>

#include "tests/vm/bpf_fixture.h"

namespace plimsoll::bpf {
namespace {

std::uint64_t errors(const model::Syscalls& seen, int number) {
  const auto found = std::ranges::find(seen.errors, number, &model::Syscalls::Failed::number);
  return found == seen.errors.end() ? 0 : found->calls;
}
std::uint64_t all_errors(const model::Syscalls& seen) {
  std::uint64_t all = 0;
  for (const auto& one : seen.errors) all += one.calls;
  return all;
}

class SyscallsTest : public ProbesTest {
 protected:
  SyscallsTest() : ProbesTest({"syscalls"}) {}
  struct Change {
    std::uint64_t calls, errors, enoent;
  };
  // What was counted while a child in `folder` did its work, which makes `calls` system calls. The child
  // waits in a read before and after: the read's return and the write that tells of the end are counted too.
  Change count(const fs::path& folder, std::uint64_t calls, const std::function<void()>& work) {
    int go[2], done[2];
    EXPECT_EQ(::pipe(go) | ::pipe(done), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      std::ofstream(folder / "cgroup.procs") << ::getpid() << std::flush;
      ::close(go[1]);
      char byte = 0;
      if (::write(done[1], &byte, 1) != 1 || ::read(go[0], &byte, 1) != 1) ::_exit(1);
      work();
      if (::write(done[1], &byte, 1) != 1) ::_exit(1);
      while (::read(go[0], &byte, 1) != 0) {
      }
      ::_exit(0);
    }
    char byte = 0;
    EXPECT_EQ(::read(done[0], &byte, 1), 1);
    EXPECT_TRUE(vm_test::eventually([&] { return state_of(child) == 'S'; }));
    const model::Syscalls before = seen();
    EXPECT_EQ(::write(go[1], &byte, 1), 1);
    EXPECT_EQ(::read(done[0], &byte, 1), 1);
    EXPECT_TRUE(vm_test::eventually([&] { return seen().calls >= before.calls + calls + 2; }));
    EXPECT_TRUE(vm_test::eventually([&] { return state_of(child) == 'S'; }));
    const model::Syscalls after = seen();
    for (const int fd : {go[0], go[1], done[0], done[1]}) ::close(fd);
    ::waitpid(child, nullptr, 0);
    return {after.calls - before.calls - 2, all_errors(after) - all_errors(before),
            errors(after, ENOENT) - errors(before, ENOENT)};
  }
  static char state_of(pid_t pid) {
    const std::string stat = vm_test::text_of("/proc/" + std::to_string(pid) + "/stat");
    const auto end = stat.rfind(')');
    return end == std::string::npos ? '?' : stat[end + 2];
  }
  model::Syscalls seen() const {
    const auto out = probes_->read(id()).syscalls;
    EXPECT_TRUE(out);
    return out.value_or(model::Syscalls{});
  }
};

constexpr int kCalls = 5000;

TEST_F(SyscallsTest, EachCallIsCountedOnce) {
  ASSERT_TRUE(probes_->watch(id()));
  const Change change = count(folder_, kCalls, [] {
    for (int i = 0; i < kCalls; ++i) ::syscall(SYS_getppid);
  });
  EXPECT_EQ(change.calls, kCalls);
  EXPECT_EQ(change.errors, 0U);
}

TEST_F(SyscallsTest, ErrorsAreCountedByErrno) {
  ASSERT_TRUE(probes_->watch(id()));
  const Change change = count(folder_, 2 * kCalls + 1, [] {
    for (int i = 0; i < kCalls; ++i) {
      ::syscall(SYS_getppid);
      ::syscall(SYS_openat, AT_FDCWD, "/no/such/file", O_RDONLY);
    }
    ::syscall(SYS_close, 1000);
  });
  EXPECT_EQ(change.calls, 2 * kCalls + 1);
  EXPECT_EQ(change.enoent, kCalls);
  EXPECT_EQ(change.errors, kCalls + 1);
  EXPECT_GE(errors(seen(), EBADF), 1U);
}

TEST_F(SyscallsTest, ACgroupBelowCountsForItsContainer) {
  fs::create_directories(folder_ / "child");
  ASSERT_TRUE(probes_->watch(id()));
  const Change change = count(folder_ / "child", kCalls, [] {
    for (int i = 0; i < kCalls; ++i) ::syscall(SYS_getppid);
  });
  EXPECT_EQ(change.calls, kCalls);
  EXPECT_FALSE(probes_->read(id_of(folder_ / "child")).syscalls);
}

// A read that a signal interrupts and the kernel begins again fails for nobody; a pause that ends so, does.
TEST_F(SyscallsTest, WhatTheKernelBeginsAgainIsNoError) {
  ASSERT_TRUE(probes_->watch(id()));
  int idle[2];
  ASSERT_EQ(::pipe(idle), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::ofstream(folder_ / "cgroup.procs") << ::getpid() << std::flush;
    struct sigaction again{};
    again.sa_handler = [](int) {};
    again.sa_flags = SA_RESTART;
    ::sigaction(SIGUSR1, &again, nullptr);
    char byte = 0;
    if (::read(idle[0], &byte, 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  const auto asleep = [&](const char* where) {
    return vm_test::eventually([&] {
      return state_of(child) == 'S' &&
             vm_test::text_of("/proc/" + std::to_string(child) + "/syscall").starts_with(where);
    });
  };
  const std::string reading = std::to_string(SYS_read) + " ", pausing = std::to_string(SYS_pause) + " ";
  ASSERT_TRUE(asleep(reading.c_str()));
  const model::Syscalls before = seen();
  ::kill(child, SIGUSR1);
  // The interrupted read, and the return from the handler.
  ASSERT_TRUE(vm_test::eventually([&] { return seen().calls >= before.calls + 2; }));
  ASSERT_TRUE(asleep(reading.c_str()));
  EXPECT_EQ(all_errors(seen()), all_errors(before));
  EXPECT_EQ(::write(idle[1], "x", 1), 1);
  ASSERT_TRUE(asleep(pausing.c_str()));
  ::kill(child, SIGUSR1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(errors(seen(), EINTR) - errors(before, EINTR), 1U);
  for (const int fd : idle) ::close(fd);
}

TEST_F(SyscallsTest, ItIsLoadedOnlyWhereItIsAskedFor) {
  auto options = only({"syscalls"});
  options.on.clear();
  probes_ = Probes::open(options);
  const auto states = probes_->states();
  const auto found = std::ranges::find(states, "syscalls", &model::ProbeState::name);
  ASSERT_NE(found, states.end());
  EXPECT_FALSE(found->up);
  EXPECT_TRUE(found->unasked);
  EXPECT_EQ(found->why, "not asked for; --probe syscalls loads it");
  options.on = {"syscalls"};
  probes_ = Probes::open(options);
  ASSERT_TRUE(probes_->watch(id()));
  EXPECT_TRUE(probes_->read(id()).syscalls);
}

}  // namespace
}  // namespace plimsoll::bpf
