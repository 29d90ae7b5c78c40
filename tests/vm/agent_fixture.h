// A whole agent in the guest, asked over its socket and through its command line. Each test has an agent of
// its own and a policy folder of its own; the image is made once. Tests that do not look at what probes tell
// do without them (AgentVm), others have the agent as users start it (WholeAgentVm).
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "tests/vm/guest_agent.h"

namespace plimsoll {

namespace fs = std::filesystem;
using nlohmann::json;
using vm_test::Answer;
using vm_test::GuestAgent;
using namespace std::chrono_literals;

template <typename Condition>
bool until(Condition condition) {
  return vm_test::eventually(condition, vm_test::kCeiling);
}

// The guest's files lie in memory: what nobody asks for again can go nowhere but here.
class CompressedSwap {
 public:
  CompressedSwap() {
    EXPECT_EQ(std::system("modprobe zram && echo 512M >/sys/block/zram0/disksize && mkswap /dev/zram0 "
                          ">/dev/null && swapon /dev/zram0"),
              0);
  }
  ~CompressedSwap() { EXPECT_EQ(std::system("swapoff /dev/zram0 && rmmod zram"), 0); }
  CompressedSwap(const CompressedSwap&) = delete;
  CompressedSwap& operator=(const CompressedSwap&) = delete;
};

class AgentVm : public testing::Test {
 protected:
  explicit AgentVm(GuestAgent::With with = GuestAgent::With::kNoProbes) : with_(with) {}
  void SetUp() override {
    GuestAgent::take_log();
    fs::remove_all(GuestAgent::kPolicies);
    start_agent();
    if (sh("inspect demo").status == 0) return;
    ASSERT_EQ(std::system("agent/demo/image /tmp/demo.tar"), 0);
    const Answer imported = sh("import /tmp/demo.tar demo");
    ASSERT_EQ(imported.status, 0) << imported.text;
  }

  void TearDown() override {
    if (!agent_.started()) start_agent();
    GuestAgent::remove_containers();
    agent_.stop();
    if (HasFailure()) std::printf("the agent's log:\n%s\n", GuestAgent::take_log().c_str());
  }

  void start_agent() { agent_.start(with_); }

  static Answer ask(const std::string& target, const std::string& where = GuestAgent::kSocket) {
    return GuestAgent::ask(target, where);
  }
  static json get(const std::string& target) { return GuestAgent::get(target); }

  // The command line; both of its streams, and its exit status.
  static Answer sh(const std::string& words) {
    vm_test::Outcome outcome = vm_test::run_program(
        {"/bin/sh", "-c", "exec " + GuestAgent::binary("plimsoll") + " " + words}, "", true);
    return {outcome.status, std::move(outcome.out)};
  }
  static void run(const std::string& flags, const std::string& script) {
    const Answer started = sh("run -d " + flags + " demo sh -c '" + script + "'");
    ASSERT_EQ(started.status, 0) << started.text;
  }

  // One that is meant to be good.
  static void policy(const std::string& name, const std::string& yaml) {
    put(name, yaml);
    const Answer checked = sh("policy check " + std::string(GuestAgent::kPolicies) + "/" + name + ".yaml");
    ASSERT_EQ(checked.status, 0) << checked.text;
  }
  // A policy appears at once and whole, as a configuration management tool would put it.
  static void put(const std::string& name, const std::string& yaml) {
    const std::string file = std::string(GuestAgent::kPolicies) + "/" + name + ".yaml";
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
    const std::string text = "\n" + ask("/metrics", GuestAgent::kListen).text;
    const auto at = text.find("\n" + series + " ");
    if (at == std::string::npos) return std::nullopt;
    return std::stod(text.substr(at + series.size() + 2));
  }
  // The same of the one series of that name whose labels tell of the container.
  static std::optional<double> metric_of(const std::string& name, const std::string& container_id) {
    const std::string text = "\n" + ask("/metrics", GuestAgent::kListen).text;
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

  GuestAgent agent_;
  GuestAgent::With with_;
};

class WholeAgentVm : public AgentVm {
 protected:
  WholeAgentVm() : AgentVm(GuestAgent::With::kProbes) {}
};

}  // namespace plimsoll
