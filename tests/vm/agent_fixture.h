// A whole agent in the guest: `plimsoll agent` as users start it, asked over its socket and through its
// command line. Each test has an agent of its own and a policy folder of its own; the image is made once.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "agent/api/client.h"
#include "tests/vm/program.h"

namespace plimsoll {

namespace fs = std::filesystem;
using nlohmann::json;
using namespace std::chrono_literals;

inline constexpr auto kCeiling = 300s;  // the guest may be emulated

template <typename Condition>
bool until(Condition condition) {
  return vm_test::eventually(condition, kCeiling);
}

struct Answer {
  int status = 0;
  std::string text;
};

class AgentVm : public testing::Test {
 protected:
  static constexpr const char* kState = "/var/lib/plimsoll/agent";
  static constexpr const char* kRun = "/run/plimsoll";
  static constexpr const char* kSocket = "/run/plimsoll/plimsoll.sock";
  static constexpr const char* kPolicies = "/tmp/policies";
  static constexpr const char* kLog = "/tmp/agent.log";

  void SetUp() override {
    fs::remove_all(kPolicies);
    fs::create_directories(kPolicies);
    start_agent();
    if (sh("inspect demo").status == 0) return;
    ASSERT_EQ(std::system("agent/demo/image /tmp/demo.tar"), 0);
    const Answer imported = sh("import /tmp/demo.tar demo");
    ASSERT_EQ(imported.status, 0) << imported.text;
  }

  void TearDown() override {
    if (HasFailure()) std::printf("the agent's log:\n%s\n", read_text(kLog).c_str());
    if (agent_ == 0) start_agent();
    for (const json& one : get("/containers/json?all=1")) {
      const Answer removed = sh("rm -f " + one["Id"].get<std::string>());
      EXPECT_EQ(removed.status, 0) << removed.text;
    }
    expect_nothing_left();
    end_agent(SIGTERM);
  }

  static std::string bin(const std::string& name) {
    return (fs::read_symlink("/proc/self/exe").parent_path() / name).string();
  }

  void start_agent() {
    const std::string command = "exec " + bin("plimsoll") + " agent --state " + kState + " --run " + kRun +
                                " --policies " + kPolicies + " --listen 127.0.0.1:9876 >>" + kLog + " 2>&1";
    const std::array<const char*, 4> argv = {"/bin/sh", "-c", command.c_str(), nullptr};
    ASSERT_EQ(
        ::posix_spawn(&agent_, argv[0], nullptr, nullptr, const_cast<char* const*>(argv.data()), environ), 0);
    ASSERT_TRUE(until([&] { return ask("/_ping").status == 200; })) << read_text(kLog);
  }

  void end_agent(int signal) {
    ::kill(agent_, signal);
    int status = 0;
    ::waitpid(std::exchange(agent_, 0), &status, 0);
    if (signal == SIGTERM) {
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
    }
  }

  static Answer ask(const std::string& target, const std::string& where = kSocket) {
    const auto reply = api::send(where, {.target = target});
    if (!reply) return {0, reply.error().message()};
    Answer answer{(*reply)->status(), ""};
    std::array<char, 65536> chunk{};
    while (true) {
      const auto got = (*reply)->read(chunk);
      if (!got || *got == 0) return answer;
      answer.text.append(chunk.data(), *got);
    }
  }
  static json get(const std::string& target) {
    const Answer answer = ask(target);
    EXPECT_EQ(answer.status, 200) << target << ": " << answer.text;
    return json::parse(answer.text, nullptr, false);
  }

  // The command line; both of its streams, and its exit status.
  static Answer sh(const std::string& words) {
    const std::string command = bin("plimsoll") + " -H " + kSocket + " " + words + " 2>&1";
    FILE* pipe = ::popen(command.c_str(), "r");
    Answer answer;
    std::array<char, 4096> chunk{};
    while (const std::size_t got = std::fread(chunk.data(), 1, chunk.size(), pipe))
      answer.text.append(chunk.data(), got);
    const int status = ::pclose(pipe);
    answer.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return answer;
  }
  static void run(const std::string& flags, const std::string& script) {
    const Answer started = sh("run -d " + flags + " demo sh -c '" + script + "'");
    ASSERT_EQ(started.status, 0) << started.text;
  }

