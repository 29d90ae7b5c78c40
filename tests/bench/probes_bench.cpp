// What the probes cost those who are watched: four loads that live of the hooked paths, with all probes off,
// with programs that do nothing on the same hooks (the kernel's own price of a hook: nobody who looks is
// cheaper), and with all probes on, in turns within one run; time by the clock, and of the processors. And
// how long the programs take an event, by the kernel's own count.
//   bench_probes [ROUNDS]       needs CAP_BPF and CAP_PERFMON
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <nothing.skel.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/base/unique_fd.h"
#include "agent/kernel/cgroup.h"
#include "agent/kernel/file.h"
#include "bpf/object.h"
#include "bpf/probes.h"
#include "tests/bench/measure.h"

namespace {

using plimsoll::UniqueFd;

// Of one load: seconds by the clock, and of the processors.
struct Took {
  std::vector<double> clock, processors;
};

double processor_seconds() {
  double sum = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage use{};
    ::getrusage(who, &use);
    for (const timeval& time : {use.ru_utime, use.ru_stime})
      sum += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  }
  return sum;
}

void measure(void (*load)(), Took& took) {
  const double used = processor_seconds();
  const auto begin = std::chrono::steady_clock::now();
  load();
  took.clock.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  took.processors.push_back(processor_seconds() - used);
}

// In a child of its own; it ends with its work.
pid_t child_of(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  work();
  ::_exit(0);
}

void must(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

// Two processes that wake each other, as `perf bench sched pipe`.
void ping_pong() {
  int there[2], back[2];
  must(::pipe(there) == 0 && ::pipe(back) == 0, "pipe");
  constexpr int kTimes = 50'000;
  const pid_t child = child_of([&] {
    char byte = 0;
    for (int i = 0; i < kTimes; ++i)
      must(::read(there[0], &byte, 1) == 1 && ::write(back[1], &byte, 1) == 1, "pong");
  });
  char byte = 0;
  for (int i = 0; i < kTimes; ++i)
    must(::write(there[1], &byte, 1) == 1 && ::read(back[0], &byte, 1) == 1, "ping");
  ::waitpid(child, nullptr, 0);
  for (const int fd : {there[0], there[1], back[0], back[1]}) ::close(fd);
}

void fork_and_exec() {
  for (int i = 0; i < 500; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl("/bin/true", "true", nullptr);
      ::_exit(127);
    }
    ::waitpid(child, nullptr, 0);
  }
}

