// The lifecycle around a shim that speaks the protocol but launches plain processes (fake_runtime.py). What
// needs a kernel with cgroup v2 and the real launcher is in tests/vm/container_test.cpp.
#include "agent/container/containers.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/rfc3339.h"
#include "agent/container/shim_client.h"
#include "agent/image/store.h"

namespace plimsoll::container {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// A tar of one empty folder: two blocks of header and end.
std::string empty_tar() {
  std::string tar(512 * 3, '\0');
  const std::string name = "etc/", mode = "0000755", zero = "0000000", size = "00000000000";
  tar.replace(0, name.size(), name);
  tar.replace(100, 7, mode);
  tar.replace(108, 7, zero);
  tar.replace(116, 7, zero);
  tar.replace(124, 11, size);
  tar.replace(136, 11, size);
  tar.replace(148, 8, "        ");
  tar[156] = '5';
  tar.replace(257, 6, std::string("ustar\0", 6));
  tar.replace(263, 2, "00");
  unsigned sum = 0;
  for (int i = 0; i < 512; ++i) sum += static_cast<unsigned char>(tar[static_cast<std::size_t>(i)]);
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%06o", sum);
  tar.replace(148, 7, std::string(text.data(), 7));
  return tar;
}

class LateClock final : public Clock {
 public:
  WallTime wall() const override { return clock_.wall() + later.load(); }
  BootTime boot() const override { return clock_.boot() + later.load(); }
  std::atomic<std::chrono::nanoseconds> later{0ns};

 private:
  SystemClock clock_;
};

class Lifecycle : public testing::Test {
 protected:
  void SetUp() override {
    home_ = fs::path("/dev/shm") / ("plc-" + std::to_string(::getpid()));
    fs::create_directories(home_);
    ASSERT_EQ(::mount("plimsoll-test", home_.c_str(), "tmpfs", 0, nullptr), 0) << "needs root";
    fs::create_directories(home_ / "cg");
    for (const char* folder : {"cg", "cg/plimsoll", "cg/plimsoll-shims"}) {
      fs::create_directories(home_ / folder);
      for (const char* file : {"cgroup.controllers", "cgroup.subtree_control", "cgroup.kill", "cgroup.procs"})
        std::ofstream(home_ / folder / file) << "";
    }
    open();
    bool sent = false;
    auto image = store_->import(
        [&](std::span<char> into) -> Result<std::size_t> {
          if (std::exchange(sent, true)) return 0;
          const std::string tar = empty_tar();
          std::copy(tar.begin(), tar.end(), into.begin());
          return tar.size();
        },
        {.reference = image::Reference{"demo", "latest"}});
    ASSERT_TRUE(image) << image.error().message();
  }
  void TearDown() override {
    if (all_) {
      const auto listed = all_->list({.all = true});
      for (const auto& one : *listed) (void)all_->remove(one["Id"].get<std::string>(), true);
    }
    all_.reset();
    store_.reset();
    ::umount2(home_.c_str(), MNT_DETACH);
    fs::remove_all(home_);
  }
  Paths paths() const {
    return {.state = home_ / "state",
            .run = home_ / "run",
            .cgroup_root = home_ / "cg",
            .runtime_binary = PLIMSOLL_SOURCE_DIR "/tests/unit/container/fake_runtime.py"};
  }
  void open() {
    auto store = image::Store::open(home_ / "images", clock_);
    ASSERT_TRUE(store) << store.error().message();
    store_ = std::move(*store);
    auto opened = Containers::open(paths(), *store_, clock_);
    ASSERT_TRUE(opened) << opened.error().message();
    all_ = std::move(*opened);
  }
  // A shell script as a container.
  std::string create(const std::string& name, const std::string& script, const std::string& more = "{}") {
    nlohmann::json body = {
        {"Image", "demo"}, {"Cmd", {"/bin/sh", "-c", script}}, {"HostConfig", nlohmann::json::parse(more)}};
    auto request = parse_create(body.dump());
    EXPECT_TRUE(request) << request.error().message();
    request->name = name;
    auto made = all_->create(*request);
    EXPECT_TRUE(made) << made.error().message();
    return made ? made->id : "";
  }
  int wait_for(const std::string& name, WaitCondition condition = WaitCondition::kNotRunning) {
    auto told = std::make_shared<std::promise<int>>();
    auto future = told->get_future();
    auto subscription = all_->wait(name, condition, [told](int code) { told->set_value(code); });
    if (!subscription) return -2;
    if (future.wait_for(60s) != std::future_status::ready) return -1;
    return future.get();
  }
  template <typename Condition>
  static bool until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(10ms);
    }
    return true;
  }
  nlohmann::json state(const std::string& name) { return (*all_->inspect(name))["State"]; }
  std::vector<std::string> log(const std::string& name) {
    auto reader = all_->logs(name, {.follow = true});
    std::vector<std::string> out;
    while (reader && !(*reader)->ended()) {
      auto line = (*reader)->next();
      if (line && *line) out.push_back((*line)->text);
    }
    return out;
  }

  LateClock clock_;
  fs::path home_;
  std::unique_ptr<image::Store> store_;
  std::unique_ptr<Containers> all_;
};

