// A whole agent on a simulated host of 10, 100 and 1,000 containers, scraped over TCP as Prometheus does it:
//   scrape   GET /metrics, connection and all, median of kRounds; plain, and gzipped
//   floor    the same bytes from a bare socket that has them at hand
//   memory   what is the agent's alone (smaps_rollup, Private_*) after the scrapes
//   tick     the mean of the agent's own plimsoll_agent_sample_duration_seconds; processor time in percent of
//   one core, at 1 s
// The host is copied from tests/unit/fixtures/cgroup-6.12: each container has all control files of that
// kernel. The policies are the library's.
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "agent/daemon/agent.h"
#include "tests/bench/http.h"
#include "tests/bench/measure.h"

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
using plimsoll::bench::get;
using plimsoll::bench::listen_anywhere;
using plimsoll::bench::median;
using plimsoll::bench::smaps_kib;

constexpr int kRounds = 9;
constexpr auto kSettled = 12s;  // everything was read once at its own cadence

double milliseconds(const std::function<void()>& work) {
  const auto begin = Clock::now();
  work();
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// Answers each connection with `body`, until the last of `rounds`.
std::thread bare_server(int fd, const std::string& body, int rounds) {
  return std::thread([fd, &body, rounds] {
    std::array<char, 4096> request{};
    for (int round = 0; round < rounds; ++round) {
      const int client = ::accept(fd, nullptr, nullptr);
      if (::read(client, request.data(), request.size()) < 0) std::perror("read");
      for (std::size_t at = 0; at < body.size();) {
        const ssize_t wrote = ::write(client, body.data() + at, body.size() - at);
        if (wrote <= 0) break;
        at += static_cast<std::size_t>(wrote);
      }
      ::close(client);
    }
  });
}

class SimulatedHost {
 public:
  explicit SimulatedHost(int containers) {
    std::string name = "/tmp/plimsoll-bench-XXXXXX";
    root_ = ::mkdtemp(name.data());
    const fs::path fixture = PLIMSOLL_FIXTURES "/cgroup-6.12";
    fs::copy(fixture / "proc", root_ / "proc", fs::copy_options::recursive);
    fs::copy(fixture / "cgroup", root_ / "cgroup", fs::copy_options::recursive);
    const fs::path own = root_ / "cgroup/plimsoll";
    const fs::path model = root_ / "model";
    fs::rename(own / std::string(64, '1'), model);
    std::ofstream(own / "cgroup.subtree_control") << "";
    for (int i = 0; i < containers; ++i) {
      std::array<char, 65> id{};
      std::snprintf(id.data(), id.size(), "%064x", i + 1);
      fs::copy(model, own / id.data());
    }
    std::ofstream(root_ / "proc/self/mounts")
        << "cgroup2 " << (root_ / "cgroup").string() << " cgroup2 rw 0 0\n";
    fs::create_directories(root_ / "etc");
    fs::create_directories(root_ / "sys");
  }
  ~SimulatedHost() { fs::remove_all(root_); }
  SimulatedHost(const SimulatedHost&) = delete;
  SimulatedHost& operator=(const SimulatedHost&) = delete;

  plimsoll::daemon::Config config(std::uint16_t port) const {
    plimsoll::daemon::Config config;
    config.probes_off = {"all"};  // its cgroups are none of the kernel's
    config.state = root_ / "state";
    config.run = root_ / "run";
    config.listen = "127.0.0.1:" + std::to_string(port);
    config.policies = PLIMSOLL_SOURCE_DIR "/policies/library";
    config.log_level = plimsoll::log::Level::kError;
    config.host = {.proc = root_ / "proc", .sys = root_ / "sys", .etc = root_ / "etc"};
    return config;
  }

 private:
  fs::path root_;
};

// Seconds of processor time: fields 14 and 15 of /proc/PID/stat.
double processor_time(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skip;
  for (int i = 0; i < 11; ++i) fields >> skip;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double value_of(const std::string& metrics, const std::string& name) {
  const auto at = metrics.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::atof(metrics.c_str() + at + name.size() + 2);
}

bool measure(pid_t agent, int containers, std::uint16_t port) {
  const auto deadline = Clock::now() + 60s;
  while (value_of(get(port, "/metrics"), "plimsoll_agent_watched_containers") < containers) {
    if (Clock::now() > deadline || ::waitpid(agent, nullptr, WNOHANG) != 0) {
      return std::fprintf(stderr, "agent_bench: the agent does not watch %d containers\n", containers), false;
    }
    std::this_thread::sleep_for(50ms);
  }
  const double used = processor_time(agent);
  const auto begin = Clock::now();
  std::this_thread::sleep_for(kSettled);
  const double share =
      100 * (processor_time(agent) - used) / std::chrono::duration<double>(Clock::now() - begin).count();

  std::string plain, packed;
  std::vector<double> plains, packeds, floors;
  for (int round = 0; round < kRounds; ++round) {
    plains.push_back(milliseconds([&] { plain = get(port, "/metrics"); }));
    packeds.push_back(milliseconds([&] { packed = get(port, "/metrics", "Accept-Encoding: gzip\r\n"); }));
  }
  const auto [fd, bare_port] = listen_anywhere();
  std::thread server = bare_server(fd, plain, kRounds);
  for (int round = 0; round < kRounds; ++round) floors.push_back(milliseconds([&] { get(bare_port, "/"); }));
  server.join();
  ::close(fd);
  const long memory = smaps_kib(agent, "Private_");
  const std::string ticks = "plimsoll_agent_sample_duration_seconds";
  const double tick = value_of(plain, ticks + "_sum") / value_of(plain, ticks + "_count");
  std::printf(
      "agent, %4d containers: scrape %7.2f ms (%zu KiB), %.1f of a bare socket's %.2f ms; gzipped %.2f ms "
      "(%zu KiB); memory %.1f MiB private, %.1f KiB a container; tick %.2f ms, %.1f %% of a core\n",
      containers, median(plains), plain.size() / 1024, median(plains) / median(floors), median(floors),
      median(packeds), packed.size() / 1024, static_cast<double>(memory) / 1024,
      static_cast<double>(memory) / containers, 1000 * tick, share);
  return true;
}

bool run(int containers) {
  const SimulatedHost host(containers);
  const auto [fd, port] = listen_anywhere();
  ::close(fd);
  const auto config = plimsoll::daemon::completed(host.config(port));
  if (!config) return std::fprintf(stderr, "agent_bench: %s\n", config.error().message().c_str()), false;
  const pid_t agent = ::fork();
  if (agent == 0) {
    const auto ended = plimsoll::daemon::run_agent(*config);
    if (!ended) std::fprintf(stderr, "agent_bench: %s\n", ended.error().message().c_str());
    ::_exit(ended ? 0 : 1);
  }
  const bool good = measure(agent, containers, port);
  std::fflush(stdout);
  ::kill(agent, SIGTERM);
  ::waitpid(agent, nullptr, 0);
  return good;
}

}  // namespace

int main() {
  bool good = true;
  for (const int containers : {10, 100, 1000}) good = run(containers) && good;
  return good ? 0 : 1;
}
