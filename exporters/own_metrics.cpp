#include "exporters/own_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <atomic>

#include "agent/base/version.h"

namespace plimsoll::exporters {
namespace {

const prometheus::Histogram::BucketBoundaries kDurations = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};

prometheus::Histogram& histogram(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, kDurations);
}
prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}
prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help,
                         const prometheus::Labels& labels = {}) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
}

// To a total that somebody else counts.
void raise_to(prometheus::Counter& counter, double total) {
  const double more = total - counter.Value();
  if (more > 0) counter.Increment(more);
}

}  // namespace

struct OwnMetrics::Series {
  prometheus::Registry registry;
  prometheus::Histogram& sample =
      histogram(registry, "plimsoll_agent_sample_duration_seconds", "Time to sample all containers.");
  prometheus::Histogram& scrape =
      histogram(registry, "plimsoll_agent_scrape_duration_seconds", "Time to render a scrape.");
  prometheus::Counter& lost = counter(registry, "plimsoll_agent_lost_events_total",
                                      "Events that the kernel dropped before the agent read them.");
  prometheus::Counter& history_bytes =
      counter(registry, "plimsoll_history_written_bytes_total", "Bytes of history written to disk.");
  prometheus::Counter& history_lost =
      counter(registry, "plimsoll_history_lost_total", "Moments of history that could not be kept.");
  prometheus::Counter& given_up =
      counter(registry, "plimsoll_decisions_given_up_total",
              "Actions that failed or were refused again and again, and are not tried any more.");
  prometheus::Counter& cpu =
      counter(registry, "plimsoll_agent_cpu_seconds_total", "CPU time that the agent itself used.");
  prometheus::Gauge& memory = gauge(registry, "plimsoll_agent_memory_bytes", "Resident memory of the agent.");
  prometheus::Gauge& containers =
      gauge(registry, "plimsoll_agent_watched_containers", "Containers being watched.");
  std::atomic<double> last_sample{0};
};

OwnMetrics::OwnMetrics() : series_(std::make_unique<Series>()) {
  gauge(series_->registry, "plimsoll_build_info", "The agent's version; always 1.",
        {{"version", std::string(kVersion)}})
      .Set(1);
}
OwnMetrics::~OwnMetrics() = default;

void OwnMetrics::sampled(std::chrono::duration<double> took) {
  series_->sample.Observe(took.count());
  series_->last_sample = took.count();
}
void OwnMetrics::scraped(std::chrono::duration<double> took) { series_->scrape.Observe(took.count()); }
void OwnMetrics::history(std::uint64_t bytes, std::uint64_t lost) {
  raise_to(series_->history_bytes, static_cast<double>(bytes));
  raise_to(series_->history_lost, static_cast<double>(lost));
}
void OwnMetrics::lost_events(double count) { series_->lost.Increment(count); }
void OwnMetrics::gave_up() { series_->given_up.Increment(); }
void OwnMetrics::watching(std::size_t containers) {
  series_->containers.Set(static_cast<double>(containers));
}
void OwnMetrics::cost(std::chrono::duration<double> cpu, Bytes memory) {
  raise_to(series_->cpu, cpu.count());
  series_->memory.Set(static_cast<double>(memory.value));
}
double OwnMetrics::last_sample_seconds() const { return series_->last_sample; }

std::string OwnMetrics::text() const {
  return prometheus::TextSerializer().Serialize(series_->registry.Collect());
}

}  // namespace plimsoll::exporters
