// From what a container does to the decision of a policy, by the agent as it is, on this host's own cgroups:
//   bench_reaction [ROUNDS]       root; run it where cgroup v2 has the memory controller: tests/vm/vm
// Each round is a container of its own (a cgroup named as Docker names it), which notes the moment in shared
// memory just before it does it; the decision's time is the audit log's. With all BPF probes, with none, and
// what waiting for the next tick of 1 s would be.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
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
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/rfc3339.h"
#include "agent/daemon/agent.h"
#include "agent/kernel/cgroup.h"
#include "agent/kernel/file.h"
#include "tests/bench/http.h"
#include "tests/bench/measure.h"

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using plimsoll::WallTime;

constexpr std::size_t kMiB = 1 << 20;
constexpr auto kCeiling = 60s;  // for one decision

WallTime now() { return std::chrono::system_clock::now(); }

// Shared with the process that does it.
struct Moment {
  std::atomic<std::int64_t> nanoseconds{0};
  void note() { nanoseconds = now().time_since_epoch().count(); }
};

void touch(char* memory, std::size_t begin, std::size_t end) {
  for (std::size_t at = begin; at < end; at += 4096) memory[at] = 1;
}

std::size_t memory_of(const fs::path& cgroup) {
  std::ifstream in(cgroup / "memory.current");
  std::size_t bytes = 0;
  in >> bytes;
  return bytes;
}

// Of a file of lines "name count".
std::uint64_t count_of(const fs::path& file, std::string_view name) {
  std::ifstream in(file);
  std::string key;
  std::uint64_t count = 0;
  while (in >> key >> count) {
    if (key == name) return count;
  }
  return 0;
}

