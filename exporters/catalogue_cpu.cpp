#include <array>

#include "exporters/catalogue.h"
#include "exporters/read.h"

namespace plimsoll::exporters {
namespace {

using model::CpuStat;

template <Microseconds CpuStat::* kField>
void cpu_time(const Subject& subject, Points& points) {
  if (subject.sample.cpu) points.add(seconds((*subject.sample.cpu).*kField));
}

// What the kernel counts about a quota says nothing where there is none; cAdvisor leaves it out, too.
template <auto kField>
void under_quota(const Subject& subject, Points& points) {
  if (subject.sample.cpu && has_quota(subject)) add_if(points, (*subject.sample.cpu).*kField);
}

void usage(const Subject& subject, Points& points) {
  if (subject.sample.cpu) points.add(seconds(subject.sample.cpu->usage), {{"cpu", "total"}});
}

void shares(const Subject& subject, Points& points) {
  const auto& weight = subject.sample.limits.cpu_weight;
  if (weight && *weight > 0) points.add(number(2 + (*weight - 1) * 262142 / 9999));
}

constexpr std::array<ContainerMetric, 11> kRows = {{
    {"container_cpu_usage_seconds_total", Type::kCounter, "seconds", "cpu",
     "Cumulative cpu time consumed in seconds.", usage},
    {"container_cpu_user_seconds_total", Type::kCounter, "seconds", "",
     "Cumulative user cpu time consumed in seconds.", cpu_time<&CpuStat::user>},
    {"container_cpu_system_seconds_total", Type::kCounter, "seconds", "",
     "Cumulative system cpu time consumed in seconds.", cpu_time<&CpuStat::system>},
    {"container_cpu_cfs_periods_total", Type::kCounter, "", "",
     "Number of elapsed enforcement period intervals.", under_quota<&CpuStat::periods>},
    {"container_cpu_cfs_throttled_periods_total", Type::kCounter, "", "",
     "Number of throttled period intervals.", under_quota<&CpuStat::throttled_periods>},
    {"container_cpu_cfs_throttled_seconds_total", Type::kCounter, "seconds", "",
     "Total time duration the container has been throttled.", under_quota<&CpuStat::throttled>},
    {"container_cpu_cfs_burst_periods_total", Type::kCounter, "", "",
     "Number of periods in which a burst above the quota occurred.", under_quota<&CpuStat::burst_periods>},
    {"container_cpu_cfs_burst_seconds_total", Type::kCounter, "seconds", "",
     "Total time duration used above the quota in bursts.", under_quota<&CpuStat::burst>},
    {"container_spec_cpu_period", Type::kGauge, "microseconds", "", "CPU period of the container.",
     [](const Subject& subject, Points& points) {
       if (subject.sample.limits.cpu_max) {
         points.add(static_cast<double>(subject.sample.limits.cpu_max->period.count()));
       }
     }},
    {"container_spec_cpu_quota", Type::kGauge, "microseconds", "", "CPU quota of the container.",
     [](const Subject& subject, Points& points) {
       if (has_quota(subject)) {
         points.add(static_cast<double>(subject.sample.limits.cpu_max->quota.value().count()));
       }
     }},
    {"container_spec_cpu_shares", Type::kGauge, "", "",
     "CPU share of the container, as cgroup v1 would write its weight.", shares},
}};

}  // namespace

std::span<const ContainerMetric> cpu_metrics() { return kRows; }

}  // namespace plimsoll::exporters
