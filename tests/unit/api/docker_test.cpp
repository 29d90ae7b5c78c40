// Docker's endpoints through a real socket, around a shim that launches plain processes (fake_runtime.py of
// the container room's tests). Real kernels and the real docker are in tests/vm/docker_*_test.cpp.
#include "agent/api/docker.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/api/client.h"
#include "agent/api/docker_words.h"
#include "agent/api/server.h"
#include "agent/api/url.h"

namespace plimsoll::api {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

class FixedStats final : public StatsSource {
 public:
  std::optional<StatsReadings> read(const std::string&) override {
    StatsReading reading{
        .when = WallTime(std::chrono::seconds(1)), .online_cpus = 2, .host_memory = Bytes{4096}};
    reading.host_cpu = Microseconds(7000);
    reading.sample.cpu = model::CpuStat{.usage = Microseconds(1500)};
    reading.sample.memory.current = Bytes{300};
    reading.sample.memory.stat = model::MemoryStat{.inactive_file = Bytes{100}};
    reading.sample.threads = 3;
    StatsReadings both{.now = reading, .before = std::nullopt};
    if (seen_++ < 2) return both;
    both.before = reading;
    both.before->sample.cpu->usage = Microseconds(500);
    return both;
  }

 private:
  int seen_ = 0;  // as of a container that has just started: once only, the first two times
};

struct Reply {
  int status;
  std::string body;
  json document() const { return json::parse(body, nullptr, false); }
  std::string message() const { return document().value("message", "no message"); }
};

class Docker : public testing::Test {
 protected:
  void SetUp() override {
    home_ = fs::path("/dev/shm") / ("pla-" + std::to_string(::getpid()));
    fs::create_directories(home_);
    ASSERT_EQ(::mount("plimsoll-test", home_.c_str(), "tmpfs", 0, nullptr), 0) << "needs root";
    for (const char* folder : {"cg", "cg/plimsoll", "cg/plimsoll-shims"}) {
      fs::create_directories(home_ / folder);
      for (const char* file :
           {"cgroup.controllers", "cgroup.subtree_control", "cgroup.kill", "cgroup.procs"}) {
        std::ofstream(home_ / folder / file) << "";
      }
    }
    images_ = std::move(*image::Store::open(home_ / "images", clock_));
    auto opened = container::Containers::open(
        {.state = home_ / "state",
         .run = home_ / "run",
         .cgroup_root = home_ / "cg",
         .runtime_binary = PLIMSOLL_SOURCE_DIR "/tests/unit/container/fake_runtime.py"},
        *images_, clock_);
    ASSERT_TRUE(opened) << opened.error().message();
    containers_ = std::move(*opened);
    parts_.emplace(DockerParts{*containers_, *images_, stats_, clock_, {.cpus = 2}});
    add_docker_routes(router_, *parts_);
    ASSERT_TRUE(server_.listen_unix(home_ / "s"));
    // An empty tar: two blocks of zeros.
    std::ofstream(home_ / "empty.tar") << std::string(1024, '\0');
    const UniqueFd tar(::open((home_ / "empty.tar").c_str(), O_RDONLY | O_CLOEXEC));
    const Reply imported =
        exchange({.method = "POST",
                  .target = "/v1.47/images/create?fromSrc=-&repo=docker.io/library/demo&changes=" +
                            percent_encode("CMD [\"/bin/sh\",\"-c\",\"echo default\"]"),
                  .upload_fd = tar.get()});
    ASSERT_EQ(imported.status, 200) << imported.body;
  }
  void TearDown() override {
    for (const json& one : ask("GET", "/containers/json?all=1").document()) {
      EXPECT_EQ(ask("DELETE", "/containers/" + one["Id"].get<std::string>() + "?force=1").status, 204);
    }
    server_.stop();
    containers_.reset();
    images_.reset();
    ::umount2(home_.c_str(), MNT_DETACH);
    fs::remove_all(home_);
  }

  static std::string rest_of(ClientReply& reply) {
    std::string text;
    std::array<char, 4096> bytes{};
    while (true) {
      const auto got = reply.read(bytes);
      if (!got || *got == 0) return text;
      text.append(bytes.data(), *got);
    }
  }
  std::unique_ptr<ClientReply> open(const ClientRequest& request) {
    auto reply = send(home_ / "s", request);
    EXPECT_TRUE(reply) << reply.error().message();
    return reply ? std::move(*reply) : nullptr;
  }
  Reply exchange(const ClientRequest& request) {
    const auto reply = open(request);
    return {reply->status(), rest_of(*reply)};
  }
  Reply ask(const std::string& method, const std::string& target, const std::string& body = "") {
    return exchange({.method = method, .target = target, .body = body});
  }
  Reply create(const std::string& name, const std::string& script, json more = json::object()) {
    more.update({{"Image", "demo"}, {"Cmd", {"/bin/sh", "-c", script}}});
    return ask("POST", "/v1.47/containers/create?name=" + name, more.dump());
  }

