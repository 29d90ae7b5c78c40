#include "agent/oci/spec.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace plimsoll::oci {
namespace {

using nlohmann::json;

json minimal() {
  return json::parse(R"({"ociVersion": "1.0.2", "root": {"path": "rootfs"},
    "process": {"args": ["true"], "cwd": "/"}})");
}

std::string error_of(const json& document) {
  const auto spec = parse_spec(document.dump());
  return spec ? "no error" : spec.error().message();
}

TEST(Spec, MinimalDocument) {
  const auto spec = parse_spec(minimal().dump());
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->root.path, "rootfs");
  EXPECT_EQ(spec->process->args, std::vector<std::string>{"true"});
  EXPECT_FALSE(spec->process->capabilities);
  EXPECT_FALSE(spec->linux_.resources);
}

TEST(Spec, DefaultSurvivesTheTripThroughJson) {
  Spec spec = default_spec();
  spec.process->args = {"sh", "-c", "echo ä"};
  spec.process->env = {"A=b"};
  spec.process->user = {.uid = 3, .gid = 4, .umask = 022, .additional_gids = {5, 6}};
  spec.process->terminal = true;
  spec.process->console_size = ConsoleSize{24, 80};
  spec.process->oom_score_adj = -7;
  spec.process->rlimits = {{"RLIMIT_NOFILE", 10, 18446744073709551615U}};
  spec.annotations["a"] = "b";
  spec.linux_.sysctl["net.ipv4.ip_forward"] = "1";
  Resources& resources = *spec.linux_.resources;
  resources.memory = MemoryResources{.limit = -1, .reservation = 5, .swap = 7};
  resources.cpu =
      CpuResources{.shares = 512, .burst = 3, .period = 100000, .quota = -1, .idle = 1, .cpus = "0"};
  resources.pids_limit = 12;
  resources.block_io =
      BlockIoResources{.weight = 10, .weight_devices = {{8, 0, 11}}, .read_bps = {{8, 0, 9}}};
  resources.hugepage_limits = {{"2MB", 4096}};
  resources.unified["memory.high"] = "max";
  spec.linux_.devices = {{'b', "/dev/x", 8, 1, 0600, 1, 2}, {'p', "/dev/fifo"}};
  const auto back = parse_spec(to_json(spec));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(*back, spec);
}

TEST(Spec, ProcessSurvivesTheTripThroughJson) {
  Process process = *default_spec().process;
  process.args = {"true"};
  const auto back = parse_process(to_json(process));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(*back, process);
}

TEST(Spec, UnknownFieldsAreIgnored) {
  json document = minimal();
  document["tomorrow"] = {{"x", 1}};
  document["linux"]["resources"]["memory"]["future"] = true;
  EXPECT_EQ(error_of(document), "no error");
}

TEST(Spec, WhatIsNotDoneIsListed) {
  json document = minimal();
  document["hooks"]["prestart"] = json::array({{{"path", "/bin/hook"}}});
  document["hooks"]["poststop"] = json::array();
  document["linux"]["uidMappings"] = json::array({{{"containerID", 0}, {"hostID", 1000}, {"size", 1}}});
  document["process"]["apparmorProfile"] = "x";
  document["process"]["selinuxLabel"] = "";
  document["linux"]["resources"]["memory"]["disableOOMKiller"] = false;
  document["linux"]["resources"]["memory"]["swappiness"] = 60;
  const auto spec = parse_spec(document.dump());
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->unsupported,
            (std::vector<std::string>{"process.apparmorProfile", "linux.resources.memory.swappiness",
                                      "linux.uidMappings", "hooks.prestart"}));
}

struct Wrong {
  const char* pointer;
  const char* value;
  const char* error;
};

class SpecErrors : public testing::TestWithParam<Wrong> {};

