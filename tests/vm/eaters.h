// Processes that hold a known amount of memory in a cgroup.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace plimsoll::vm_test {

struct Eater {
  pid_t pid = -1;
  std::uint64_t anon = 0;  // bytes, by its own page tables, when it had eaten; 0: it did not live to say so
};

class Eaters {
 public:
  ~Eaters() { end(); }

  // A process of that name that fills so much memory, says so, and stays. Returns when it has said so, or is
  // dead.
  Eater eat(const std::filesystem::path& cgroup, const char* name, std::uint64_t bytes, int score_adj = 0) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    Eater one{::fork(), 0};
    if (one.pid == 0) {
      write(cgroup / "cgroup.procs", std::to_string(::getpid()));
      write("/proc/self/oom_score_adj", std::to_string(score_adj));
      ::prctl(PR_SET_NAME, name);
      void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      std::memset(memory, 1, bytes);
      const std::uint64_t told = field("/proc/self/smaps_rollup", "Anonymous:") << 10;
      if (::write(ends[1], &told, sizeof told) != sizeof told) ::_exit(1);
      while (true) ::pause();
    }
    ::close(ends[1]);
    pids_.push_back(one.pid);
    if (::read(ends[0], &one.anon, sizeof one.anon) != sizeof one.anon) one.anon = 0;
    ::close(ends[0]);
    return one;
  }

  void end() {
    for (const pid_t pid : pids_) ::kill(pid, SIGKILL);
    for (const pid_t pid : pids_) ::waitpid(pid, nullptr, 0);
    pids_.clear();
  }

  static void write(const std::filesystem::path& file, const std::string& text) {
    std::ofstream out(file);
    out << text << std::flush;
    EXPECT_TRUE(out) << file << " < " << text;
  }
  // The number behind a word of a file; 0: it is not there.
  static std::uint64_t field(const std::filesystem::path& file, const std::string& wanted) {
    std::ifstream in(file);
    std::string word;
    for (std::uint64_t value = 0; in >> word;) {
      if (word == wanted && in >> value) return value;
    }
    return 0;
  }

 private:
  std::vector<pid_t> pids_;
};

}  // namespace plimsoll::vm_test
