#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/container/backoff.h"
#include "agent/container/bundle.h"
#include "agent/container/config_json.h"
#include "agent/container/containers.h"
#include "agent/container/names.h"
#include "agent/container/state.h"

namespace plimsoll::container {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string error_of(const std::string& body) {
  const auto parsed = parse_create(body);
  return parsed ? "" : parsed.error().message();
}

TEST(ParseCreate, NamesTheMemberAndTheReason) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{", "not JSON"},
      {R"({"HostConfig":{"Memory":"x"}})", "HostConfig.Memory: expected an integer, got \"x\""},
      {R"({"HostConfig":{"Memory":1}})", "HostConfig.Memory: --memory: the least limit is 6 MiB"},
      {R"({"HostConfig":{"NanoCpus":1,"CpuQuota":5}})", "HostConfig.NanoCpus: excludes"},
      {R"({"HostConfig":{"NetworkMode":"mynet"}})", "bridge networks come later"},
      {R"({"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"80"}]}}})",
       "HostConfig.PortBindings: --publish needs a bridge network, which comes later"},
      {R"({"HostConfig":{"Init":true}})", "HostConfig.Init: --init is not supported yet"},
      {R"({"HostConfig":{"NewThing":[1]}})", "HostConfig.NewThing: is not supported"},
      {R"({"HostConfig":{"LogConfig":{"Config":{"mode":"non-blocking"}}}})",
       "--log-opt mode is not supported"},
      {R"({"HostConfig":{"Mounts":[{"Type":"bind","Source":"/a","Target":"/b","BindOptions":{"NonRecursive":true}}]}})",
       "HostConfig.Mounts[0].BindOptions.NonRecursive: is not supported"},
      {R"({"NetworkingConfig":{"EndpointsConfig":{"none":{"Aliases":["x"]}}}})",
       "--network-alias needs a bridge"},
      {R"({"Volumes":{"/data":{}}})", "Volumes: anonymous volumes (--volume"},
      {R"({"Shell":["x"]})", "Shell: is not supported"},
      {R"({"HostConfig":{"RestartPolicy":{"Name":"sometimes"}}})", "unknown restart policy 'sometimes'"},
      {R"({"HostConfig":{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}})", "can't be combined"},
      {R"({"HostConfig":{"Binds":["data:/x"]}})", "named volumes (--volume NAME:...) are not supported yet"},
      {R"({"HostConfig":{"LogConfig":{"Type":"syslog"}}})", "'syslog'"},
      {R"({"Env":["=x"]})", "has no name"},
      {R"({"StopSignal":"SIGFOO"})", "invalid signal: SIGFOO"},
  };
  for (const auto& [body, wanted] : cases) EXPECT_THAT(error_of(body), HasSubstr(wanted)) << body;
}

constexpr const char* kFull = R"({"Image":"demo","Cmd":["a","b"],"Env":["A=b"],"Labels":{"x":"y"},"Tty":true,
  "StopTimeout":3,"HostConfig":{"Memory":33554432,"MemorySwap":-1,"NanoCpus":500000000,"PidsLimit":20,
  "Binds":["/tmp:/data:ro"],"Tmpfs":{"/run":"size=1m,mode=700"},
  "Mounts":[{"Type":"bind","Source":"/etc","Target":"/host-etc","ReadOnly":true}],
  "CapAdd":["net_admin"],"CapDrop":["ALL"],"SecurityOpt":["no-new-privileges"],"Sysctls":{"net.ipv4.ip_forward":"1"},
  "Ulimits":[{"Name":"nofile","Soft":10,"Hard":20}],"ShmSize":1048576,"OomScoreAdj":5,
  "LogConfig":{"Type":"json-file","Config":{"max-size":"1m","max-file":"2"}},
  "RestartPolicy":{"Name":"on-failure","MaximumRetryCount":4}}})";