TEST_P(SpecErrors, NameThePlace) {
  json document = minimal();
  document[json::json_pointer(GetParam().pointer)] = json::parse(GetParam().value);
  EXPECT_EQ(error_of(document), std::string("config.json: ") + GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Golden, SpecErrors,
    testing::Values(
        Wrong{"/process/rlimits", R"([{"type":"RLIMIT_NOFILE","hard":5,"soft":"x"}])",
              R"(process.rlimits[0].soft: expected a non-negative integer, got "x")"},
        Wrong{"/process/rlimits", R"([{"type":"RLIMIT_NOFILE","hard":5,"soft":6}])",
              "process.rlimits[0].soft: expected a number not above hard, got 6"},
        Wrong{"/process/args", "[]", "process.args: is empty: there is nothing to run"},
        Wrong{"/process/args", R"([1])", "process.args[0]: expected a string, got 1"},
        Wrong{"/process/args", R"(["a\u0000b"])", "process.args[0]: a string with a NUL byte in it"},
        Wrong{"/process/cwd", R"("here")", R"(process.cwd: expected an absolute path, got "here")"},
        Wrong{"/process/user", R"({"uid":-1})",
              "process.user.uid: expected a non-negative integer of 32 bits, got -1"},
        Wrong{"/process/user", R"({"uid":4294967295})", "process.user.uid: 4294967295 is no user"},
        Wrong{"/process/user", R"({"gid":4294967295})", "process.user.gid: 4294967295 is no group"},
        Wrong{"/process/user", R"({"uid":4294967296})",
              "process.user.uid: expected a non-negative integer of 32 bits, got 4294967296"},
        Wrong{"/process/oomScoreAdj", "1001",
              "process.oomScoreAdj: expected an integer from -1000 to 1000, got 1001"},
        Wrong{"/process/terminal", R"("yes")", R"(process.terminal: expected true or false, got "yes")"},
        Wrong{"/mounts", R"([{"type":"proc"}])", "mounts[0].destination: is missing"},
        Wrong{"/mounts", R"({})", "mounts: expected an array, got an object"},
        Wrong{"/linux", "[]", "linux: expected an object, got an array"},
        Wrong{"/linux/namespaces", R"([{"type":"moon"}])",
              "linux.namespaces[0].type: expected mount, pid, network, ipc, uts, cgroup, user or time, got "
              "\"moon\""},
        Wrong{"/linux/devices", R"([{"type":"cc","path":"/dev/x"}])",
              R"(linux.devices[0].type: expected c, u, b or p, got "cc")"},
        Wrong{"/linux/resources/devices", R"([{"allow":true,"access":"rwx"}])",
              R"(linux.resources.devices[0].access: expected letters out of r, w, m, got "rwx")"},
        Wrong{"/linux/resources/memory/limit", R"(1.5)",
              "linux.resources.memory.limit: expected an integer, got 1.5"},
        Wrong{"/linux/resources/unified", R"({"memory.high":5})",
              "linux.resources.unified.memory.high: expected a string, got 5"},
        Wrong{"/linux/seccomp", R"({})", "linux.seccomp.defaultAction: is missing"},
        Wrong{"/root", "null", "root: is missing"},
        Wrong{"/ociVersion", R"("2.0")", R"(ociVersion: expected a version 1.x, got "2.0")"}));

TEST(Spec, SyntaxErrorsSayWhere) {
  const auto spec = parse_spec("{\"a\": }");
  ASSERT_FALSE(spec);
  EXPECT_TRUE(spec.error().message().starts_with("config.json: syntax error at line 1, column 7"))
      << spec.error().message();
  EXPECT_EQ(spec.error().kind(), ErrorKind::kInvalid);
  EXPECT_EQ(parse_spec("[]").error().message(), "config.json: expected an object, got an array");
  EXPECT_TRUE(parse_process("").error().message().starts_with("process.json: syntax error at line 1"));
}

TEST(Spec, DeviceRulesTakeMinusOneForAny) {
  json document = minimal();
  document["linux"]["resources"]["devices"] =
      json::array({{{"allow", true}, {"type", "c"}, {"major", -1}, {"minor", 3}, {"access", ""}}});
  const auto spec = parse_spec(document.dump());
  ASSERT_TRUE(spec) << spec.error().message();
  const DeviceRule rule = spec->linux_.resources->devices[0];
  EXPECT_FALSE(rule.major);
  EXPECT_EQ(rule.minor, 3);
  EXPECT_EQ(rule.access, "rwm");
}

TEST(DefaultSpec, RefusesTheDangerousSockets) {
  const Seccomp profile = default_seccomp();
  for (const SeccompRule& rule : profile.syscalls) {
    for (const std::string& name : rule.names) {
      EXPECT_TRUE(name != "socket" || rule.args.size() == 1);
      EXPECT_NE(name, "mount");
      EXPECT_NE(name, "bpf");
    }
  }
  EXPECT_EQ(profile.default_errno_ret, 1U);
}

}  // namespace
}  // namespace plimsoll::oci
