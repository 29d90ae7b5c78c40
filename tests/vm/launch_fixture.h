// Containers for the tests of the launcher and the shim on a real kernel: a root of busybox and the probe, a
// bundle from Docker's defaults, the runtime as a child process with its output.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "agent/oci/spec.h"
#include "tests/vm/program.h"

namespace plimsoll::launch_test {

namespace fs = std::filesystem;

inline constexpr const char* kCgroups = "/sys/fs/cgroup";

using vm_test::eventually;
using vm_test::text_of;

inline void write_text(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

struct Outcome {
  int status = -1;  // exit status, 128+N for signal N
  std::string out;  // stdout and stderr
};

// Runs a program to its end.
inline Outcome run_program(const std::vector<std::string>& words, const std::string& input = "") {
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) return {};
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(in[0], 0);
    ::dup2(out[1], 1);
    ::dup2(out[1], 2);
    std::vector<char*> args;
    for (const std::string& word : words) args.push_back(const_cast<char*>(word.c_str()));
    args.push_back(nullptr);
    ::execv(args[0], args.data());
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  EXPECT_EQ(::write(in[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
  ::close(in[1]);
  Outcome outcome;
  char buffer[4096];
  // A container that was let go holds the pipe open: the end is the program's, not the pipe's.
  int status = 0;
  while (true) {
    pollfd one{out[0], POLLIN, 0};
    const bool ended = ::waitpid(pid, &status, WNOHANG) == pid;
    while (::poll(&one, 1, ended ? 0 : 20) == 1) {
      const ssize_t got = ::read(out[0], buffer, sizeof buffer);
      if (got <= 0) break;
      outcome.out.append(buffer, static_cast<std::size_t>(got));
    }
    if (ended) break;
  }
  ::close(out[0]);
  outcome.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return outcome;
}

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
  Outcome runtime(std::vector<std::string> words, const std::string& input = "") const {
    return run_program(command(std::move(words)), input);
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