TEST(ParseCreate, GoesThroughDockersFormAndBack) {
  const auto first = parse_create(kFull);
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_EQ(first->cap_add, std::vector<std::string>{"CAP_NET_ADMIN"});
  EXPECT_EQ(first->mounts.size(), 3U);
  EXPECT_EQ(first->log_size.value, 1U << 20);
  const auto document = document_of(*first);
  const auto second = config_from_json(document);
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(document_of(*second), document);
}

TEST(State, GoesThroughItsFileAndBack) {
  State state{.id = std::string(64, 'a')};
  state.config = *parse_create(kFull);
  state.config.name = "web";
  state.status = Status::kRestarting;
  state.exit_code = 3;
  state.restarts = 7;
  state.started = WallTime(1764000000123456789ns);
  std::vector<std::string> forgiven;
  const auto read = parse_state(to_json(state), forgiven);
  EXPECT_TRUE(forgiven.empty());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(to_json(*read), to_json(state));
  EXPECT_FALSE(parse_state("{\"id\":", forgiven));
  EXPECT_FALSE(parse_state("{\"id\":\"a\",\"status\":\"running\"}", forgiven));
}

TEST(Backoff, DoublesToAMinuteAndStartsOverAfterAGoodRun) {
  Backoff backoff;
  const RestartPolicy always{.kind = RestartKind::kAlways};
  EXPECT_EQ(backoff.next(always, {1, false, 1s}), 100ms);
  EXPECT_EQ(backoff.next(always, {0, false, 1s}), 200ms);
  for (int i = 0; i < 20; ++i) (void)backoff.next(always, {1, false, 1s});
  EXPECT_EQ(backoff.next(always, {1, false, 1s}), 1min);
  EXPECT_EQ(backoff.next(always, {1, false, 10s}), 100ms);
  EXPECT_EQ(backoff.next(always, {1, true, 10s}), std::nullopt);
}

TEST(Backoff, OnFailureCountsItsRetries) {
  Backoff backoff;
  const RestartPolicy twice{.kind = RestartKind::kOnFailure, .maximum_retries = 2};
  EXPECT_EQ(backoff.next(twice, {0, false, 1s}), std::nullopt);
  EXPECT_EQ(backoff.next(twice, {1, false, 1s}), 100ms);
  EXPECT_EQ(backoff.next(twice, {1, false, 1s}), 200ms);
  EXPECT_EQ(backoff.next(twice, {1, false, 1s}), std::nullopt);
}

TEST(Names, AreDockers) {
  for (const char* good : {"web", "/web-1", "a_.b", "0x"}) EXPECT_TRUE(check_name(good)) << good;
  for (const char* bad : {"", "a", "-web", "we b", "web/x", "we\nb"}) EXPECT_FALSE(check_name(bad)) << bad;
  EXPECT_TRUE(check_name(made_up_name(std::string(64, '4'))));
}

TEST(Bundle, CombinesImageAndRequestAsDocker) {
  const image::Defaults image{.env = {"A=1", "B=2"}, .cmd = {"c"}, .entrypoint = {"e"}};
  Config config;
  EXPECT_EQ(*command_of(config, image), (std::vector<std::string>{"e", "c"}));
  config.cmd = {"x"};
  EXPECT_EQ(*command_of(config, image), (std::vector<std::string>{"e", "x"}));
  config.entrypoint = {"y"};
  config.cmd.reset();
  EXPECT_EQ(*command_of(config, image), std::vector<std::string>{"y"});
  EXPECT_FALSE(command_of(Config{}, image::Defaults{}));
  EXPECT_EQ(merged_env({"A=1", "B=2"}, {"B=3", "A", "C=4"}), (std::vector<std::string>{"B=3", "C=4"}));
}

TEST(Bundle, RefusesACpuLimitThatWouldBeNone) {
  Config config;
  config.limits.nano_cpus = 9'999;
  const auto spec = make_spec(std::string(64, 'a'), config, {"x"},
                              {.rootfs = testing::TempDir(), .folder = testing::TempDir(), .cgroup = "/x"});
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().kind(), ErrorKind::kInvalid);
  EXPECT_THAT(spec.error().message(), HasSubstr("NanoCpus"));
}

}  // namespace
}  // namespace plimsoll::container
