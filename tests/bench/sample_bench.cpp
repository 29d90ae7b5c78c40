// What one sample of a container costs, against the kernel's own floor, in one run:
//   floor    pread of the same files through kept descriptors, nothing parsed
//   sampler  ContainerSampler::refresh: the same files, parsed into a model::Sample
//   reopen   open, read, close of the same files, nothing parsed
//   tick     Watcher::take: all containers with everything that is due, and the snapshot
// Real cgroups below the host's cgroup v2 mount. Where it lacks cpu and memory (a hybrid mount), fewer files
// are there, which the first line says; the full set is measured in the virtual machine.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "agent/kernel/cgroup.h"
#include "agent/kernel/file.h"
#include "agent/watch/container_sampler.h"
#include "agent/watch/watcher.h"
#include "tests/bench/measure.h"

namespace plimsoll::watch {
namespace {

using bench::median;
constexpr int kRounds = 21;

struct Ground {
  std::string mount, parent;
  SystemClock clock;
};

double microseconds(const Clock& clock, const std::function<void()>& work) {
  const BootTime start = clock.boot();
  work();
  return std::chrono::duration<double, std::micro>(clock.boot() - start).count();
}

std::string name_of(std::size_t number) {
  std::array<char, 65> name{};
  std::snprintf(name.data(), name.size(), "%064zx", number + 1);
  return name.data();
}

std::vector<const char*> files_of(const std::string& cgroup) {
  std::vector<const char*> files;
  for (std::size_t file = 0; file < CgroupReader::kFiles; ++file) {
    if (::access((cgroup + "/" + CgroupReader::file_name(file)).c_str(), R_OK) == 0) {
      files.push_back(CgroupReader::file_name(file));
    }
  }
  return files;
}

void pread_only(const std::vector<UniqueFd>& files, std::string& buffer) {
  for (const UniqueFd& file : files) {
    if (::pread(file.get(), buffer.data(), buffer.size(), 0) < 0) std::perror("pread");
  }
}

void reopen(const std::vector<std::string>& folders, const std::vector<const char*>& files,
            std::string& buffer) {
  for (const std::string& folder : folders) {
    for (const char* file : files) {
      const UniqueFd fd(::open((folder + "/" + file).c_str(), O_RDONLY | O_CLOEXEC));
      if (::read(fd.get(), buffer.data(), buffer.size()) < 0) std::perror("read");
    }
  }
}

bool measure(const Ground& ground, std::size_t count) {
  std::vector<std::string> folders;
  std::vector<UniqueFd> kept;
  Options options;
  options.cgroup_mount = ground.mount;
  options.proc = "/proc";
  options.most_pressure_triggers = 0;
  SamplingGround sampling{options, ground.clock, {}, false, {}};
  DescriptorBudget budget = DescriptorBudget::of_this_process();
  std::vector<ContainerSampler> samplers;
  samplers.reserve(count);
  for (std::size_t number = 0; number < count; ++number) {
    const auto cgroup = kernel::Cgroup::create(ground.parent + "/" + name_of(number));
    if (!cgroup) return std::fprintf(stderr, "%s\n", cgroup.error().message().c_str()), false;
    folders.push_back(cgroup->path());
    auto reader = CgroupReader::open(cgroup->path(), cgroup->id(), budget);
    if (!reader) return std::fprintf(stderr, "%s\n", reader.error().message().c_str()), false;
    samplers.emplace_back(*std::move(reader), cgroup->id());
  }
  const std::vector<const char*> files = files_of(folders.front());
  for (const std::string& folder : folders) {
    for (const char* file : files)
      kept.emplace_back(::open((folder + "/" + file).c_str(), O_RDONLY | O_CLOEXEC));
  }
  std::string buffer(16384, '\0');
  std::vector<double> floor;
  std::vector<double> sampled;
  std::vector<double> reopened;
  const auto refresh_all = [&] {
    for (ContainerSampler& sampler : samplers) {
      if (!sampler.refresh(sampling)) std::perror("refresh");
    }
  };
  refresh_all();  // limits and cgroup.events are read the first time, later only when they change
  for (int round = 0; round < kRounds; ++round) {
    floor.push_back(microseconds(ground.clock, [&] { pread_only(kept, buffer); }));
    sampled.push_back(microseconds(ground.clock, refresh_all));
    reopened.push_back(microseconds(ground.clock, [&] { reopen(folders, files, buffer); }));
  }
  kept.clear();
  samplers.clear();
  auto watcher = Watcher::open(options, ground.clock, nullptr);
  if (!watcher) return std::fprintf(stderr, "%s\n", watcher.error().message().c_str()), false;
  std::vector<double> ticks;
  for (int round = 0; round < kRounds; ++round) {
    ticks.push_back(microseconds(ground.clock, [&] { (*watcher)->take(); }));
  }
  const auto each = static_cast<double>(count);
  std::printf("%6zu %6zu %9.1f %9.1f %9.1f %9.1f   %7.2f %9.2f %8.2f\n", count, files.size(),
              median(floor) / each, median(sampled) / each, median(reopened) / each, median(ticks) / each,
              median(sampled) / median(floor), median(reopened) / median(floor),
              median(ticks) / median(floor));
  return true;
}

int run() {
  // Two sets of descriptors, the floor's and the sampler's, for a thousand cgroups.
  const rlimit enough{65536, 65536};
  if (::setrlimit(RLIMIT_NOFILE, &enough) != 0) std::perror("sample_bench: raise RLIMIT_NOFILE");
  const auto mounts = kernel::read_file("/proc/self/mounts");
  const auto mount = mounts ? kernel::find_cgroup2_mount(*mounts) : fail("no mounts");
  if (!mount) return std::fprintf(stderr, "sample_bench: %s\n", mount.error().message().c_str()), 1;
  Ground ground{*mount, *mount + "/plimsoll", {}};
  const auto root = kernel::Cgroup::open(ground.mount);
  const bool whole = root && root->enable({"cpu", "memory", "io", "pids"});
  const auto parent = kernel::Cgroup::create(ground.parent);
  if (!parent) return std::fprintf(stderr, "sample_bench: %s\n", parent.error().message().c_str()), 1;
  if (whole && !parent->enable({"cpu", "memory", "io", "pids"})) return 1;
  std::printf("cgroup v2 at %s, %s\n", ground.mount.c_str(),
              whole ? "cpu, memory, io and pids on" : "a hybrid mount without cpu, memory, io and pids");
  std::printf("microseconds a container, median of %d rounds; ratios to the floor\n", kRounds);
  std::printf(" count  files     floor   sampler    reopen      tick   sampler    reopen     tick\n");
  bool good = true;
  for (const std::size_t count : {10U, 100U, 1000U}) good = good && measure(ground, count);
  if (!kernel::remove_cgroup_tree(ground.parent)) good = false;
  return good ? 0 : 1;
}

}  // namespace
}  // namespace plimsoll::watch

int main() { return plimsoll::watch::run(); }
