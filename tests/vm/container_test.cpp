// Containers on a real kernel, launched by the real shim: run in the guest from the project's root, with
// plimsoll-runtime beside this executable.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "agent/base/clock.h"
#include "agent/container/containers.h"
#include "agent/image/store.h"
#include "tests/vm/program.h"

namespace plimsoll::container {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using vm_test::eventually;

class ContainerVm : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path tree = "/tmp/image-tree";
    if (!fs::exists(tree)) {
      fs::create_directories(tree / "bin");
      fs::copy_file("/bin/busybox", tree / "bin/busybox");
      for (const char* name : {"sh", "sleep", "cat", "echo", "tail", "dd"})
        fs::create_symlink("busybox", tree / "bin" / name);
      for (const char* name : {"proc", "sys", "dev", "tmp", "etc"}) fs::create_directories(tree / name);
      std::ofstream(tree / "etc/passwd") << "root:x:0:0::/root:/bin/sh\nweb:x:7:8::/srv:/bin/sh\n";
      ASSERT_EQ(std::system("tar -C /tmp/image-tree -cf /tmp/image.tar ."), 0);
    }
    open();
    if (store_->find("demo")) return;
    std::ifstream tar("/tmp/image.tar", std::ios::binary);
    auto image = store_->import(
        [&](std::span<char> into) -> Result<std::size_t> {
          tar.read(into.data(), static_cast<std::streamsize>(into.size()));
          return static_cast<std::size_t>(tar.gcount());
        },
        {.reference = image::Reference{"demo", "latest"}});
    ASSERT_TRUE(image) << image.error().message();
  }
  void TearDown() override {
    if (!all_) return;
    const auto listed = all_->list({.all = true});
    for (const auto& one : *listed) {
      const auto removed = all_->remove(one["Id"].get<std::string>(), true);
      EXPECT_TRUE(removed) << removed.error().message();
    }
    expect_nothing_left();
    all_.reset();
    store_.reset();
  }
  static Paths paths() {
    return {.state = "/var/lib/plimsoll",
            .run = "/run/plimsoll",
            .cgroup_root = "/sys/fs/cgroup",
            .runtime_binary = fs::read_symlink("/proc/self/exe").parent_path() / "plimsoll-runtime"};
  }
  void open() {
    auto store = image::Store::open("/var/lib/plimsoll/images", clock_);
    ASSERT_TRUE(store) << store.error().message();
    store_ = std::move(*store);
    auto opened = Containers::open(paths(), *store_, clock_);
    ASSERT_TRUE(opened) << opened.error().message();
    all_ = std::move(*opened);
  }
  static void expect_nothing_left() {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; std::getline(mounts, line);)
      EXPECT_EQ(line.find("/var/lib/plimsoll/containers"), std::string::npos) << line;
    for (const auto& entry : fs::directory_iterator("/sys/fs/cgroup/plimsoll"))
      EXPECT_FALSE(entry.is_directory()) << entry.path();
    EXPECT_TRUE(fs::is_empty("/var/lib/plimsoll/containers"));
    // A shim that was let go of ends by itself, a moment later.
    std::string left;
    EXPECT_TRUE(eventually([&] {
      std::ifstream shims("/sys/fs/cgroup/plimsoll-shims/cgroup.procs");
      left.clear();
      return !(shims >> left);
    })) << "a shim is left: "
        << left;
  }
  static CreateRequest request(const std::string& name, const std::string& script,
                               const std::string& host = "{}") {
    const nlohmann::json body = {
        {"Image", "demo"}, {"Cmd", {"/bin/sh", "-c", script}}, {"HostConfig", nlohmann::json::parse(host)}};
    auto parsed = parse_create(body.dump());
    EXPECT_TRUE(parsed) << parsed.error().message();
    parsed->name = name;
    return *parsed;
  }
  void run(const std::string& name, const std::string& script, const std::string& host = "{}") {
    const auto made = all_->create(request(name, script, host));
    ASSERT_TRUE(made) << made.error().message();
    const auto started = all_->start(name);
    ASSERT_TRUE(started) << started.error().message();
  }
  nlohmann::json state(const std::string& name) { return (*all_->inspect(name))["State"]; }
  bool exited(const std::string& name) {
    return eventually([&] { return state(name)["Status"] == "exited"; });
  }
  std::vector<std::string> log(const std::string& name, bool follow = false) {
    auto reader = all_->logs(name, {.follow = follow});
    std::vector<std::string> out;
    while (reader && !(*reader)->ended()) {
      auto line = (*reader)->next();
      if (line && *line) out.push_back((*line)->text);
    }
    return out;
  }

  SystemClock clock_;
  std::unique_ptr<image::Store> store_;
  std::unique_ptr<Containers> all_;
};