TEST_F(Lifecycle, RunsToItsEnd) {
  create("one", "echo out; echo err >&2; exit 7");
  EXPECT_EQ(state("one")["Status"], "created");
  ASSERT_TRUE(all_->start("one"));
  EXPECT_EQ(wait_for("one"), 7);
  EXPECT_EQ(state("one")["ExitCode"], 7);
  auto lines = log("one");
  std::ranges::sort(lines);
  EXPECT_EQ(lines, (std::vector<std::string>{"err", "out"}));
  ASSERT_TRUE(all_->start("one"));  // again, and the log goes on
  EXPECT_EQ(wait_for("one"), 7);
  EXPECT_EQ(log("one").size(), 4U);
  EXPECT_TRUE(all_->remove("one", false));
  EXPECT_FALSE(all_->inspect("one"));
  EXPECT_TRUE(fs::is_empty(home_ / "state/containers"));
  EXPECT_TRUE(fs::is_empty(home_ / "run/s"));
}

TEST_F(Lifecycle, NamesAndPrefixes) {
  const std::string id = create("web", "sleep 100");
  EXPECT_EQ(*all_->id_of("/web"), id);
  EXPECT_EQ(*all_->id_of(id.substr(0, 5)), id);
  auto taken = parse_create(R"({"Image":"demo","Cmd":["x"]})");
  taken->name = "web";
  EXPECT_EQ(all_->create(*taken).error().kind(), ErrorKind::kConflict);
  ASSERT_TRUE(all_->rename("web", "shop"));
  EXPECT_EQ(all_->id_of("web").error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(*all_->id_of("shop"), id);
}

TEST_F(Lifecycle, StopsAndKills) {
  create("polite", "trap 'exit 3' TERM; while :; do sleep 0.05; done");
  ASSERT_TRUE(all_->start("polite"));
  EXPECT_FALSE(*all_->start("polite"));
  EXPECT_EQ(all_->remove("polite", false).error().kind(), ErrorKind::kConflict);
  ASSERT_TRUE(all_->stop("polite", 30s));
  EXPECT_TRUE(state("polite")["ExitCode"] == 3 || state("polite")["ExitCode"] == 143);
  EXPECT_FALSE(*all_->stop("polite"));
  create("deaf", "trap '' TERM; while :; do sleep 0.05; done");
  ASSERT_TRUE(all_->start("deaf"));
  ASSERT_TRUE(all_->kill("deaf"));
  EXPECT_EQ(wait_for("deaf"), 137);
  EXPECT_EQ(all_->kill("deaf").error().kind(), ErrorKind::kConflict);
}

TEST_F(Lifecycle, RestartsAsItsPolicySays) {
  create("flaky", "exit 5", R"({"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":2}})");
  ASSERT_TRUE(all_->start("flaky"));
  ASSERT_TRUE(until([&] { return state("flaky")["Status"] == "exited"; }));
  EXPECT_EQ((*all_->inspect("flaky"))["RestartCount"], 2);
  create("always", "sleep 0.1", R"({"RestartPolicy":{"Name":"always"}})");
  ASSERT_TRUE(all_->start("always"));
  ASSERT_TRUE(until([&] { return (*all_->inspect("always"))["RestartCount"] >= 2; }));
  ASSERT_TRUE(all_->stop("always"));
  EXPECT_EQ(state("always")["Status"], "exited");
}

TEST_F(Lifecycle, RemovesItself) {
  create("gone", "exit 4", R"({"AutoRemove":true})");
  auto told = std::make_shared<std::promise<int>>();
  auto future = told->get_future();
  auto subscription =
      all_->wait("gone", WaitCondition::kRemoved, [told](int code) { told->set_value(code); });
  ASSERT_TRUE(all_->start("gone"));
  ASSERT_EQ(future.wait_for(60s), std::future_status::ready);
  EXPECT_EQ(future.get(), 4);
  EXPECT_FALSE(all_->inspect("gone"));
}

TEST_F(Lifecycle, ARestartKeepsOneThatRemovesItself) {
  create("stays", "while :; do sleep 0.05; done", R"({"AutoRemove":true})");
  ASSERT_TRUE(all_->start("stays"));
  for (int i = 0; i < 2; ++i) {
    const auto restarted = all_->restart("stays", 0s);
    ASSERT_TRUE(restarted) << restarted.error().message();
  }
  std::this_thread::sleep_for(300ms);  // what was due to be removed would be by now
  ASSERT_TRUE(all_->inspect("stays"));
  EXPECT_EQ(state("stays")["Status"], "running");
  ASSERT_TRUE(all_->stop("stays", 0s));
  EXPECT_TRUE(until([&] { return !all_->inspect("stays"); }));
}

TEST_F(Lifecycle, TellsTheWaiterThatARestartFailed) {
  const std::string source = home_ / "source", go = home_ / "go";
  fs::create_directories(source);
  const std::string host = R"({"RestartPolicy":{"Name":"always"},"Mounts":[{"Type":"bind","Source":")" +
                           source + R"(","Target":"/data"}]})";
  create("once", "while [ ! -e " + go + " ]; do sleep 0.05; done; rmdir " + source + "; exit 3", host);
  ASSERT_TRUE(all_->start("once"));
  auto told = std::make_shared<std::promise<int>>();
  auto future = told->get_future();
  auto subscription =
      all_->wait("once", WaitCondition::kNotRunning, [told](int code) { told->set_value(code); });
  std::ofstream(go) << "";
  ASSERT_EQ(future.wait_for(30s), std::future_status::ready);
  EXPECT_EQ(state("once")["Status"], "exited");
  EXPECT_NE(state("once")["Error"].get<std::string>().find(source), std::string::npos);
  const auto is_end = [](const EventText& one) { return one.json.contains(R"("Action":"die")"); };
  EXPECT_EQ(std::ranges::count_if(all_->events({}), is_end), 2);
}

