// Processes of the test's own in the cgroups of containers, which do one thing each and tell of it through
// shared memory. They end with their container, or with the test.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/vm/program.h"

namespace plimsoll::vm_test {

class Worker {
 public:
  struct Shared {
    std::atomic<std::uint64_t> count{0};  // of what it does
    std::atomic<bool> go{false};          // what it was told
    // Of its last requests: from when each came to when it was answered.
    std::array<std::atomic<std::int64_t>, 1024> took_ns{};
  };
  Worker(const std::filesystem::path& cgroup, void (*work)(Shared&)) {
    shared_ = static_cast<Shared*>(
        ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    new (shared_) Shared();
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::ofstream(cgroup / "cgroup.procs") << ::getpid() << std::flush;
    work(*shared_);
    ::_exit(0);
  }
  ~Worker() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::munmap(shared_, sizeof(Shared));
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Shared& shared() { return *shared_; }
  std::uint64_t count() const { return shared_->count; }
  // A zombie until the worker is destroyed.
  bool dead() const {
    siginfo_t told{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &told, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           told.si_pid == pid_;
  }

 private:
  Shared* shared_ = nullptr;
  pid_t pid_ = -1;
};

inline void pin_to_first_cpu() {
  cpu_set_t first;
  CPU_ZERO(&first);
  CPU_SET(0, &first);
  ::sched_setaffinity(0, sizeof first, &first);
}

inline void burn(std::chrono::nanoseconds of_cpu_time) {
  const auto used = [] {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  };
  const auto end = used() + of_cpu_time;
  while (used() < end) {
  }
}

// What takes all it can get of the first CPU, or of any.
inline void hog_first_cpu(Worker::Shared&) {
  pin_to_first_cpu();
  while (true) burn(std::chrono::seconds(1));
}
inline void hog_any_cpu(Worker::Shared&) {
  while (true) burn(std::chrono::seconds(1));
}

// A server whose requests come at their times, answered or not, so that each that waits holds up the next. It
// needs WORK of each PERIOD, both in ms, of the first CPU. `go` lets go of those that have come and wait.
template <int kPeriod, int kWork>
void serve(Worker::Shared& shared) {
  using Clock = std::chrono::steady_clock;
  pin_to_first_cpu();
  auto comes = Clock::now();
  while (true) {
    if (shared.go.exchange(false)) comes = Clock::now();
    comes += std::chrono::milliseconds(kPeriod);
    std::this_thread::sleep_until(comes);
    burn(std::chrono::milliseconds(kWork));
    shared.took_ns[shared.count % shared.took_ns.size()] =
        std::chrono::nanoseconds(Clock::now() - comes).count();
    shared.count.fetch_add(1);
  }
}

// The 99th percentile of the answers to so many requests from now on, in ms.
inline double p99_of_next(Worker& server, std::uint64_t requests) {
  server.shared().go = true;
  // Two that may have been on their way.
  const std::uint64_t first = server.count() + 2;
  if (!eventually([&] { return server.count() >= first + requests; })) ADD_FAILURE() << "nobody is served";
  std::vector<std::int64_t> took;
  for (std::uint64_t i = first; i < first + requests; ++i)
    took.push_back(server.shared().took_ns[i % server.shared().took_ns.size()]);
  std::ranges::sort(took);
  return static_cast<double>(took[took.size() * 99 / 100]) / 1e6;
}

// The latest of its last answers, in ms.
inline double slowest(Worker& server) {
  std::int64_t worst = 0;
  for (const auto& one : server.shared().took_ns) worst = std::max(worst, one.load());
  return static_cast<double>(worst) / 1e6;
}

// Takes 4 MiB each time, then rests a little; the count is what it has, in MiB.
inline void grow(Worker::Shared& shared) {
  constexpr std::size_t kMost = std::size_t{8} << 30, kStep = std::size_t{4} << 20;
  auto* memory = static_cast<char*>(
      ::mmap(nullptr, kMost, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  for (std::size_t at = 0; at + kStep < kMost; at += kStep) {
    std::memset(memory + at, 1, kStep);
    shared.count = (at + kStep) >> 20;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

// Holds so many MiB that it touches again each time it is told to; the count is how often it has.
template <std::size_t kMiBs>
void hold(Worker::Shared& shared) {
  constexpr std::size_t kBytes = kMiBs << 20;
  auto* memory =
      static_cast<char*>(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  while (true) {
    for (std::size_t at = 0; at < kBytes; at += 4096) ++memory[at];
    shared.count.fetch_add(1);
    while (!shared.go.exchange(false)) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

// Each of its processes forks without end. The count is how often one of them was refused.
inline void fork_bomb(Worker::Shared& shared) {
  while (true) {
    if (::fork() < 0) shared.count.fetch_add(1);
  }
}

}  // namespace plimsoll::vm_test
