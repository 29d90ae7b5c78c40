// Rendering a scrape of simulated containers, against prometheus-cpp's collected families of the same series
// being serialised. Prints milliseconds (median), the ratio, and the memory that a rendered text and the
// labels take.
#include <malloc.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <vector>

#include "exporters/catalogue.h"
#include "exporters/gzip.h"
#include "exporters/render.h"
#include "tests/bench/measure.h"

namespace {

using namespace plimsoll;
using namespace std::chrono_literals;
using exporters::Label;
using Clock = std::chrono::steady_clock;

// All probes are up, of a container that computes: it never opened a connection, nor was it held up.
model::ProbeReadings probes_of(std::uint64_t n) {
  model::TimeHistogram some{.sum = 3s};
  some.slots[3] = n;
  some.slots[12] = 1;
  return {.scheduling = model::Scheduling{.on_cpu = 5s, .stolen = 1s, .waits = some},
          .throttling = model::Throttling{},
          .lifecycle = model::Lifecycle{.forks = n, .execs = n, .exits = n, .lifetimes = some},
          .network = model::Network{},
          .syscalls = std::nullopt,
          .reclaim = model::Reclaim{},
          .io = std::vector<model::DiskIo>{},
          .oom = model::OomKills{}};
}

model::Sample sample_of(int seed) {
  model::Sample one;
  const auto n = static_cast<std::uint64_t>(seed) * 4096 + 123;
  one.cpu = {.usage = Microseconds(seed * 1000 + 7),
             .user = 5ms,
             .system = 6ms,
             .periods = n,
             .throttled_periods = n / 2,
             .burst_periods = 0,
             .throttled = 1s,
             .burst = 0us};
  one.memory = {.current = Bytes{n},
                .peak = Bytes{n},
                .swap_current = Bytes{0},
                .stat = model::MemoryStat{.anon = {n}, .file = {n}},
                .events = model::MemoryEvents{}};
  const model::Pressure pressure{.some = {.total = Microseconds(n)},
                                 .full = model::PressureLine{.total = 1us}};
  one.pressure = {pressure, pressure, pressure};
  one.io = {{.major = 254, .device = "vda", .read = {n}, .written = {n}, .reads = 1, .writes = 2}};
  one.net = {{.interface = "eth0", .received = {n}, .transmitted = {n}}};
  one.processes = one.threads = one.file_descriptors = one.sockets = 4;
  one.limits.cpu_max = model::CpuMax{model::Bound<Microseconds>(50ms), 100ms};
  one.limits.cpu_weight = 100;
  one.limits.memory_max = model::Bound(Bytes{n * 2});
  one.limits.pids_max = model::Bound<std::uint64_t>(100);
  one.probes = probes_of(n);
  return one;
}

exporters::Scrape scrape_of(int containers) {
  auto now = std::make_shared<model::Snapshot>();
  now->root = sample_of(0);
  for (int i = 0; i < containers; ++i) {
    auto ref = std::make_shared<model::ContainerRef>();
    ref->id = {static_cast<std::uint64_t>(i) + 10};
    ref->container_id = std::string(60, 'a') + std::to_string(1000 + i);
    ref->cgroup = "/plimsoll/" + ref->container_id;
    ref->name = "service-" + std::to_string(i);
    ref->image = "registry.local/team/service:1.2.3";
    now->containers.push_back({ref, sample_of(i)});
  }
  exporters::Scrape scrape;
  scrape.now = scrape.previous = now;
  return scrape;
}

void put(prometheus::ClientMetric& metric, double value) { metric.gauge.value = value; }
void put(prometheus::ClientMetric& metric, const model::TimeHistogram& times) {
  metric.histogram = {times.count(), to_seconds(times.sum), {}};
  std::uint64_t below = 0;
  for (std::size_t slot = 0; slot + 1 < model::TimeHistogram::kSlots; ++slot) {
    below += times.slots[slot];
    if (slot % 2 == 0)
      metric.histogram.bucket.push_back({below, to_seconds(model::TimeHistogram::end_of(slot))});
  }
  metric.histogram.bucket.push_back({times.count(), std::numeric_limits<double>::infinity()});
}

template <typename Value, typename Family>
prometheus::MetricFamily family_of(const Family& family, prometheus::MetricType type,
                                   const model::Snapshot& now) {
  prometheus::MetricFamily into{std::string(family.name), std::string(family.help), type, {}};
  for (const auto& one : now.containers) {
    family.read({one.ref.get(), &one.sample, &one.sample, {}, {}, {}}, [&](std::initializer_list<Label> extra,
                                                                           const Value& value) {
      prometheus::ClientMetric metric;
      metric.label = {{"id", one.ref->cgroup}, {"name", one.ref->name}, {"image", one.ref->image}};
      for (const auto& [key, text] : extra) metric.label.push_back({std::string(key), std::string(text)});
      put(metric, value);
      into.metric.push_back(std::move(metric));
    });
  }
  return into;
}

std::vector<prometheus::MetricFamily> families_of(const exporters::Scrape& scrape) {
  std::vector<prometheus::MetricFamily> families;
  for (const auto& list : {exporters::container_families(), exporters::probe_families()}) {
    for (const auto& family : list)
      families.push_back(family_of<double>(family, prometheus::MetricType::Gauge, *scrape.now));
  }
  for (const auto& family : exporters::container_histograms())
    families.push_back(
        family_of<model::TimeHistogram>(family, prometheus::MetricType::Histogram, *scrape.now));
  return families;
}

template <typename Work>
double median_ms(Work work) {
  std::vector<double> times;
  for (int i = 0; i < 7; ++i) {
    const auto begin = Clock::now();
    work();
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  return bench::median(std::move(times));
}

}  // namespace

int main() {
  for (const int containers : {10, 100, 1000}) {
    const auto scrape = scrape_of(containers);
    exporters::LabelCache cache;
    const std::string text = exporters::render(scrape, cache);
    std::size_t sent = 0;
    const double ours = median_ms([&] {
      exporters::render(scrape, cache, [&](std::string_view part) { return (sent += part.size()) > 0; });
    });
    const double packed = median_ms([&] {
      exporters::Gzip gzip([](std::string_view) { return true; });
      (void)(gzip.write(text) && gzip.finish());
    });
    std::size_t bytes = 0;
    const double theirs =
        median_ms([&] { bytes = prometheus::TextSerializer().Serialize(families_of(scrape)).size(); });
    const auto series = std::ranges::count(text, '\n');
    std::printf(
        "scrape of %4d containers: %8.2f ms (%ld lines, %zu KiB; gzip adds %.2f ms); prometheus-cpp %8.2f "
        "ms "
        "(%zu KiB); ratio %.2f; heap in use %zu KiB\n",
        containers, ours, static_cast<long>(series), text.size() / 1024, packed, theirs, bytes / 1024,
        ours / theirs, static_cast<std::size_t>(mallinfo2().uordblks) / 1024);
  }
}
