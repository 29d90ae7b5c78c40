#include "exporters/own_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>

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

constexpr std::array<const char*, 5> kOutcomes = {"sent", "retried", "failed", "suppressed", "dropped"};

// To a total that somebody else counts.
void raise_to(prometheus::Counter& counter, double total) {
  const double more = total - counter.Value();
  if (more > 0) counter.Increment(more);
}

}  // namespace

// The series of one target; they go with it.
struct TargetSeries {
  std::array<prometheus::Counter*, kOutcomes.size()> outcomes{};
  prometheus::Gauge* pending = nullptr;
};

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
  prometheus::Family<prometheus::Counter>& notifications =
      prometheus::BuildCounter()
          .Name("plimsoll_notifications_total")
          .Help("Notifications by target and what became of them; a retry is one more.")
          .Register(registry);
  prometheus::Family<prometheus::Gauge>& notifications_pending =
      prometheus::BuildGauge()
          .Name("plimsoll_notifications_pending")
          .Help("Notifications that wait to be delivered.")
          .Register(registry);
  std::mutex mutex;
  std::map<std::string, TargetSeries> targets;
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
void OwnMetrics::notifications(std::span<const model::TargetState> targets) {
  const std::lock_guard lock(series_->mutex);
  std::erase_if(series_->targets, [&](const auto& entry) {
    if (std::ranges::find(targets, entry.first, &model::TargetState::name) != targets.end()) return false;
    for (prometheus::Counter* one : entry.second.outcomes) series_->notifications.Remove(one);
    series_->notifications_pending.Remove(entry.second.pending);
    return true;
  });
  for (const model::TargetState& target : targets) {
    TargetSeries& series = series_->targets[target.name];
    const std::array totals = {target.sent, target.retried, target.failed, target.suppressed, target.dropped};
    for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
      if (series.outcomes[i] == nullptr)
        series.outcomes[i] =
            &series_->notifications.Add({{"target", target.name}, {"outcome", kOutcomes[i]}});
      raise_to(*series.outcomes[i], static_cast<double>(totals[i]));
    }
    if (series.pending == nullptr)
      series.pending = &series_->notifications_pending.Add({{"target", target.name}});
    series.pending->Set(static_cast<double>(target.pending));
  }
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