void read_pages() {
  const UniqueFd zero(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  std::array<char, 4096> page{};
  for (int i = 0; i < 500'000; ++i) must(::read(zero.get(), page.data(), page.size()) > 0, "read");
}

void loopback_stream() {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  must(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length) == 0, "bind");
  must(::listen(listener.get(), 1) == 0, "listen");
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length);
  constexpr std::size_t kBytes = 512UL << 20;
  const pid_t child = child_of([&] {
    const UniqueFd out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    must(::connect(out.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
    std::vector<char> block(65536);
    for (std::size_t sent = 0; sent < kBytes;) {
      const ssize_t wrote = ::write(out.get(), block.data(), block.size());
      must(wrote > 0, "send");
      sent += static_cast<std::size_t>(wrote);
    }
  });
  const UniqueFd in(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  std::vector<char> block(65536);
  while (::read(in.get(), block.data(), block.size()) > 0) {
  }
  ::waitpid(child, nullptr, 0);
}

struct Load {
  const char* name;
  void (*run)();
};
constexpr std::array kLoads = {Load{"pipe ping-pong", ping_pong}, Load{"fork and exec", fork_and_exec},
                               Load{"4 KiB reads", read_pages}, Load{"loopback TCP", loopback_stream}};

// A cgroup that this process and its children are in, so that they are somebody's: the dearer case.
class OwnCgroup {
 public:
  OwnCgroup() {
    const auto mounts = plimsoll::kernel::read_file("/proc/self/mounts");
    must(mounts.has_value(), "read /proc/self/mounts");
    const auto mount = plimsoll::kernel::find_cgroup2_mount(*mounts);
    must(mount.has_value(), "find cgroup2 in /proc/self/mounts");
    root_ = *mount;
    folder_ = root_ + "/plimsoll-bench-" + std::to_string(::getpid());
    must(::mkdir(folder_.c_str(), 0755) == 0, "make a cgroup");
    enter(folder_);
  }
  ~OwnCgroup() {
    enter(root_);
    ::rmdir(folder_.c_str());
  }
  OwnCgroup(const OwnCgroup&) = delete;
  OwnCgroup& operator=(const OwnCgroup&) = delete;
  const std::string& mount() const { return root_; }
  plimsoll::model::CgroupId id() const {
    struct stat facts{};
    must(::stat(folder_.c_str(), &facts) == 0, "stat the cgroup");
    return {facts.st_ino};
  }

 private:
  static void enter(const std::string& cgroup) {
    std::ofstream(cgroup + "/cgroup.procs") << ::getpid() << std::flush;
  }
  std::string root_, folder_;
};

std::unique_ptr<plimsoll::bpf::Object> hooks_alone() {
  std::size_t size = 0;
  const auto* bytes = static_cast<const std::uint8_t*>(nothing_bpf__elf_bytes(&size));
  auto object = plimsoll::bpf::Object::load({"nothing", {bytes, size}}, {}, {16, 16});
  must(object.has_value(), "load programs that do nothing");
  return *std::move(object);
}

std::unique_ptr<plimsoll::bpf::Probes> all_probes(const OwnCgroup& own,
                                                  const std::set<std::string>& asked_for = {}) {
  auto probes = plimsoll::bpf::Probes::open({.cgroup_mount = own.mount(), .on = asked_for});
  must(static_cast<bool>(probes->watch(own.id())), "watch the cgroup");
  return probes;
}

void compare(const Load& load, const OwnCgroup& own, int rounds) {
  Took off, hooks, on;
  load.run();  // warm
  for (int round = 0; round < rounds; ++round) {
    measure(load.run, off);
    {
      const auto nothing = hooks_alone();
      measure(load.run, hooks);
    }
    const auto probes = all_probes(own);
    measure(load.run, on);
  }
  // Of the medians, and of the least of each: what else the machine does only ever adds to a time.
  const auto ratio = [](const std::vector<double>& some, const std::vector<double>& base) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.3f (%.3f)",
                  plimsoll::bench::median(some) / plimsoll::bench::median(base),
                  *std::ranges::min_element(some) / *std::ranges::min_element(base));
    return std::string(text.data());
  };
  std::printf("%-16s %8.1f ms  clock: hooks alone %s, probes %s   processors: hooks alone %s, probes %s\n",
              load.name, plimsoll::bench::median(off.clock) * 1e3, ratio(hooks.clock, off.clock).c_str(),
              ratio(on.clock, off.clock).c_str(), ratio(hooks.processors, off.processors).c_str(),
              ratio(on.processors, off.processors).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 9;
  const OwnCgroup own;
  std::printf("of the time without probes: medians (and the least) of %d rounds, in turns\n", rounds);
  for (const Load& load : kLoads) compare(load, own, rounds);
  const UniqueFd stats(bpf_enable_stats(BPF_STATS_RUN_TIME));
  {
    const auto nothing = hooks_alone();
    for (const Load& load : kLoads) load.run();
    const auto cost = nothing->run_time();
    std::printf("%-16s %8.0f ns an event, %llu events\n", "hooks alone",
                static_cast<double>(cost.spent.count()) / static_cast<double>(cost.runs),
                static_cast<unsigned long long>(cost.runs));
  }
  const auto probes = all_probes(own, {"all"});
  for (const Load& load : kLoads) load.run();
  for (const auto& probe : probes->states()) {
    if (!probe.up) {
      std::printf("%s: %s\n", probe.name.c_str(), probe.why.c_str());
    } else if (probe.runs > 0) {
      std::printf("%-16s %8.0f ns an event, %llu events\n", probe.name.c_str(),
                  static_cast<double>(probe.spent.count()) / static_cast<double>(probe.runs),
                  static_cast<unsigned long long>(probe.runs));
    }
  }
  return 0;
}