TEST_F(ContainerVm, LivesAndEnds) {
  run("one", "echo hello; exit 7");
  ASSERT_TRUE(exited("one"));
  EXPECT_EQ(state("one")["ExitCode"], 7);
  EXPECT_EQ(log("one"), std::vector<std::string>{"hello"});
}

TEST_F(ContainerVm, TellsOomKilled) {
  run("hog", "tail /dev/zero", R"({"Memory":33554432,"MemorySwap":33554432})");
  ASSERT_TRUE(exited("hog"));
  EXPECT_EQ(state("hog")["OOMKilled"], true);
  EXPECT_EQ(state("hog")["ExitCode"], 137);
}

TEST_F(ContainerVm, RestartsOnFailure) {
  run("flaky", "exit 5", R"({"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":2}})");
  ASSERT_TRUE(exited("flaky"));
  EXPECT_EQ((*all_->inspect("flaky"))["RestartCount"], 2);
}

TEST_F(ContainerVm, ARestartKeepsOneThatRemovesItself) {
  run("stays", "sleep 10000", R"({"AutoRemove":true})");
  const auto restarted = all_->restart("stays", 0s);
  ASSERT_TRUE(restarted) << restarted.error().message();
  std::this_thread::sleep_for(1s);  // what was due to be removed would be by now
  ASSERT_TRUE(all_->inspect("stays"));
  EXPECT_EQ(state("stays")["Status"], "running");
  ASSERT_TRUE(all_->kill("stays"));
  EXPECT_TRUE(eventually([&] { return !all_->inspect("stays"); }));
}

TEST_F(ContainerVm, Executes) {
  run("host", "sleep 10000");
  const auto exec =
      all_->exec_create("host", *parse_exec(R"({"Cmd":["/bin/sh","-c","exit 9"],"User":"web"})"));
  ASSERT_TRUE(exec);
  const auto started = all_->exec_start(*exec, true);
  ASSERT_TRUE(started) << started.error().message();
  ASSERT_TRUE(eventually([&] { return (*all_->exec_inspect(*exec))["Running"] == false; }));
  EXPECT_EQ((*all_->exec_inspect(*exec))["ExitCode"], 9);
}

TEST_F(ContainerVm, FollowsLogsOverRotation) {
  run("chatty", "i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done",
      R"({"LogConfig":{"Type":"json-file","Config":{"max-size":"32k","max-file":"10"}}})");
  const auto lines = log("chatty", true);
  ASSERT_EQ(lines.size(), 2000U);
  for (std::size_t i = 0; i < lines.size(); ++i) ASSERT_EQ(lines[i], std::to_string(i));
}

TEST_F(ContainerVm, TwoAgentsAreRefused) {
  const auto second = Containers::open(paths(), *store_, clock_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind(), ErrorKind::kConflict);
}

TEST_F(ContainerVm, SurvivesTwentyKillsOfTheAgent) {
  constexpr int kContainers = 10, kKills = 20;
  for (int i = 0; i < kContainers; ++i) {
    const bool ends = i % 2 == 1;
    run("c" + std::to_string(i), "n=0; while [ $n -lt " + std::to_string(ends ? 60 : 1000000) +
                                     " ]; do echo $n; n=$((n+1)); sleep 0.5; done; exit " +
                                     std::to_string(20 + i));
  }
  all_.reset();
  store_.reset();
  std::mt19937 random(1);
  for (int kill = 0; kill < kKills; ++kill) {
    const pid_t agent = ::fork();
    ASSERT_GE(agent, 0);
    if (agent == 0) {
      open();
      while (all_) ::pause();
      ::_exit(1);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 1500));
    ::kill(agent, SIGKILL);
    ASSERT_EQ(::waitpid(agent, nullptr, 0), agent);
  }
  open();
  for (int i = 0; i < kContainers; ++i) {
    const std::string name = "c" + std::to_string(i);
    if (i % 2 == 1) {
      ASSERT_TRUE(exited(name)) << name;
      EXPECT_EQ(state(name)["ExitCode"], 20 + i);
    } else {
      EXPECT_EQ(state(name)["Status"], "running") << name;
    }
    const auto lines = log(name);
    if (i % 2 == 1) {
      EXPECT_EQ(lines.size(), 60U) << name;
    }
    for (std::size_t n = 0; n < lines.size(); ++n) ASSERT_EQ(lines[n], std::to_string(n)) << name;
  }
}

}  // namespace
}  // namespace plimsoll::container
