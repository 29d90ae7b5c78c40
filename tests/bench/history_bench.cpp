// What history costs: bytes on disk for a container and second, and the loop's time for it, against what the
// same samples take as JSON lines, packed by zstd at the same level.
//   bench_history [CONTAINERS]
#include <unistd.h>
#include <zstd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>

#include "agent/daemon/history_json.h"
#include "agent/history/reader.h"
#include "agent/history/recorder.h"
#include "tests/bench/measure.h"

namespace {

namespace fs = std::filesystem;
namespace model = plimsoll::model;
using plimsoll::Bytes;
using plimsoll::Microseconds;
using plimsoll::Nanoseconds;

constexpr int kSeconds = 120;

// A host as hosts are: most containers do little, some work, all have probes' counts and limits that stay.
class Host {
 public:
  explicit Host(int containers) {
    for (int i = 0; i < containers; ++i) {
      auto ref = std::make_shared<model::ContainerRef>();
      ref->id = {static_cast<std::uint64_t>(1000 + i)};
      ref->cgroup = "/docker/" + std::to_string(i);
      ref->container_id = std::string(60, 'a') + std::to_string(i);
      ref->name = "service-" + std::to_string(i);
      snapshot_.containers.push_back({ref, first(i)});
    }
    snapshot_.wall = plimsoll::WallTime(std::chrono::seconds(1'760'000'000));
  }
  const model::Snapshot& next() {
    snapshot_.wall += std::chrono::seconds(1);
    snapshot_.boot = snapshot_.boot + std::chrono::seconds(1);
    ++snapshot_.sequence;
    snapshot_.host.taken = snapshot_.boot;
    snapshot_.host.memory_available = Bytes{(8ULL << 30) + 4096 * (random_() % 10'000)};
    for (std::size_t i = 0; i < snapshot_.containers.size(); ++i) go_on(i, snapshot_.containers[i].sample);
    return snapshot_;
  }

 private:
  static model::Sample first(int i) {
    model::Sample s;
    s.cpu = model::CpuStat{.periods = 0,
                           .throttled_periods = 0,
                           .burst_periods = 0,
                           .throttled = Microseconds(0),
                           .burst = Microseconds(0)};
    s.memory = {.current = Bytes{static_cast<std::uint64_t>(i + 1) << 20},
                .peak = Bytes{2000ULL << 20},
                .swap_current = Bytes{},
                .stat = model::MemoryStat{},
                .events = model::MemoryEvents{}};
    s.pressure = {model::Pressure{{}, model::PressureLine{}}, model::Pressure{{}, model::PressureLine{}},
                  model::Pressure{{}, model::PressureLine{}}};
    s.io = {{254, 0, "vda", {}, {}, {}, 0, 0, 0}};
    s.net = {{"eth0", {}, {}, 0, 0, 0, 0, 0, 0}};
    s.processes = 3, s.threads = 9, s.frozen = false, s.populated = true;
    s.probes = {.scheduling = model::Scheduling{},
                .throttling = model::Throttling{},
                .lifecycle = model::Lifecycle{},
                .network = model::Network{},
                .syscalls = {},
                .reclaim = model::Reclaim{},
                .io = std::vector<model::DiskIo>{},
                .oom = model::OomKills{}};
    s.limits = {.cpu_max = model::CpuMax{},
                .cpu_weight = 100,
                .cpus = "",
                .memory_max = model::Bound<Bytes>(Bytes{256ULL << 20}),
                .memory_high = model::Bound<Bytes>::max()};
    return s;
  }
  // One in ten works, three in ten do a little, the others wake up now and then.
  void go_on(std::size_t i, model::Sample& s) {
    s.taken = {snapshot_.boot.since_boot + Nanoseconds(15'000 * i + random_() % 5000)};
    const std::size_t kind = i % 10;
    if (kind >= 4 && random_() % 5 != 0) return;
    const std::uint64_t load = kind == 0 ? 1000 : kind < 4 ? 50 : 3;
    const auto some = [&](std::uint64_t most) { return random_() % (most * load / 100 + 1); };
    const auto used = Microseconds(static_cast<std::int64_t>(some(30'000)));
    s.cpu->usage += used, s.cpu->user += used / 2, s.cpu->system += used - used / 2;
    s.memory.current->value += 4096 * some(20);
    s.memory.stat->anon.value += 4096 * some(15), s.memory.stat->file.value += 4096 * some(5);
    s.memory.stat->pgfault += some(300);
    s.pressure.cpu->some.total += used / 50;
    s.probes.scheduling->on_cpu += used;
    for (std::size_t slot = 1; slot < 8; ++slot) s.probes.scheduling->waits.slots[slot] += some(40);
    s.probes.scheduling->waits.sum += used / 20;
    s.probes.network->bytes_sent += some(9000), s.probes.network->bytes_received += some(4000);
    s.net[0].received.value += some(4000), s.net[0].transmitted.value += some(9000);
    s.net[0].rx_packets += some(8), s.net[0].tx_packets += some(8);
    if (kind == 0) s.io[0].written.value += 4096 * some(3), s.io[0].writes += some(2);
  }
  std::mt19937_64 random_{1};
  model::Snapshot snapshot_;
};

std::uint64_t as_json(int containers) {
  Host host(containers);
  std::string lines;
  for (int second = 0; second < kSeconds; ++second) {
    model::Recorded moment;
    moment.snapshot = std::make_shared<const model::Snapshot>(host.next());
    moment.tick = true;
    plimsoll::daemon::history_lines(moment, "", [&](std::string_view line) {
      lines += line;
      return true;
    });
  }
  std::string packed(ZSTD_compressBound(lines.size()), '\0');
  return ZSTD_compress(packed.data(), packed.size(), lines.data(), lines.size(), 3);
}

}  // namespace

int main(int argc, char** argv) {
  const int containers = argc > 1 ? std::atoi(argv[1]) : 1000;
  std::string folder = (fs::temp_directory_path() / "plimsoll-bench-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return std::perror("bench_history"), 1;
  Host host(containers);
  double noted = 0;
  {
    auto recorder = plimsoll::history::Recorder::open({.folder = folder, .boot_id = "bench"});
    if (!recorder) return std::fprintf(stderr, "bench_history: %s\n", recorder.error().message().c_str()), 1;
    for (int second = 0; second < kSeconds; ++second) {
      const model::Snapshot& now = host.next();
      const auto begun = std::chrono::steady_clock::now();
      (*recorder)->note({.snapshot = now, .tick = true});
      noted += std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    }
  }
  std::uint64_t bytes = 0;
  const auto files = plimsoll::history::segments_of(folder);
  for (std::size_t i = 0; files && i < files->size(); ++i) bytes += (*files)[i].bytes;
  const auto begun = std::chrono::steady_clock::now();
  auto reader = *plimsoll::history::Reader::open(folder, {}, plimsoll::WallTime::max());
  int moments = 0;
  while (reader.next()) ++moments;
  const double read = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  fs::remove_all(folder);
  const double samples = static_cast<double>(containers) * kSeconds;
  const double json = static_cast<double>(as_json(containers)) / samples;
  const double own = static_cast<double>(bytes) / samples;
  std::printf(
      "%d containers, %d of %d s came back: %.1f bytes a container and second = %.2f of JSON lines by zstd "
      "(%.1f); the loop %.2f us each, to read %.2f us each\n",
      containers, moments, kSeconds, own, own / json, json, noted / samples * 1e6, read / samples * 1e6);
  return moments == kSeconds ? 0 : 1;
}