TEST_F(Lifecycle, HearsEndsDuringASlowRestart) {
  const std::string slow = create("slow", "exit 1", R"({"RestartPolicy":{"Name":"always"}})");
  create("other", "while :; do sleep 0.05; done");
  ASSERT_TRUE(all_->start("other"));
  ASSERT_TRUE(all_->start("slow"));
  const fs::path hold = home_ / "state/containers" / slow / "hold-launch";
  std::ofstream(hold) << "";
  ASSERT_TRUE(until([&] { return fs::exists(hold.string() + "-reached"); }));
  auto ended = std::async(std::launch::async, [&] { return all_->stop("other", 0s).has_value(); });
  EXPECT_EQ(ended.wait_for(10s), std::future_status::ready);
  fs::remove(hold);
  EXPECT_TRUE(ended.get());
}

TEST_F(Lifecycle, TellsIdentitiesWhileAShimIsSlowToGo) {
  const std::string id = create("stuck", "sleep 0.5; exit 1");
  const fs::path hold = home_ / "state/containers" / id / "shim/hold-release";
  std::ofstream(hold) << "";
  ASSERT_TRUE(all_->start("stuck"));
  ASSERT_TRUE(until([&] { return fs::exists(hold.string() + "-reached"); }));
  auto known = std::async(std::launch::async, [&] {
    return all_->identity(id).has_value() && state("stuck")["Status"] == "exited";
  });
  EXPECT_EQ(known.wait_for(10s), std::future_status::ready);
  fs::remove(hold);
  EXPECT_TRUE(known.get());
}

