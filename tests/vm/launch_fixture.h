// Containers for the tests of the launcher and the shim on a real kernel: a root of busybox and the probe, a
// bundle from Docker's defaults, the runtime as a child process with its output.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "agent/oci/spec.h"
#include "tests/vm/program.h"

namespace plimsoll::launch_test {

namespace fs = std::filesystem;

inline constexpr const char* kCgroups = "/sys/fs/cgroup";

using vm_test::eventually;
using vm_test::Outcome;
using vm_test::run_program;
using vm_test::text_of;

inline void write_text(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

class LaunchTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/launch-test.XXXXXX";
    folder_ = ::mkdtemp(name.data());
    ::chmod(folder_.c_str(), 0755);
    root_ = folder_ / "bundle/rootfs";
    for (const char* part : {"bin", "etc", "tmp", "proc", "dev", "sys"}) fs::create_directories(root_ / part);
    fs::copy_file("/bin/busybox", root_ / "bin/busybox");
    fs::copy_file(PLIMSOLL_PROBE, root_ / "bin/probe");
    for (const char* applet :
         {"sh",   "cat",      "ls", "id",   "sleep", "mount", "readlink", "mknod", "touch", "true", "grep",
          "stat", "hostname", "ps", "kill", "head",  "stty",  "seq",      "umask", "env",   "dd",   "wc"}) {
      fs::create_symlink("busybox", root_ / "bin" / applet);
    }
    spec_ = oci::default_spec();
    spec_.process->env = {"PATH=/bin"};
    spec_.linux_.cgroups_path = "/launch-test/" + id_;
  }

  void TearDown() override {
    EXPECT_EQ(runtime({"delete", "--force", id_}).status, 0);
    expect_nothing_left();
    fs::remove_all(folder_);
  }

  void expect_nothing_left() const {
    EXPECT_FALSE(fs::exists(folder_ / "state" / id_));
    EXPECT_FALSE(fs::exists(std::string(kCgroups) + "/launch-test"));
    EXPECT_EQ(text_of("/proc/self/mounts").find(folder_), std::string::npos);
  }

  void write_bundle() const { write_text(folder_ / "bundle/config.json", oci::to_json(spec_)); }

  std::vector<std::string> command(std::vector<std::string> words) const {
    std::vector<std::string> all = {PLIMSOLL_RUNTIME, "--root", folder_ / "state"};
    all.insert(all.end(), words.begin(), words.end());
    return all;
  }
  // Both of its streams are in `out`.
  Outcome runtime(std::vector<std::string> words, const std::string& input = "") const {
    return run_program(command(std::move(words)), input, true);
  }

  // Runs this shell script in a container of spec_.
  Outcome in_container(const std::string& script) {
    spec_.process->args = {"sh", "-c", script};
    write_bundle();
    return runtime({"run", "--bundle", folder_ / "bundle", id_});
  }
  Outcome create() {
    write_bundle();
    return runtime({"create", "--bundle", folder_ / "bundle", "--pid-file", folder_ / "pid", id_});
  }
  int pid() const { return std::atoi(text_of(folder_ / "pid").c_str()); }
  // A running `sleep`.
  void start_sleeper() {
    spec_.process->args = {"sleep", "1000"};
    const Outcome created = create();
    ASSERT_EQ(created.status, 0) << created.out;
    const Outcome started = runtime({"start", id_});
    ASSERT_EQ(started.status, 0) << started.out;
    ASSERT_TRUE(eventually([&] { return text_of("/proc/" + std::to_string(pid()) + "/comm") == "sleep\n"; }));
  }
  std::string control(const std::string& file) const {
    return text_of(std::string(kCgroups) + spec_.linux_.cgroups_path + "/" + file);
  }

  fs::path folder_, root_;
  oci::Spec spec_;
  std::string id_ = "t1";
};

}  // namespace plimsoll::launch_test
