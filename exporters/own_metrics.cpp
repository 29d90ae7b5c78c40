#include "exporters/own_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

#include "agent/base/version.h"

namespace plimsoll::exporters {
namespace {

const prometheus::Histogram::BucketBoundaries kDurations = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                            0.05,   0.1,   0.25,   0.5,   1,    2.5};

double seconds(Nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

struct OwnMetrics::Registry {
  prometheus::Registry all;

  prometheus::Gauge& gauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(all).Add({});
  }
  prometheus::Counter& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(all).Add({});
  }
  prometheus::Histogram& durations(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(all).Add({}, kDurations);
  }
  // A counter of prometheus-cpp can only be added to; ours are totals already.
  void raise(prometheus::Counter& counter, double total) {
    const std::scoped_lock lock(raising);
    if (total > counter.Value()) counter.Increment(total - counter.Value());
  }

  std::mutex raising;
  prometheus::Counter& cpu = counter("plimsoll_agent_cpu_seconds_total", "CPU time that the agent has used.");
  prometheus::Gauge& memory = gauge("plimsoll_agent_memory_bytes", "Resident memory of the agent.");
  prometheus::Family<prometheus::Counter>& lost =
      prometheus::BuildCounter()
          .Name("plimsoll_agent_lost_events_total")
          .Help("Events that the agent did not see, by where they were lost.")
          .Register(all);
  prometheus::Counter& malformed = counter("plimsoll_agent_malformed_files_total",
                                           "Readings of control files that could not be understood.");
  prometheus::Gauge& watched = gauge("plimsoll_watched_containers", "Living containers that are watched.");
  prometheus::Gauge& ended =
      gauge("plimsoll_ended_containers", "Containers that ended and whose last sample is still exported.");
  prometheus::Gauge& kept = gauge("plimsoll_agent_kept_files", "Control files that are kept open.");
  prometheus::Gauge& reopened =
      gauge("plimsoll_agent_reopened_files", "Control files opened for each sample for want of descriptors.");
  prometheus::Gauge& policy_good =
      gauge("plimsoll_policy_load_success", "1 if the newest policies were good, 0 if they were refused.");
  prometheus::Gauge& policies = gauge("plimsoll_policies", "Policies in force.");
  prometheus::Histogram& sample =
      durations("plimsoll_sample_duration_seconds", "Time to sample all containers once.");
  prometheus::Histogram& scrape = durations("plimsoll_scrape_duration_seconds", "Time to render one scrape.");
};

OwnMetrics::OwnMetrics() : registry_(std::make_unique<Registry>()) {
  prometheus::BuildGauge()
      .Name("plimsoll_build_info")
      .Help("A metric with a constant '1' value labeled by the agent's version.")
      .Register(registry_->all)
      .Add({{"version", std::string(kVersion)}})
      .Set(1);
  registry_->policy_good.Set(1);
  set_lost_events("inotify", 0);
  set_lost_events("births", 0);
}

OwnMetrics::~OwnMetrics() = default;

void OwnMetrics::set_agent_usage(Microseconds cpu, Bytes resident) {
  registry_->raise(registry_->cpu, seconds(cpu));
  registry_->memory.Set(static_cast<double>(resident.value));
}

void OwnMetrics::set_lost_events(const std::string& source, std::uint64_t total) {
  registry_->raise(registry_->lost.Add({{"source", source}}), static_cast<double>(total));
}

void OwnMetrics::set_malformed_files(std::uint64_t total) {
  registry_->raise(registry_->malformed, static_cast<double>(total));
}

void OwnMetrics::set_watched(std::uint64_t living, std::uint64_t ended) {
  registry_->watched.Set(static_cast<double>(living));
  registry_->ended.Set(static_cast<double>(ended));
}

void OwnMetrics::set_descriptors(std::uint64_t kept, std::uint64_t reopened) {
  registry_->kept.Set(static_cast<double>(kept));
  registry_->reopened.Set(static_cast<double>(reopened));
}

void OwnMetrics::set_policies(bool good, std::uint64_t loaded) {
  registry_->policy_good.Set(good ? 1 : 0);
  registry_->policies.Set(static_cast<double>(loaded));
}

void OwnMetrics::observe_sample(Nanoseconds duration) { registry_->sample.Observe(seconds(duration)); }
void OwnMetrics::observe_scrape(Nanoseconds duration) { registry_->scrape.Observe(seconds(duration)); }

std::string OwnMetrics::text() const {
  return prometheus::TextSerializer().Serialize(registry_->all.Collect());
}

}  // namespace plimsoll::exporters