TEST_F(Lifecycle, AttachesBeforeTheStart) {
  create("talk", "echo hello; exit 0");
  auto socket = all_->attach("talk", {});
  ASSERT_TRUE(socket) << socket.error().message();
  ASSERT_TRUE(all_->start("talk"));
  std::string bytes;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = ::read(socket->get(), buffer.data(), buffer.size())) > 0;)
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  EXPECT_NE(bytes.find("hello\n"), std::string::npos);
  EXPECT_EQ(wait_for("talk"), 0);
}

TEST_F(Lifecycle, SaysWhyItDidNotStart) {
  auto request = parse_create(R"({"Image":"demo","Cmd":["/missing/x"]})");
  request->name = "bad";
  ASSERT_TRUE(all_->create(*request));
  const auto started = all_->start("bad");
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message().find("/missing/x"), std::string::npos);
  EXPECT_EQ(state("bad")["ExitCode"], 127);
  EXPECT_EQ(state("bad")["Status"], "created");
}

TEST_F(Lifecycle, Executes) {
  create("host", "sleep 100");
  ASSERT_TRUE(all_->start("host"));
  const auto config = parse_exec(R"({"Cmd":["/bin/sh","-c","echo inside; exit 9"],"AttachStdout":true})");
  ASSERT_TRUE(config);
  const auto id = all_->exec_create("host", *config);
  ASSERT_TRUE(id);
  auto socket = all_->exec_start(*id, false);
  ASSERT_TRUE(socket) << socket.error().message();
  ASSERT_TRUE(until([&] { return (*all_->exec_inspect(*id))["Running"] == false; }));
  EXPECT_EQ((*all_->exec_inspect(*id))["ExitCode"], 9);
  EXPECT_TRUE(until([&] { return fs::is_empty(home_ / "run/e"); }));
}

TEST_F(Lifecycle, ForgetsExecSessionsAfterAWhile) {
  create("host", "sleep 100");
  ASSERT_TRUE(all_->start("host"));
  const auto session = [&](const std::string& script) {
    const nlohmann::json body = {{"Cmd", {"/bin/sh", "-c", script}}};
    return all_->exec_create("host", *parse_exec(body.dump())).value_or("");
  };
  const std::string never = session("exit 1"), ended = session("exit 9"), runs = session("sleep 100");
  ASSERT_TRUE(all_->exec_start(ended, true));
  ASSERT_TRUE(all_->exec_start(runs, true));
  ASSERT_TRUE(all_->exec_wait(ended, 60s));
  clock_.later = 4min;
  std::this_thread::sleep_for(1500ms);  // the workers look each second
  EXPECT_EQ((*all_->exec_inspect(ended))["ExitCode"], 9);
  clock_.later = 6min;
  EXPECT_TRUE(until([&] { return !all_->exec_inspect(ended) && !all_->exec_inspect(never); }));
  EXPECT_EQ((*all_->exec_inspect(runs))["Running"], true);
}

TEST_F(Lifecycle, LeavesNoShimOfAnExecThatDidNotStart) {
  create("host", "sleep 100");
  ASSERT_TRUE(all_->start("host"));
  const auto id = all_->exec_create("host", *parse_exec(R"({"Cmd":["/bin/sleep","100"]})"));
  ASSERT_TRUE(id);
  const fs::path folder = home_ / "run/e" / *id;
  fs::create_directories(folder);
  std::ofstream(folder / "refuse-start") << "";
  EXPECT_FALSE(all_->exec_start(*id, true));
  EXPECT_FALSE(fs::exists(folder));
  const std::string processes = "/proc";
  EXPECT_TRUE(until([&] {  // it ends by itself, a moment after it is let go of
    return std::ranges::none_of(fs::directory_iterator(processes), [&](const auto& entry) {
      std::ifstream file(entry.path() / "cmdline");
      return std::string(std::istreambuf_iterator<char>(file), {}).contains(folder.string());
    });
  }));
}