// Takes memory up to `line` quickly, then, in small steps, beyond it: the moment is the last step that
// nothing had come of, so that what the steps take themselves is not in the time.
void cross(const fs::path& cgroup, Moment& moment, std::size_t line, std::size_t beyond, const char* event) {
  constexpr std::size_t kStep = 64 << 10;
  const std::size_t all = line + beyond;
  auto* memory =
      static_cast<char*>(::mmap(nullptr, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  std::size_t taken = 0;
  while (memory_of(cgroup) + 2 * kMiB < line) touch(memory, taken, taken + kStep), taken += kStep;
  for (bool came = false; taken + kStep <= all; taken += kStep) {
    if (!came) moment.note();
    touch(memory, taken, taken + kStep);
    came = came || count_of(cgroup / "memory.events", event) > 0;
  }
}

// The moment is the fork that makes it a burst, by the probe's own measure: 20 on one CPU within 100 ms.
void fork_burst(const fs::path&, Moment& moment) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  ::sched_setaffinity(0, sizeof one, &one);
  alignas(16) static std::array<char, 65536> stack;
  for (int i = 0; i < 200; ++i) {
    if (i < 20) moment.note();
    // As posix_spawn does it: emulated, to copy the page tables 20 times takes longer than 100 ms.
    ::clone([](void*) { return 0; }, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr);
  }
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
}
void over_high(const fs::path& cgroup, Moment& moment) { cross(cgroup, moment, 32 * kMiB, 4 * kMiB, "high"); }
void out_of_memory(const fs::path& cgroup, Moment& moment) {
  cross(cgroup, moment, 32 * kMiB, 32 * kMiB, "oom_kill");
}
// Far over its line, it is kept waiting for memory that nobody gives it.
void pressure(const fs::path& cgroup, Moment& moment) {
  cross(cgroup, moment, 20 * kMiB, 200 * kMiB, "high");
}

struct Cause {
  const char* name;
  const char* when;          // of its policy
  const char *file, *value;  // of its cgroup
  void (*act)(const fs::path& cgroup, Moment& moment);
  bool needs_probe = false;
};
constexpr std::array kCauses = {
    Cause{"fork-burst", "pids.forks > 10", nullptr, nullptr, fork_burst, true},
    Cause{"memory-high", "memory.usage > 32400KiB and memory.high < 33MiB", "memory.high", "33554432",
          over_high},
    Cause{"oom", "oom.kills > 0", "memory.max", "33554432", out_of_memory},
    Cause{"pressure", "(memory.pressure.some.10s > 0.1% or memory.stall > 0.01) and memory.high < 21MiB",
          "memory.high", "20971520", pressure},
};

class Agent {
 public:
  explicit Agent(bool probes) {
    std::string name = "/var/tmp/plimsoll-bench-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    fs::create_directories(folder_ / "policies");
    for (const Cause& cause : kCauses) {
      std::ofstream(folder_ / "policies" / (std::string(cause.name) + ".yaml"))
          << "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: " << cause.name
          << "}\nspec:\n  select: {runtimes: [docker]}\n  rules:\n    - name: seen\n      when: "
          << cause.when << "\n      then: [{notify: seen}]\n      cooldown: 1h\n";
    }
    const auto [fd, port] = plimsoll::bench::listen_anywhere();
    ::close(fd);
    port_ = port;
    plimsoll::daemon::Config config;
    if (!probes) config.probes_off = {"all"};
    config.state = folder_ / "state";
    config.run = folder_ / "run";
    config.listen = "127.0.0.1:" + std::to_string(port);
    config.policies = folder_ / "policies";
    config.log_level = plimsoll::log::Level::kWarning;
    pid_ = ::fork();
    if (pid_ != 0) return;
    const auto whole = plimsoll::daemon::completed(config);
    const auto ended = whole ? plimsoll::daemon::run_agent(*whole) : std::unexpected(whole.error());
    if (!ended) std::fprintf(stderr, "bench_reaction: %s\n", ended.error().message().c_str());
    ::_exit(ended ? 0 : 1);
  }
  ~Agent() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    fs::remove_all(folder_);
  }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  bool watches(const std::string& container) const {
    return get("/plimsoll/v1/containers").find(container) != std::string::npos;
  }
  std::string decisions(const Cause& cause) const {
    return get("/plimsoll/v1/decisions?limit=1000&policy=" + std::string(cause.name));
  }
  std::optional<WallTime> decided(const Cause& cause, const std::string& container) const {
    const auto rows = nlohmann::json::parse(
        get("/plimsoll/v1/decisions?limit=1000&policy=" + std::string(cause.name)), nullptr, false);
    for (const auto& one : rows) {
      if (one.value("cgroup", "").find(container) == std::string::npos) continue;
      const auto when = plimsoll::parse_rfc3339(one.value("when", ""));
      if (when) return *when;
    }
    return std::nullopt;
  }

 private:
  std::string get(const std::string& target) const {
    const std::string answer = plimsoll::bench::get(port_, target);
    const auto body = answer.find("\r\n\r\n");
    return body == std::string::npos ? "" : answer.substr(body + 4);
  }
  fs::path folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

bool until(const std::function<bool()>& state) {
  for (const auto end = std::chrono::steady_clock::now() + kCeiling; std::chrono::steady_clock::now() < end;
       std::this_thread::sleep_for(20ms)) {
    if (state()) return true;
  }
  return false;
}

// Milliseconds from the moment to the decision; nullopt: there was none.
std::optional<double> react(const Agent& agent, const Cause& cause, const fs::path& mount, int round) {
  std::array<char, 65> id{};
  std::snprintf(id.data(), id.size(), "%032x%032x", ::getpid(), round);
  const fs::path cgroup = mount / "docker" / id.data();
  fs::create_directories(cgroup);
  if (cause.file != nullptr) std::ofstream(cgroup / cause.file) << cause.value << std::flush;
  auto* moment = static_cast<Moment*>(
      ::mmap(nullptr, sizeof(Moment), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  std::optional<double> took;
  if (!until([&] { return agent.watches(id.data()); })) {
    std::fprintf(stderr, "bench_reaction: the agent does not see %s\n", cgroup.c_str());
  } else {
    // Not in step with the agent's tick.
    std::this_thread::sleep_for(std::chrono::milliseconds(1300 + round * 379 % 1000));
    const pid_t child = ::fork();
    if (child == 0) {
      std::ofstream(cgroup / "cgroup.procs") << ::getpid() << std::flush;
      cause.act(cgroup, *moment);
      ::pause();
    }
    std::optional<WallTime> decided;
    until([&] { return (decided = agent.decided(cause, id.data())).has_value(); });
    if (!decided)
      std::fprintf(stderr, "bench_reaction: %s decided nothing: %s\n", cause.name,
                   agent.decisions(cause).c_str());
    if (decided) {
      const WallTime began{std::chrono::nanoseconds(moment->nanoseconds.load())};
      took = std::chrono::duration<double, std::milli>(*decided - began).count();
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  until([&] {
    std::error_code error;
    return fs::remove(cgroup, error);
  });
  ::munmap(moment, sizeof(Moment));
  return took;
}

void measure(const Cause& cause, const fs::path& mount, bool probes, int rounds) {
  if (!probes && cause.needs_probe) {
    std::printf("%-12s %-10s cannot see it\n", cause.name, "no probes");
    return;
  }
  const Agent agent(probes);
  std::vector<double> times;
  int missed = 0;
  for (int round = 0; round < rounds; ++round) {
    if (const auto took = react(agent, cause, mount, round)) {
      times.push_back(*took);
    } else {
      ++missed;
    }
  }
  if (times.empty()) {
    std::printf("%-12s %-10s no decision in %d rounds\n", cause.name, probes ? "probes" : "no probes",
                rounds);
    return;
  }
  std::ranges::sort(times);
  const double p99 = times[(times.size() * 99 + 99) / 100 - 1];
  std::printf(
      "%-12s %-10s median %8.2f ms = %.3f of a tick's 500 ms; p99 %8.2f ms; %zu rounds, %d without a "
      "decision\n",
      cause.name, probes ? "probes" : "no probes", plimsoll::bench::median(times),
      plimsoll::bench::median(times) / 500, p99, times.size(), missed);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 && std::atoi(argv[1]) > 0 ? std::atoi(argv[1]) : 15;
  const auto mounts = plimsoll::kernel::read_file("/proc/self/mounts");
  const auto mount = mounts ? plimsoll::kernel::find_cgroup2_mount(*mounts) : std::unexpected(mounts.error());
  if (!mount) return std::fprintf(stderr, "bench_reaction: %s\n", mount.error().message().c_str()), 1;
  const fs::path containers = fs::path(*mount) / "docker";
  std::error_code error;
  fs::create_directories(containers, error);
  for (const fs::path& one : {fs::path(*mount), containers})
    std::ofstream(one / "cgroup.subtree_control") << "+memory" << std::flush;
  for (const Cause& cause : kCauses) {
    if (cause.file != nullptr && !fs::exists(containers / cause.file)) {
      std::printf("%-12s cgroup v2 has no memory controller here: tests/vm/vm\n", cause.name);
      continue;
    }
    for (const bool probes : {true, false}) measure(cause, *mount, probes, rounds);
  }
  fs::remove(containers, error);
  return 0;
}
