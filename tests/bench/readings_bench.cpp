// What the probes counted of many containers, as a tick reads it: all at once, against one after the other.
//   bench_readings [CONTAINERS]       root; each container is a cgroup in which a process ran
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "agent/kernel/cgroup.h"
#include "agent/kernel/file.h"
#include "bpf/probes.h"
#include "tests/bench/measure.h"

namespace {

namespace fs = std::filesystem;
using plimsoll::bpf::Probes;

class Cgroups {
 public:
  Cgroups(const fs::path& mount, int count)
      : folder_(mount / ("plimsoll-bench-" + std::to_string(::getpid()))) {
    for (int i = 0; i < count; ++i) {
      fs::create_directories(folder_ / std::to_string(i));
      struct stat facts{};
      if (::stat((folder_ / std::to_string(i)).c_str(), &facts) == 0) ids.push_back({facts.st_ino});
    }
  }
  ~Cgroups() {
    std::error_code error;
    for (std::size_t i = 0; i < ids.size(); ++i) fs::remove(folder_ / std::to_string(i), error);
    fs::remove(folder_, error);
  }
  Cgroups(const Cgroups&) = delete;
  Cgroups& operator=(const Cgroups&) = delete;
  void run_a_process_in_each() const {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        std::ofstream(folder_ / std::to_string(i) / "cgroup.procs") << ::getpid() << std::flush;
        ::_exit(::access("/", R_OK));
      }
      ::waitpid(child, nullptr, 0);
    }
  }
  std::vector<plimsoll::model::CgroupId> ids;

 private:
  fs::path folder_;
};

double milliseconds(const std::vector<double>& seconds) { return plimsoll::bench::median(seconds) * 1e3; }

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 1000;
  const auto mounts = plimsoll::kernel::read_file("/proc/self/mounts");
  const auto mount = mounts ? plimsoll::kernel::find_cgroup2_mount(*mounts) : std::unexpected(mounts.error());
  if (!mount) return std::fprintf(stderr, "bench_readings: %s\n", mount.error().message().c_str()), 1;
  const Cgroups cgroups(*mount, count);
  const auto probes = Probes::open({.types = "/sys/kernel/btf/vmlinux", .cgroup_mount = *mount});
  for (const auto& id : cgroups.ids) {
    if (const auto watched = probes->watch(id); !watched)
      return std::fprintf(stderr, "bench_readings: %s\n", watched.error().message().c_str()), 1;
  }
  cgroups.run_a_process_in_each();
  std::uint64_t seen = 0;
  const auto read_all = [&] {
    for (const auto& id : cgroups.ids) seen += probes->read(id).lifecycle.has_value() ? 1 : 0;
  };
  std::vector<double> each, at_once;
  for (int round = 0; round < 21; ++round) {
    const auto begun = std::chrono::steady_clock::now();
    read_all();
    const auto between = std::chrono::steady_clock::now();
    {
      const auto scan = probes->scan();
      read_all();
    }
    const auto end = std::chrono::steady_clock::now();
    each.push_back(std::chrono::duration<double>(between - begun).count());
    at_once.push_back(std::chrono::duration<double>(end - between).count());
  }
  std::printf("%zu containers: one by one %.2f ms, at once %.2f ms = %.2f of it; medians of 21, in turns\n",
              cgroups.ids.size(), milliseconds(each), milliseconds(at_once),
              milliseconds(at_once) / milliseconds(each));
  return seen > 0 ? 0 : 1;
}
