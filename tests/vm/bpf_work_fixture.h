// Work in a cgroup of the test's own, with the controllers that it needs, and what the kernel itself counts
// of it.
#pragma once

#include <signal.h>

#include <cstdio>
#include <functional>
#include <sstream>

#include "tests/vm/bpf_fixture.h"

namespace plimsoll::bpf {

inline constexpr std::size_t kMiB = 1U << 20;

class WorkTest : public ProbesTest {
 protected:
  using ProbesTest::ProbesTest;
  void SetUp() override {
    ProbesTest::SetUp();
    write(fs::path(cgroup_mount()) / "cgroup.subtree_control", "+memory +io");
    ASSERT_TRUE(probes_->watch(id()));
  }
  static void write(const fs::path& file, const std::string& text) {
    std::ofstream out(file);
    out << text << std::flush;
    ASSERT_TRUE(out) << "write " << file;
  }
  // Begins it in the cgroup; it ends with what `work` returns.
  static pid_t begin(const fs::path& folder, const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::ofstream(folder / "cgroup.procs") << ::getpid() << std::flush;
      ::_exit(work());
    }
    return child;
  }
  // To its end; its exit status.
  static int wait_for(pid_t child) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return vm_test::status_of(status);
  }
  static int work(const fs::path& folder, const std::function<int()>& work) {
    return wait_for(begin(folder, work));
  }
  static void end(pid_t child) {
    ::kill(child, SIGKILL);
    wait_for(child);
  }
  // What an event cost, where the guest was told to measure it (sysctl kernel.bpf_stats_enabled).
  void print_costs() const {
    for (const model::ProbeState& probe : probes_->states()) {
      if (probe.runs == 0) continue;
      std::printf("%s: %.0f ns an event, %llu events, %llu missed\n", probe.name.c_str(),
                  static_cast<double>(probe.spent.count()) / static_cast<double>(probe.runs),
                  static_cast<unsigned long long>(probe.runs), static_cast<unsigned long long>(probe.missed));
    }
  }
  // Of a control file of "KEY VALUE" lines.
  std::uint64_t field(const std::string& file, const std::string& key) const {
    std::ifstream in(folder_ / file);
    std::string name;
    for (std::uint64_t value = 0; in >> name >> value;) {
      if (name == key) return value;
    }
    ADD_FAILURE() << file << " has no " << key;
    return 0;
  }
  // The number after "KEY=" in the first line that has it; 0: none has.
  std::uint64_t number(const std::string& file, const std::string& line_with, const std::string& key) const {
    std::ifstream in(folder_ / file);
    for (std::string line; std::getline(in, line);) {
      const std::size_t at = line.find(" " + key + "=");
      if (line.starts_with(line_with) && at != std::string::npos)
        return std::stoull(line.substr(at + key.size() + 2));
    }
    return 0;
  }
};

}  // namespace plimsoll::bpf
