// Snapshots of a small host that goes on, with every field that history keeps.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "agent/history/codec.h"
#include "agent/history/describe.h"
#include "agent/model/recorded.h"

namespace plimsoll::history {

inline model::TimeHistogram histogram(std::mt19937_64& random) {
  model::TimeHistogram out;
  out.sum = Nanoseconds(static_cast<std::int64_t>(random() % 1'000'000'000));
  for (auto& slot : out.slots) slot = random() % 3 == 0 ? random() % 1000 : 0;
  return out;
}

inline model::Pressure pressure(std::mt19937_64& random) {
  const auto line = [&] {
    const auto share = [&] { return static_cast<double>(random() % 10'001) / 100; };
    return model::PressureLine{share(), share(), share(),
                               Microseconds(static_cast<std::int64_t>(random() % 1000))};
  };
  return {line(), random() % 2 == 0 ? std::optional(line()) : std::nullopt};
}

inline model::Sample sample(std::mt19937_64& random, BootTime taken) {
  model::Sample s;
  const auto bytes = [&] { return Bytes{random() % (1ULL << 34)}; };
  s.taken = taken;
  if (random() % 8 != 0)
    s.cpu = model::CpuStat{Microseconds(static_cast<std::int64_t>(random() >> 20)),
                           Microseconds(1),
                           Microseconds(2),
                           random() % 100,
                           random() % 100,
                           std::nullopt,
                           Microseconds(7),
                           std::nullopt};
  s.memory.current = bytes();
  s.memory.stat = model::MemoryStat{.anon = bytes(), .file = bytes(), .pgfault = random()};
  s.memory.events = model::MemoryEvents{.high = random() % 9, .oom_kill = random() % 2, .oom_group_kill = 1};
  s.pressure.memory = pressure(random);
  s.pressure.cpu = pressure(random);
  for (std::uint32_t i = 0; i < random() % 3; ++i)
    s.io.push_back(
        {8, i, "sd" + std::string(1, static_cast<char>('a' + i)), bytes(), bytes(), bytes(), 1, 2, 3});
  s.net.push_back({"eth0", bytes(), bytes(), 1, 2, 3, 4, 5, 6});
  s.hugetlb.push_back({"2MB", bytes(), std::nullopt});
  s.fs = model::FsStat{"vda", bytes(), bytes(), 3, 4};
  s.processes = random() % 50;
  s.frozen = random() % 2 == 0;
  s.probes.scheduling = model::Scheduling{Nanoseconds(1), Nanoseconds(2), histogram(random)};
  s.probes.lifecycle = model::Lifecycle{.forks = random() % 100, .lifetimes = histogram(random)};
  s.probes.syscalls = model::Syscalls{random(), {{2, 3}, {11, random() % 5}}};
  s.probes.io.emplace().push_back(
      {8, 0, "sda", {1, Nanoseconds(2), Nanoseconds(3), histogram(random)}, {}, {}});
  s.probes.oom = model::OomKills{1, 0};
  s.limits.cpu_max = model::CpuMax{model::Bound<Microseconds>(Microseconds(50'000)), Microseconds(100'000)};
  s.limits.cpus = "0-3";
  s.limits.memory_max = random() % 2 == 0 ? model::Bound<Bytes>::max() : model::Bound<Bytes>(bytes());
  s.limits.io_max.emplace().push_back({{8, 0}, model::Bound<std::uint64_t>(1000), std::nullopt, {}, {}});
  s.limits.io_weight = model::IoWeights{100, {{{8, 0}, 200}}};
  return s;
}

inline std::shared_ptr<const model::ContainerRef> container(std::uint64_t inode) {
  auto ref = std::make_shared<model::ContainerRef>();
  ref->id = {inode};
  ref->cgroup = "/docker/" + std::to_string(inode);
  ref->runtime = model::Runtime::kDocker;
  ref->container_id = std::to_string(inode);
  ref->name = "web-" + std::to_string(inode);
  ref->labels = {{"tier", "front"}, {"app", "web"}};
  ref->created = WallTime(std::chrono::seconds(1'700'000'000));
  ref->init_pid = 17;
  ref->restarts = 2;
  return ref;
}

// One that goes on, a second at a time.
class Host {
 public:
  explicit Host(int containers, std::uint64_t seed = 1) : random_(seed) {
    for (int i = 0; i < containers; ++i)
      snapshot_.containers.push_back({container(static_cast<std::uint64_t>(i) + 100), {}});
    snapshot_.wall = WallTime(std::chrono::seconds(1'700'000'000));
    snapshot_.boot = {std::chrono::seconds(1000)};
  }
  // `share` of the containers do something.
  const model::Snapshot& go_on(double share = 1, Nanoseconds by = std::chrono::seconds(1)) {
    snapshot_.wall += by;
    snapshot_.boot = snapshot_.boot + by;
    ++snapshot_.sequence;
    snapshot_.host.taken = snapshot_.boot;
    snapshot_.host.cpu_cores = 2;
    snapshot_.host.memory_available = Bytes{random_() % (1ULL << 33)};
    snapshot_.root = sample(random_, snapshot_.boot);
    snapshot_.probes = {{.name = "sched", .up = true, .why = "", .runs = random_() % 100}};
    for (model::ContainerSample& one : snapshot_.containers) {
      if (static_cast<double>(random_() % 1000) < share * 1000) one.sample = sample(random_, snapshot_.boot);
    }
    return snapshot_;
  }
  model::Snapshot& snapshot() { return snapshot_; }

 private:
  std::mt19937_64 random_;
  model::Snapshot snapshot_;
};

// All that history keeps of a snapshot, to be compared.
inline std::pair<Words, std::vector<std::string>> words_of(const model::Snapshot& snapshot) {
  Words out;
  Strings strings;
  WordWriter writer(out, strings);
  Describe<WordWriter> words{writer};
  words.all(snapshot.wall, snapshot.boot, snapshot.sequence);
  words.host(snapshot.host);
  if (snapshot.root) words.sample(*snapshot.root);
  for (const auto& one : snapshot.probes) words.probe_state(one);
  for (const auto& one : snapshot.containers) words.ref(*one.ref), words.sample(one.sample);
  return {std::move(out), strings.all()};
}

}  // namespace plimsoll::history