TEST_F(Lifecycle, TwoAgentsAreRefused) {
  const auto second = Containers::open(paths(), *store_, clock_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind(), ErrorKind::kConflict);
  EXPECT_NE(second.error().message().find("another agent uses the state folder"), std::string::npos);
}

TEST_F(Lifecycle, FindsThemAgain) {
  create("goes-on", "while :; do sleep 0.05; done");
  create("ends-meanwhile", "read line </dev/null; while [ ! -e " + (home_ / "go").string() +
                               " ]; do sleep 0.05; done; echo bye; exit 21");
  create("never", "exit 0");
  ASSERT_TRUE(all_->start("goes-on"));
  ASSERT_TRUE(all_->start("ends-meanwhile"));
  const auto pid = state("goes-on")["Pid"];
  const std::string ended = *all_->id_of("ends-meanwhile");
  all_.reset();
  std::ofstream(home_ / "go") << "";
  fs::create_directories(home_ / "state/containers/half-made/rootfs");
  ASSERT_TRUE(until([&] { return fs::exists(home_ / "state/containers" / ended / "shim/exit.json"); }));
  open();
  std::vector<model::EndedContainer> told;
  // At once, of what ended before anybody listened.
  (void)all_->on_exit([&](const model::EndedContainer& one) { told.push_back(one); });
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].ref->name, "ends-meanwhile");
  EXPECT_EQ(told[0].exit->code, 21);
  EXPECT_EQ(told[0].last.cpu->usage, Microseconds(1234));
  EXPECT_EQ(state("goes-on")["Status"], "running");
  EXPECT_EQ(state("goes-on")["Pid"], pid);
  EXPECT_EQ(state("ends-meanwhile")["Status"], "exited");
  EXPECT_EQ(state("ends-meanwhile")["ExitCode"], 21);
  EXPECT_EQ(log("ends-meanwhile"), std::vector<std::string>{"bye"});
  EXPECT_EQ(state("never")["Status"], "created");
  EXPECT_FALSE(fs::exists(home_ / "state/containers/half-made"));
  ASSERT_TRUE(all_->kill("goes-on"));
  EXPECT_EQ(wait_for("goes-on"), 137);
}

TEST_F(Lifecycle, ForgetsAStopThatTheAgentDidNotOutlive) {
  const std::string go = home_ / "go";
  const std::string id = create(
      "deaf", "trap '' TERM; touch " + go + "-deaf; while [ ! -e " + go + " ]; do sleep 0.05; done; rm " + go,
      R"({"RestartPolicy":{"Name":"always"}})");
  ASSERT_TRUE(all_->start("deaf"));
  ASSERT_TRUE(until([&] { return fs::exists(go + "-deaf"); }));
  ASSERT_TRUE(all_->kill("deaf", "SIGTERM"));
  all_.reset();
  open();
  ASSERT_EQ(state("deaf")["Status"], "running");
  std::ofstream(go) << "";
  EXPECT_TRUE(until([&] { return (*all_->inspect("deaf"))["RestartCount"] == 1; }));
  // But the end that a stop asked for is the user's, whoever hears it.
  ASSERT_TRUE(until([&] { return state("deaf")["Status"] == "running"; }));
  ASSERT_TRUE(until([&] { return !fs::exists(go); }));
  all_.reset();
  const fs::path file = home_ / "state/containers" / id / "state.json";
  nlohmann::json stored = nlohmann::json::parse(std::ifstream(file));
  stored["stopping"] = true;
  std::ofstream(file) << stored;
  std::ofstream(go) << "";
  ASSERT_TRUE(until([&] { return fs::exists(home_ / "state/containers" / id / "shim/exit.json"); }));
  open();
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(state("deaf")["Status"], "exited");
}

