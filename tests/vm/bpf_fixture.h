// A cgroup of the test's own, and the probes. Needs CAP_BPF and CAP_PERFMON.
#pragma once

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "agent/kernel/cgroup.h"
#include "agent/kernel/file.h"
#include "bpf/probes.h"
#include "tests/vm/program.h"

namespace plimsoll::bpf {

namespace fs = std::filesystem;

inline std::string cgroup_mount() {
  const auto mounts = kernel::read_file("/proc/self/mounts");
  return mounts ? kernel::find_cgroup2_mount(*mounts).value_or("") : "";
}

inline constexpr const char* kTypes = "/sys/kernel/btf/vmlinux";

// To load one takes an emulated guest seconds: `rest` with no other probes than these.
inline Probes::Options only(const std::set<std::string_view>& wanted, Probes::Options rest = {}) {
  rest.types = kTypes;
  rest.cgroup_mount = cgroup_mount();
  rest.on = {"all"};
  for (const std::string_view name : probe_names()) {
    if (!wanted.contains(name)) rest.off.emplace(name);
  }
  return rest;
}

// The descriptor here of a program or a map of that name, "bpf-prog" or "bpf-map": by its id it could be that
// of another process. -1: there is none.
template <typename Info>
int own_fd(const std::string& kind, std::string_view name) {
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (fs::read_symlink(entry.path(), gone) != "anon_inode:" + kind) continue;
    const int fd = std::stoi(entry.path().filename());
    Info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.name == name) return fd;
  }
  return -1;
}

class ProbesTest : public testing::Test {
 protected:
  ProbesTest() : ProbesTest({"lifecycle"}) {}
  explicit ProbesTest(const std::set<std::string_view>& wanted) : probes_(Probes::open(only(wanted))) {}
  void SetUp() override {
    ASSERT_NE(cgroup_mount(), "");
    fs::create_directories(folder_);
  }
  // Also of a test that stopped half-way: nothing of it runs on, and no cgroup stays.
  void TearDown() override {
    if (!fs::exists(folder_)) return;
    std::ofstream(folder_ / "cgroup.kill") << 1 << std::flush;
    Result<> removed;
    EXPECT_TRUE(vm_test::eventually([&] {  // what was killed may take a while to be gone
      removed = kernel::remove_cgroup_tree(folder_);
      return removed.has_value();
    })) << removed.error().message();
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
  // "": it is up. Natively some are refused; then a test has nothing to wait for.
  std::string why_down(std::string_view name) const {
    for (const model::ProbeState& probe : probes_->states()) {
      if (probe.name == name) return probe.up ? "" : probe.why;
    }
    return "there is no such probe";
  }
  static model::CgroupId id_of(const fs::path& folder) {
    struct stat facts{};
    EXPECT_EQ(::stat(folder.c_str(), &facts), 0);
    return {facts.st_ino};
  }
  model::CgroupId id() const { return id_of(folder_); }

  // Runs a script to its end in a cgroup; its shell is not forked there, but ends there.
  static void run(const fs::path& folder, const std::string& script) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::ofstream(folder / "cgroup.procs") << ::getpid() << std::flush;
      ::execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
      ::_exit(127);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
  }

  fs::path folder_ = fs::path(cgroup_mount()) / ("plimsoll-bpf-" + std::to_string(::getpid()));
  std::unique_ptr<Probes> probes_;
};

}  // namespace plimsoll::bpf