  SystemClock clock_;
  FixedStats stats_;
  fs::path home_;
  std::unique_ptr<image::Store> images_;
  std::unique_ptr<container::Containers> containers_;
  std::optional<DockerParts> parts_;
  Router router_;
  Server server_{router_};
};

TEST_F(Docker, RunsAsTheCommandLineDoesIt) {
  ASSERT_EQ(create("one", "echo out; echo err >&2; exit 7").status, 201);
  const auto attached = open(
      {.method = "POST", .target = "/containers/one/attach?stream=1&stdout=1&stderr=1", .upgrade = true});
  EXPECT_EQ(attached->status(), 101);
  const auto waiting = open({.method = "POST", .target = "/containers/one/wait?condition=next-exit"});
  EXPECT_EQ(waiting->status(), 200);  // the head is here before the start
  EXPECT_EQ(ask("POST", "/containers/one/start").status, 204);
  const std::string output = rest_of(*attached);
  EXPECT_THAT(output, HasSubstr(framed(false, "out\n")));
  EXPECT_THAT(output, HasSubstr(framed(true, "err\n")));
  EXPECT_EQ(json::parse(rest_of(*waiting)).at("StatusCode"), 7);
  EXPECT_EQ(ask("GET", "/containers/one/json").document()["State"]["ExitCode"], 7);
  EXPECT_THAT(ask("GET", "/containers/one/logs?stdout=1&follow=1").body, framed(false, "out\n"));
  EXPECT_THAT(ask("GET", "/containers/one/logs?stderr=1&timestamps=1").body, HasSubstr("Z err\n"));
}

TEST_F(Docker, LifecycleStatuses) {
  ASSERT_EQ(create("web", "sleep 1000", {{"Labels", {{"app", "web"}}}}).status, 201);
  EXPECT_EQ(create("web", "true").status, 409);
  EXPECT_EQ(ask("POST", "/containers/web/start").status, 204);
  EXPECT_EQ(ask("POST", "/containers/web/start").status, 304);
  EXPECT_EQ(ask("DELETE", "/containers/web").status, 409);
  for (const char* filters : {R"({"label":{"app=web":true}})", R"({"label":["app=web"]})"}) {
    EXPECT_EQ(ask("GET", "/containers/json?filters=" + percent_encode(filters)).document().size(), 1U);
  }
  EXPECT_EQ(
      ask("GET", "/containers/json?filters=" + percent_encode(R"({"label":["app=x"]})")).document().size(),
      0U);
  EXPECT_EQ(ask("GET", "/containers/json?filters=x").status, 400);
  EXPECT_EQ(ask("POST", "/containers/web/rename?name=site").status, 204);
  EXPECT_EQ(ask("POST", "/containers/web/stop").status, 404);
  EXPECT_EQ(ask("POST", "/containers/site/stop?t=x").status, 400);
  EXPECT_EQ(ask("POST", "/containers/site/kill?signal=NONE").status, 400);
  EXPECT_EQ(ask("POST", "/containers/site/stop?t=0").status, 204);
  EXPECT_EQ(ask("POST", "/containers/site/stop").status, 304);
  EXPECT_EQ(ask("POST", "/containers/site/kill").status, 409);
  EXPECT_EQ(ask("DELETE", "/containers/site").status, 204);
  EXPECT_EQ(ask("GET", "/containers/site/json").message(), "No such container: site");
}

TEST_F(Docker, BadRequestsNameTheObject) {
  const auto refused = [&](const std::string& body) {
    const Reply reply = ask("POST", "/containers/create", body);
    EXPECT_GE(reply.status, 400) << body;
    return reply.message();
  };
  EXPECT_THAT(refused(R"({"Image":"demo","HostConfig":{"Memory":"x"}})"), HasSubstr("HostConfig.Memory"));
  EXPECT_THAT(refused(R"({"Image":"demo","Env":[1]})"), HasSubstr("Env"));
  EXPECT_THAT(refused("{"), testing::Not("no message"));
  EXPECT_THAT(refused("[]"), testing::Not("no message"));
  EXPECT_EQ(refused(R"({"Image":"demo","HostConfig":{"NanoCpus":2500000000}})"),
            "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available");
  EXPECT_THAT(refused(R"({"Image":"demo","HostConfig":{"NanoCpus":1000000}})"), HasSubstr("Range of CPUs"));
  EXPECT_THAT(refused(R"({"Image":"nope"})"), HasSubstr("No such image"));
  EXPECT_THAT(refused(R"({"Image":"demo","HostConfig":{"PortBindings":{"80/tcp":[{}]}}})"),
              HasSubstr("PortBindings"));
  // Newer command lines no longer send it.
  EXPECT_THAT(refused(R"({"Image":"demo","HostConfig":{"KernelMemory":52428800}})"),
              HasSubstr("--kernel-memory"));
  EXPECT_EQ(ask("GET", "/nothing").status, 404);
  EXPECT_EQ(ask("PUT", "/containers/json").status, 405);
  EXPECT_EQ(ask("GET", "/v1.99/_ping").status, 400);
  EXPECT_EQ(ask("GET", "/containers/x/logs?stdout=1").status, 404);
  EXPECT_EQ(ask("GET", "/containers/json?all=1").document().size(), 0U);
}

TEST_F(Docker, StatsAreWhatDockerComputesFrom) {
  ASSERT_EQ(create("web", "sleep 1000").status, 201);
  const json stats = ask("GET", "/containers/web/stats?stream=0&one-shot=1").document();
  EXPECT_EQ(stats["name"], "/web");
  EXPECT_EQ(stats["cpu_stats"]["cpu_usage"]["total_usage"], 1'500'000);
  EXPECT_EQ(stats["cpu_stats"]["system_cpu_usage"], 7'000'000);
  EXPECT_EQ(stats["cpu_stats"]["online_cpus"], 2);
  EXPECT_EQ(stats["memory_stats"]["usage"], 300);
  EXPECT_EQ(stats["memory_stats"]["limit"], 4096);
  EXPECT_EQ(stats["memory_stats"]["stats"]["inactive_file"], 100);
  EXPECT_EQ(stats["pids_stats"]["current"], 3);
  EXPECT_FALSE(stats["precpu_stats"].contains("system_cpu_usage"));
  EXPECT_EQ(ask("POST", "/containers/web/start").status, 204);
  const json two = ask("GET", "/containers/web/stats?stream=0").document();
  EXPECT_EQ(two["cpu_stats"]["cpu_usage"]["total_usage"], 1'500'000);
  EXPECT_EQ(two["precpu_stats"]["cpu_usage"]["total_usage"], 500'000);
  const json one = ask("GET", "/containers/web/stats?stream=0&one-shot=1").document();
  EXPECT_FALSE(one["precpu_stats"].contains("system_cpu_usage"));
}

TEST_F(Docker, ImagesByNameAndId) {
  const json images = ask("GET", "/images/json").document();
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0]["RepoTags"], json::array({"demo:latest"}));
  EXPECT_EQ(ask("POST", "/images/demo/tag?repo=docker.io/library/other&tag=2").status, 201);
  const json image = ask("GET", "/images/other:2/json").document();
  EXPECT_EQ(image["Id"], images[0]["Id"]);
  EXPECT_EQ(image["Config"]["Cmd"], json::array({"/bin/sh", "-c", "echo default"}));
  EXPECT_EQ(ask("DELETE", "/images/other:2").document()[0]["Untagged"], "other:2");
  ASSERT_EQ(create("user", "true").status, 201);
  EXPECT_EQ(ask("DELETE", "/images/demo").status, 409);
  EXPECT_EQ(ask("GET", "/images/nope/json").message(), "No such image: nope:latest");
  EXPECT_EQ(ask("POST", "/images/create?fromImage=nope&tag=latest").status, 404);
  EXPECT_EQ(ask("POST", "/images/create?fromSrc=-&repo=BAD").status, 400);
}

