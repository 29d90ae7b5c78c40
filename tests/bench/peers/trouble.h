// What eats a host's memory, and what only looks as if it did. Each runs in a cgroup of its own, named as
// Docker names it.
#pragma once

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

namespace plimsoll::bench {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;
inline constexpr std::size_t kMiB = 1 << 20;

// The number behind a word of a file of lines; 0: it is not there.
inline std::size_t number_of(const std::string& file, const std::string& wanted) {
  std::ifstream in(file);
  std::string word;
  while (in >> word) {
    std::size_t value = 0;
    if (word == wanted && in >> value) return value;
  }
  return 0;
}
inline std::size_t available() { return number_of("/proc/meminfo", "MemAvailable:") << 10; }
inline std::size_t total() { return number_of("/proc/meminfo", "MemTotal:") << 10; }
inline std::size_t kernels_kills() { return number_of("/proc/vmstat", "oom_kill"); }

inline char* take(std::size_t bytes) {
  return static_cast<char*>(
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

// A cgroup with one child process in it that does `what`; both are gone when this is.
class Container {
 public:
  Container(int number, const std::function<void()>& what, const std::string& high = "") {
    std::array<char, 65> id{};
    std::snprintf(id.data(), id.size(), "%032x%032x", ::getpid(), number);
    cgroup_ = std::filesystem::path("/sys/fs/cgroup/docker") / id.data();
    std::filesystem::create_directories(cgroup_);
    if (!high.empty()) std::ofstream(cgroup_ / "memory.high") << high << std::flush;
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::setpgid(0, 0);
    std::ofstream("/proc/self/oom_score_adj") << 0 << std::flush;
    std::ofstream(cgroup_ / "cgroup.procs") << ::getpid() << std::flush;
    what();
    ::_exit(0);
  }
  ~Container() {
    std::ofstream(cgroup_ / "cgroup.kill") << 1 << std::flush;
    ::waitpid(pid_, nullptr, 0);
    std::error_code error;
    while (!std::filesystem::remove(cgroup_, error) && error) std::this_thread::sleep_for(10ms);
  }
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  bool ended() const {
    siginfo_t told{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &told, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           told.si_pid == pid_;
  }
  // Whether somebody ended it before it was done; waits for its end.
  bool killed() const {
    siginfo_t told{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &told, WEXITED | WNOWAIT);
    return told.si_code != CLD_EXITED || told.si_status != 0;
  }

 private:
  std::filesystem::path cgroup_;
  pid_t pid_ = -1;
};

// Takes memory until it is ended: at once down to `near` of what is available, then `a_second` (0: as fast as
// it can).
inline void hog(std::size_t near, std::size_t a_second) {
  constexpr std::size_t kStep = kMiB;
  char* memory = take(std::size_t{64} << 30);
  const auto before = available();
  std::size_t at = 0;
  for (const std::size_t first = before > near ? before - near : 0; at < first; at += kStep)
    std::memset(memory + at, 1, kStep);
  const auto began = SteadyClock::now();
  for (std::size_t taken = 0;; taken += kStep, at += kStep) {
    std::memset(memory + at, 1, kStep);
    if (a_second == 0) continue;
    std::this_thread::sleep_until(
        began + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(
                    static_cast<double>(taken) / static_cast<double>(a_second))));
  }
}

// Reads and writes more than there is memory left: all of it page cache that can be had back.
inline void cache_burst() {
  constexpr std::size_t kChunk = kMiB;
  const std::string name = "/mnt/bench/burst";
  std::string chunk(kChunk, '\0');
  {
    std::ofstream out(name, std::ios::binary);
    const std::size_t all = available() * 3 / 2;
    for (std::size_t at = 0; at < all; at += kChunk) out.write(chunk.data(), kChunk);
  }
  std::ifstream in(name, std::ios::binary);
  while (in.read(chunk.data(), kChunk)) {
  }
  std::filesystem::remove(name);
}

// Takes memory down to 7 % of the host's, for a moment, and ends.
inline void allocation_burst() {
  const std::size_t line = total() * 7 / 100, now = available();
  if (now <= line) ::_exit(0);
  std::memset(take(now - line), 1, now - line);
  std::this_thread::sleep_for(300ms);
}

// As a build does: many short processes, four at a time, each of some memory.
inline void fork_burst() {
  for (int i = 0; i < 80; ++i) {
    if (i >= 4) ::wait(nullptr);
    if (::fork() != 0) continue;
    std::memset(take(16 * kMiB), 1, 16 * kMiB);
    ::_exit(0);
  }
  while (::wait(nullptr) > 0) {
  }
}

// Batch work that is meant to be slow: over its memory.high again and again, for 40 s.
inline void throttled_batch() {
  for (const auto end = SteadyClock::now() + 40s; SteadyClock::now() < end;) {
    char* memory = take(72 * kMiB);
    for (std::size_t at = 0; at < 72 * kMiB && SteadyClock::now() < end; at += 4096) memory[at] = 1;
    ::munmap(memory, 72 * kMiB);
  }
}

struct Burst {
  const char* name;
  void (*act)();
  const char* high;  // its memory.high
  bool slow;         // takes most of a minute
};
inline constexpr std::array kBursts = {
    Burst{"page cache", cache_burst, "", true},
    Burst{"allocation", allocation_burst, "", false},
    Burst{"forks", fork_burst, "", false},
    Burst{"throttled", throttled_batch, "64M", true},
};

}  // namespace plimsoll::bench