  // One that is meant to be good.
  static void policy(const std::string& name, const std::string& yaml) {
    put(name, yaml);
    const Answer checked = sh("policy check " + std::string(kPolicies) + "/" + name + ".yaml");
    ASSERT_EQ(checked.status, 0) << checked.text;
  }
  // A policy appears at once and whole, as a configuration management tool would put it.
  static void put(const std::string& name, const std::string& yaml) {
    const std::string file = std::string(kPolicies) + "/" + name + ".yaml";
    std::ofstream(file + ".new") << yaml;
    fs::rename(file + ".new", file);
  }

  static json inspect(const std::string& name) { return get("/containers/" + name + "/json"); }
  static json row(const std::string& name) {
    const json state = get("/plimsoll/v1/containers");
    for (const json& one : state["containers"]) {
      if (one["name"] == name) return one;
    }
    return {};
  }
  static fs::path cgroup(const std::string& name) {
    return fs::path("/sys/fs/cgroup/plimsoll") / inspect(name)["Id"].get<std::string>();
  }
  static std::string read_text(const fs::path& file) {
    std::ifstream in(file);
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  static std::string file(const std::string& name, const std::string& control) {
    return read_text(cgroup(name) / control);
  }
  // Of a control file of "KEY VALUE" lines.
  static std::uint64_t field(const fs::path& path, const std::string& key) {
    std::ifstream in(path);
    std::string name;
    for (std::uint64_t value = 0; in >> name >> value;) {
      if (name == key) return value;
    }
    return 0;
  }
  // The value of one series of /metrics: its name and labels as they stand there; nullopt: there is none.
  static std::optional<double> metric(const std::string& series) {
    const std::string text = "\n" + ask("/metrics", "tcp://127.0.0.1:9876").text;
    const auto at = text.find("\n" + series + " ");
    if (at == std::string::npos) return std::nullopt;
    return std::stod(text.substr(at + series.size() + 2));
  }
  // The same of the one series of that name whose labels tell of the container.
  static std::optional<double> metric_of(const std::string& name, const std::string& container_id) {
    const std::string text = "\n" + ask("/metrics", "tcp://127.0.0.1:9876").text;
    const std::string label = "container_id=\"" + container_id + "\"";
    for (auto at = text.find("\n" + name + "{"); at != std::string::npos;
         at = text.find("\n" + name + "{", at + 1)) {
      const std::string line = text.substr(at + 1, text.find('\n', at + 1) - at - 1);
      if (line.find(label) != std::string::npos) return std::stod(line.substr(line.rfind(' ')));
    }
    return std::nullopt;
  }
  static std::vector<json> decisions(const std::string& query) {
    std::vector<json> rows;
    for (const json& one : get("/plimsoll/v1/decisions?limit=1000&" + query)) rows.push_back(one);
    return rows;
  }

  static void expect_nothing_left() {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; std::getline(mounts, line);) {
      EXPECT_EQ(line.find(std::string(kState) + "/containers"), std::string::npos) << line;
    }
    for (const auto& entry : fs::directory_iterator("/sys/fs/cgroup/plimsoll")) {
      EXPECT_FALSE(entry.is_directory()) << entry.path();
    }
    EXPECT_TRUE(fs::is_empty(std::string(kState) + "/containers"));
    // A shim that was let go of ends by itself, a moment later.
    EXPECT_TRUE(until([] { return read_text("/sys/fs/cgroup/plimsoll-shims/cgroup.procs").empty(); }))
        << "a shim is left";
  }

  pid_t agent_ = 0;
};

}  // namespace plimsoll