TEST_F(Lifecycle, TellsTheStartOfOneFoundRunningAtItsEnd) {
  const std::string go = home_ / "go";
  const std::string id = create("found", "while [ ! -e " + go + " ]; do sleep 0.05; done");
  ASSERT_TRUE(all_->start("found"));
  all_.reset();
  const fs::path file = home_ / "state/containers" / id / "state.json";
  nlohmann::json stored = nlohmann::json::parse(std::ifstream(file));
  const std::string started = stored["started"].get<std::string>();
  stored["status"] = "created";  // killed between the start and the note of it
  stored["started"] = nullptr;
  std::ofstream(file) << stored;
  std::this_thread::sleep_for(2s);
  open();
  EXPECT_EQ(state("found")["Status"], "running");
  std::ofstream(go) << "";
  EXPECT_EQ(wait_for("found"), 0);
  const auto moment = [](const std::string& when) { return *parse_rfc3339(when); };
  EXPECT_LT(moment(state("found")["StartedAt"]) - moment(started), 1s);
}

TEST_F(Lifecycle, GoesOnWithARemovalWhoseShimIsLeft) {
  const std::string go = home_ / "go";
  const std::string id = create("going", "while [ ! -e " + go + " ]; do sleep 0.05; done");
  ASSERT_TRUE(all_->start("going"));
  all_.reset();
  const fs::path folder = home_ / "state/containers" / id;
  nlohmann::json stored = nlohmann::json::parse(std::ifstream(folder / "state.json"));
  stored["status"] = "removing";
  std::ofstream(folder / "state.json") << stored;
  std::ofstream(go) << "";
  ASSERT_TRUE(until([&] { return fs::exists(folder / "shim/exit.json"); }));
  open();
  EXPECT_TRUE(until([&] { return !all_->inspect("going"); }));
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(Lifecycle, KeepsARunningContainerWhoseStateCannotBeRead) {
  const std::string id = create("torn", "while :; do sleep 0.05; done");
  ASSERT_TRUE(all_->start("torn"));
  const int pid = state("torn")["Pid"].get<int>();
  all_.reset();
  std::ofstream(home_ / "state/containers" / id / "state.json") << R"({"id": ")";
  open();
  ASSERT_EQ(::kill(pid, 0), 0) << "the new agent killed it";
  ASSERT_TRUE(all_->inspect(id));
  EXPECT_EQ(state(id)["Status"], "running");
  EXPECT_NE(state(id)["Error"].get<std::string>().find("state.json"), std::string::npos);
  EXPECT_EQ(all_->remove(id, false).error().kind(), ErrorKind::kConflict);
  all_.reset();
  open();  // nothing of it was written over meanwhile
  EXPECT_EQ(state(id)["Status"], "running");
  ASSERT_TRUE(all_->stop(id, 0s));
  EXPECT_EQ(all_->start(id).error().kind(), ErrorKind::kConflict);
  const auto removed = all_->remove(id, true);
  EXPECT_TRUE(removed) << removed.error().message();
  EXPECT_TRUE(fs::is_empty(home_ / "state/containers"));
}

TEST_F(Lifecycle, ReadsTheStateOfAnotherVersion) {
  const std::string id = create("newer", "while :; do sleep 0.05; done", R"({"Memory":67108864})");
  ASSERT_TRUE(all_->start("newer"));
  const int pid = state("newer")["Pid"].get<int>();
  all_.reset();
  const fs::path file = home_ / "state/containers" / id / "state.json";
  nlohmann::json stored = nlohmann::json::parse(std::ifstream(file));
  stored["config"]["HostConfig"]["Init"] = true;         // refused at create
  stored["config"]["HostConfig"]["Invented"] = "later";  // unknown
  stored["config"]["Hibernates"] = 1;
  std::ofstream(file) << stored;
  open();
  ASSERT_EQ(::kill(pid, 0), 0) << "the new agent killed it";
  ASSERT_TRUE(all_->inspect("newer"));
  EXPECT_EQ(state("newer")["Pid"], pid);
  EXPECT_EQ((*all_->inspect("newer"))["HostConfig"]["Memory"], 67108864);
}

}  // namespace
}  // namespace plimsoll::container
