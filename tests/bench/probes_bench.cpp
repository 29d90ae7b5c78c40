// What the probes cost those who are watched: four loads that live of the hooked paths, with all probes off
// and on, in turns within one run; and how long the programs take an event, by the kernel's own count.
//   bench_probes [ROUNDS]       needs CAP_BPF and CAP_PERFMON
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
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
#include <string>
#include <vector>

#include "agent/base/unique_fd.h"
#include "bpf/probes.h"
#include "tests/bench/measure.h"

namespace {

using plimsoll::UniqueFd;

double seconds_of(const std::function<void()>& load) {
  const auto begin = std::chrono::steady_clock::now();
  load();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
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
    std::ifstream mounts("/proc/self/mounts");
    std::string device, where, type, rest;
    while (mounts >> device >> where >> type && std::getline(mounts, rest) && type != "cgroup2") {
    }
    must(type == "cgroup2", "find cgroup2 in /proc/self/mounts");
    root_ = where;
    folder_ = where + "/plimsoll-bench-" + std::to_string(::getpid());
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

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 7;
  const OwnCgroup own;
  std::printf("%-16s %10s %10s %8s   (median of %d, in turns)\n", "", "off", "on", "on/off", rounds);
  for (const Load& load : kLoads) {
    std::vector<double> off, on;
    load.run();  // warm
    for (int round = 0; round < rounds; ++round) {
      off.push_back(seconds_of(load.run));
      const auto probes = plimsoll::bpf::Probes::open({.cgroup_mount = own.mount()});
      must(static_cast<bool>(probes->watch(own.id())), "watch the cgroup");
      on.push_back(seconds_of(load.run));
    }
    std::printf("%-16s %8.1f ms %8.1f ms %8.3f\n", load.name, plimsoll::bench::median(off) * 1e3,
                plimsoll::bench::median(on) * 1e3,
                plimsoll::bench::median(on) / plimsoll::bench::median(off));
  }
  const UniqueFd stats(bpf_enable_stats(BPF_STATS_RUN_TIME));
  // Those too that are loaded only where they are asked for.
  const auto probes = plimsoll::bpf::Probes::open({.cgroup_mount = own.mount(), .on = {"all"}});
  must(static_cast<bool>(probes->watch(own.id())), "watch the cgroup");
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