TEST_F(Docker, EventsOfThePastEndAndThoseToComeFollow) {
  const auto live = open({.target = "/events?filters=" + percent_encode(R"({"event":{"die":true}})")});
  ASSERT_EQ(create("one", "exit 3").status, 201);
  EXPECT_EQ(ask("POST", "/containers/one/start").status, 204);
  std::array<char, 4096> bytes{};
  const auto got = live->read(bytes);
  ASSERT_TRUE(got && *got > 0);
  const json event = json::parse(std::string(bytes.data(), *got));
  EXPECT_EQ(event["Action"], "die");
  EXPECT_EQ(event["Actor"]["Attributes"]["exitCode"], "3");
  const std::string past = ask("GET", "/events?since=1h&until=0s").body;
  EXPECT_LT(past.find("\"create\""), past.find("\"start\""));
  EXPECT_EQ(ask("GET", "/events?filters=" + percent_encode(R"({"odd":["x"]})")).status, 400);
}

TEST_F(Docker, PingTellsTheVersionToHead) {
  const Reply ping = ask("HEAD", "/_ping");
  EXPECT_EQ(ping.status, 200);
  EXPECT_EQ(ping.body, "");
  EXPECT_EQ(ask("GET", "/version").document()["ApiVersion"], "1.47");
  EXPECT_EQ(ask("GET", "/v1.24/info").document()["CgroupVersion"], "2");
}

}  // namespace
}  // namespace plimsoll::api
