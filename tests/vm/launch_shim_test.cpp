// The shim on a real kernel, spoken to as the agent speaks to it (agent/shim/protocol.h).
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "agent/shim/frames.h"
#include "tests/vm/launch_fixture.h"

namespace plimsoll::launch_test {
namespace {

using shim::Frame;
using shim::FrameKind;

class Connection {
 public:
  explicit Connection(const fs::path& folder) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int dir = ::open(folder.c_str(), O_PATH | O_CLOEXEC);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/shim.sock", dir);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
        << std::strerror(errno);
    ::close(dir);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { ::close(fd_); }

  void send(FrameKind kind, const std::string& payload = "") {
    const std::string frame = shim::make_frame(kind, payload);
    EXPECT_EQ(::send(fd_, frame.data(), frame.size(), MSG_NOSIGNAL), static_cast<ssize_t>(frame.size()));
  }

  // The next frame; nullopt at the end of the connection or after 60 s.
  std::optional<Frame> next() {
    while (true) {
      auto frame = reader_.next();
      if (!frame) return std::nullopt;
      if (*frame) return std::move(**frame);
      char buffer[65536];
      pollfd one{fd_, POLLIN, 0};
      if (::poll(&one, 1, 60'000) != 1) return std::nullopt;
      const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
      if (got <= 0) return std::nullopt;
      reader_.add({buffer, static_cast<std::size_t>(got)});
    }
  }

  // Waits for a frame of this kind; output that comes before it is kept in `out` and `err`.
  std::string expect(FrameKind kind) {
    while (auto frame = next()) {
      if (frame->kind == kind) return frame->payload;
      if (frame->kind == FrameKind::kStdout) out += frame->payload;
      if (frame->kind == FrameKind::kStderr) err += frame->payload;
      if (frame->kind == FrameKind::kError) return "error: " + frame->payload;
    }
    ADD_FAILURE() << "no frame of kind " << static_cast<int>(kind);
    return "";
  }
  std::string ask(FrameKind kind, const std::string& payload, FrameKind answer) {
    send(kind, payload);
    return expect(answer);
  }
  bool wait_for_output(const std::string& text) {
    while (out.find(text) == std::string::npos) {
      auto frame = next();
      if (!frame) return false;
      if (frame->kind == FrameKind::kStdout) out += frame->payload;
    }
    return true;
  }

  std::string out, err;

 private:
  int fd_;
  shim::FrameReader reader_;
};

struct Shim {
  pid_t pid = -1;
  fs::path folder;
  std::string ready;
};

class ShimTest : public LaunchTest {
 protected:
  void TearDown() override {
    for (const pid_t pid : shims_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    LaunchTest::TearDown();
  }

  Shim start_shim(std::vector<std::string> flags = {}, const std::string& name = "shim") {
    Shim shim{.folder = folder_ / name};
    fs::create_directories(shim.folder);
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    std::vector<std::string> words = {PLIMSOLL_RUNTIME, "shim",
                                      "--id",           id_,
                                      "--bundle",       folder_ / "bundle",
                                      "--root",         folder_ / "state",
                                      "--dir",          shim.folder,
                                      "--cgroup-root",  kCgroups,
                                      "--cgroup",       spec_.linux_.cgroups_path,
                                      "--ready-fd",     std::to_string(ready[1])};
    words.insert(words.end(), flags.begin(), flags.end());
    shim.pid = ::fork();
    if (shim.pid == 0) {
      ::close(ready[0]);
      std::vector<char*> args;
      for (std::string& word : words) args.push_back(word.data());
      args.push_back(nullptr);
      ::execv(args[0], args.data());
      ::_exit(127);
    }
    ::close(ready[1]);
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(ready[0], buffer, sizeof buffer)) > 0;) {
      shim.ready.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(ready[0]);
    shims_.push_back(shim.pid);
    return shim;
  }
  Shim shim_of(const std::string& script, std::vector<std::string> flags = {}) {
    spec_.process->args = {"sh", "-c", script};
    write_bundle();
    Shim shim = start_shim(std::move(flags));
    EXPECT_TRUE(shim.ready.starts_with("ok ")) << shim.ready;
    return shim;
  }
  void release(const Shim& shim, Connection& connection) {
    EXPECT_EQ(connection.ask(FrameKind::kRelease, "", FrameKind::kOk), "");
    int status = -1;
    EXPECT_EQ(::waitpid(shim.pid, &status, 0), shim.pid);
    EXPECT_EQ(status, 0);
    std::erase(shims_, shim.pid);
  }
  static std::string log_text(const fs::path& file) {
    std::istringstream in(text_of(file));
    std::string out;
    for (std::string line; std::getline(in, line);) out += line.substr(line.find(' ') + 1) + "\n";
    return out;
  }
  std::vector<pid_t> shims_;
};

TEST_F(ShimTest, WholeLife) {
  const Shim shim = shim_of("echo out; echo err >&2; exit 5");
  Connection agent(shim.folder);
  EXPECT_TRUE(agent.ask(FrameKind::kStatusAsked, "", FrameKind::kStatus).starts_with("created "));
  EXPECT_EQ(agent.ask(FrameKind::kRelease, "", FrameKind::kOk), "error: release: the process has not ended");
  EXPECT_EQ(agent.ask(FrameKind::kAttach, "stdout,stderr", FrameKind::kOk), "");
  EXPECT_TRUE(agent.ask(FrameKind::kStart, "", FrameKind::kStatus).starts_with("running "));
  const std::string exit = agent.expect(FrameKind::kExited);
  EXPECT_EQ(agent.out, "out\n");
  EXPECT_EQ(agent.err, "err\n");
  EXPECT_NE(exit.find(R"("exitCode":5,"signal":0,"oomKilled":false)"), std::string::npos) << exit;
  EXPECT_NE(exit.find(R"("cpuUsageUsec":)"), std::string::npos) << exit;
  EXPECT_EQ(text_of(shim.folder / "exit.json"), exit);
  EXPECT_EQ(log_text(shim.folder / "log"), "stdout F out\nstderr F err\n");
  expect_nothing_left();
  Connection late(shim.folder);
  EXPECT_EQ(late.expect(FrameKind::kExited), exit);
  EXPECT_EQ(late.ask(FrameKind::kStatusAsked, "", FrameKind::kStatus), "exited 5");
  release(shim, late);
}

TEST_F(ShimTest, InputAndItsEnd) {
  const Shim shim = shim_of("cat; echo done", {"--open-stdin"});
  Connection agent(shim.folder);
  agent.ask(FrameKind::kAttach, "stdout", FrameKind::kOk);
  agent.ask(FrameKind::kStart, "", FrameKind::kStatus);
  const std::string big(50'000, 'x');
  // Written while the output is read, as clients do: one that only writes is a slow reader, and let go as
  // such.
  std::jthread writer([&] {
    for (int i = 0; i < 20; ++i) agent.send(FrameKind::kStdin, big);
    agent.send(FrameKind::kStdinEnd);
  });
  agent.expect(FrameKind::kExited);
  writer.join();
  EXPECT_EQ(agent.out.size(), 1'000'005U);
  EXPECT_TRUE(agent.out.ends_with("xdone\n"));
  release(shim, agent);
}

TEST_F(ShimTest, TerminalAndItsSize) {
  spec_.process->terminal = true;
  const Shim shim = shim_of("stty size; read x; echo got $x; stty size; ls -l /dev/console", {"--tty"});
  Connection agent(shim.folder);
  agent.ask(FrameKind::kAttach, "stdout", FrameKind::kOk);
  EXPECT_EQ(agent.ask(FrameKind::kResize, "40 100", FrameKind::kOk), "");
  agent.ask(FrameKind::kStart, "", FrameKind::kStatus);
  ASSERT_TRUE(agent.wait_for_output("40 100"));
  EXPECT_EQ(agent.ask(FrameKind::kResize, "50 132", FrameKind::kOk), "");
  agent.send(FrameKind::kStdin, "typed\n");
  agent.expect(FrameKind::kExited);
  EXPECT_NE(agent.out.find("got typed\r\n50 132\r\ncrw"), std::string::npos) << agent.out;
  release(shim, agent);
}

TEST_F(ShimTest, Signals) {
  const Shim shim = shim_of("trap 'echo caught; exit 9' TERM; echo ready; while true; do sleep 1; done");
  Connection agent(shim.folder);
  agent.ask(FrameKind::kAttach, "stdout", FrameKind::kOk);
  agent.ask(FrameKind::kStart, "", FrameKind::kStatus);
  ASSERT_TRUE(agent.wait_for_output("ready\n"));
  EXPECT_EQ(agent.ask(FrameKind::kSignal, "x", FrameKind::kOk),
            "error: signal 'x': expected NUMBER or NUMBER all");
  EXPECT_EQ(agent.ask(FrameKind::kSignal, "15", FrameKind::kOk), "");
  EXPECT_NE(agent.expect(FrameKind::kExited).find(R"("exitCode":9)"), std::string::npos);
  release(shim, agent);
}

TEST_F(ShimTest, KilledWholeGroup) {
  std::erase_if(spec_.linux_.namespaces,
                [](const oci::Namespace& n) { return n.type == oci::NamespaceType::kPid; });
  const Shim shim = shim_of("sleep 1000 & sleep 1000 & wait");
  Connection agent(shim.folder);
  agent.ask(FrameKind::kStart, "", FrameKind::kStatus);
  agent.ask(FrameKind::kKillAll, "", FrameKind::kOk);
  EXPECT_NE(agent.expect(FrameKind::kExited).find(R"("exitCode":137,"signal":9)"), std::string::npos);
  expect_nothing_left();
  release(shim, agent);
}

TEST_F(ShimTest, KilledForItsMemory) {
  spec_.linux_.resources->memory = oci::MemoryResources{.limit = 16 << 20, .swap = 16 << 20};
  const Shim shim = shim_of("exec probe hog 64");
  Connection agent(shim.folder);
  agent.ask(FrameKind::kStart, "", FrameKind::kStatus);
  const std::string exit = agent.expect(FrameKind::kExited);
  EXPECT_NE(exit.find(R"("exitCode":137,"signal":9,"oomKilled":true,"oomKills":1)"), std::string::npos)
      << exit;
  release(shim, agent);
}

TEST_F(ShimTest, NoLineIsLostOverRotations) {
  const Shim shim = shim_of("seq 1 5000", {"--log-size", "20000", "--log-files", "100"});
  Connection agent(shim.folder);
  agent.ask(FrameKind::kStart, "", FrameKind::kStatus);
  agent.expect(FrameKind::kExited);
  std::string all;
  for (int number = 99; number >= 0; --number) {
    const fs::path file = shim.folder / (number == 0 ? "log" : "log." + std::to_string(number));
    if (!fs::exists(file)) continue;
    EXPECT_LE(fs::file_size(file), 20000U);
    all += log_text(file);
  }
  std::string wanted;
  for (int i = 1; i <= 5000; ++i) wanted += "stdout F " + std::to_string(i) + "\n";
  EXPECT_TRUE(all == wanted);
  release(shim, agent);
}

TEST_F(ShimTest, ASlowClientHoldsNobodyUpForLong) {
  const Shim shim = shim_of("dd if=/dev/zero bs=64k count=64 2>/dev/null; echo; echo end");
  Connection slow(shim.folder);
  slow.ask(FrameKind::kAttach, "stdout", FrameKind::kOk);
  Connection agent(shim.folder);
  agent.ask(FrameKind::kStart, "", FrameKind::kStatus);
  // `slow` reads nothing from here on: it is cut off, and the container ends.
  EXPECT_NE(agent.expect(FrameKind::kExited).find(R"("exitCode":0)"), std::string::npos);
  EXPECT_TRUE(text_of(shim.folder / "log").ends_with(" stdout F end\n"));
  release(shim, agent);
}

TEST_F(ShimTest, ExecSession) {
  const Shim container = shim_of("sleep 1000");
  Connection agent(container.folder);
  agent.ask(FrameKind::kStart, "", FrameKind::kStatus);
  write_text(folder_ / "process.json",
             R"({"args":["sh","-c","cat; hostname; exit 4"],"cwd":"/","env":["PATH=/bin"]})");
  const Shim session = start_shim({"--exec", folder_ / "process.json", "--open-stdin"}, "session");
  ASSERT_TRUE(session.ready.starts_with("ok ")) << session.ready;
  Connection client(session.folder);
  client.ask(FrameKind::kAttach, "stdout", FrameKind::kOk);
  client.ask(FrameKind::kStart, "", FrameKind::kStatus);
  client.send(FrameKind::kStdin, "in\n");
  client.send(FrameKind::kStdinEnd);
  EXPECT_NE(client.expect(FrameKind::kExited).find(R"("exitCode":4)"), std::string::npos);
  EXPECT_TRUE(client.out.starts_with("in\n")) << client.out;
  release(session, client);
  EXPECT_TRUE(agent.ask(FrameKind::kStatusAsked, "", FrameKind::kStatus).starts_with("running "));
  write_text(folder_ / "process.json", R"({"args":["/nothing"],"cwd":"/"})");
  EXPECT_EQ(start_shim({"--exec", folder_ / "process.json"}, "failing").ready,
            "error exec in t1: exec /nothing: No such file or directory\n");
  agent.ask(FrameKind::kKillAll, "", FrameKind::kOk);
  agent.expect(FrameKind::kExited);
  release(container, agent);
}

TEST_F(ShimTest, AFailedStartLeavesNothing) {
  spec_.process->args = {"/nothing"};
  write_bundle();
  const Shim shim = start_shim();
  EXPECT_EQ(shim.ready, "error create t1: exec /nothing: No such file or directory\n");
  expect_nothing_left();
  EXPECT_FALSE(fs::exists(shim.folder / "shim.sock"));
}

// Whoever started the shim may be killed; its folder may lie as deep as it likes.
TEST_F(ShimTest, OutlivesItsStarter) {
  spec_.process->args = {"sh", "-c", "echo before; sleep 1; echo after"};
  write_bundle();
  const fs::path deep = folder_ / std::string(100, 'd') / std::string(100, 'e');
  fs::create_directories(deep);
  const pid_t starter = ::fork();
  if (starter == 0) {
    run_program({PLIMSOLL_RUNTIME, "shim", "--id", id_, "--bundle", folder_ / "bundle", "--root",
                 folder_ / "state", "--dir", deep, "--cgroup-root", kCgroups, "--cgroup",
                 spec_.linux_.cgroups_path});
    ::_exit(0);
  }
  ASSERT_TRUE(eventually([&] { return fs::exists(deep / "init"); }));
  {
    Connection agent(deep);
    agent.ask(FrameKind::kStart, "", FrameKind::kStatus);
  }
  ::kill(starter, SIGKILL);
  ::waitpid(starter, nullptr, 0);
  Connection agent(deep);
  EXPECT_NE(agent.expect(FrameKind::kExited).find(R"("exitCode":0)"), std::string::npos);
  EXPECT_EQ(log_text(deep / "log"), "stdout F before\nstdout F after\n");
  EXPECT_EQ(agent.ask(FrameKind::kRelease, "", FrameKind::kOk), "");
  EXPECT_TRUE(eventually([&] { return !fs::exists(deep / "shim.sock"); }));
}

TEST_F(ShimTest, AKilledShimTakesItsContainerAlong) {
  const Shim shim = shim_of("sleep 1000");
  Connection agent(shim.folder);
  agent.ask(FrameKind::kStart, "", FrameKind::kStatus);
  const std::string init = text_of(shim.folder / "init");
  ::kill(shim.pid, SIGKILL);
  ::waitpid(shim.pid, nullptr, 0);
  shims_.clear();
  EXPECT_TRUE(eventually(
      [&] { return runtime({"state", id_}).out.find(R"("status": "stopped")") != std::string::npos; }));
  EXPECT_FALSE(fs::exists(shim.folder / "exit.json"));
}

// What one more shim costs the machine: as soon as there are two, they share the program's text.
TEST_F(ShimTest, StaysUnderOneMebibyte) {
  const Shim shim = shim_of("sleep 1000");
  Connection agent(shim.folder);
  agent.ask(FrameKind::kStart, "", FrameKind::kStatus);
  write_text(folder_ / "process.json", R"({"args":["/bin/sleep","1000"],"cwd":"/"})");
  const Shim session = start_shim({"--exec", folder_ / "process.json"}, "session");
  ASSERT_TRUE(session.ready.starts_with("ok ")) << session.ready;
  agent.ask(FrameKind::kStatusAsked, "", FrameKind::kStatus);
  std::istringstream rollup(text_of("/proc/" + std::to_string(shim.pid) + "/smaps_rollup"));
  unsigned kib = 0;
  for (std::string line; std::getline(rollup, line);) {
    if (line.starts_with("Private_"))
      kib += static_cast<unsigned>(std::atoi(line.substr(line.find(':') + 1).c_str()));
  }
  std::printf("private memory of a shim: %u KiB\n", kib);
  EXPECT_GT(kib, 0U);
  EXPECT_LT(kib, 1024U);
  agent.ask(FrameKind::kKillAll, "", FrameKind::kOk);
  agent.expect(FrameKind::kExited);
  release(shim, agent);
}

}  // namespace
}  // namespace plimsoll::launch_test
