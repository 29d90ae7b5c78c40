#include <array>

#include "exporters/catalogue.h"
#include "exporters/read.h"

namespace plimsoll::exporters {
namespace {

using model::Pressure;
using model::Pressures;
using model::Sample;

template <auto kField>
void field(const Subject& subject, Points& points) {
  add_if(points, subject.sample.*kField);
}

void threads_max(const Subject& subject, Points& points) {
  const auto& limit = subject.sample.limits.pids_max;
  if (limit) points.add(limit->is_max() ? 0 : number(limit->value()));
}

template <std::optional<Pressure> Pressures::* kResource>
void waiting(const Subject& subject, Points& points) {
  const auto& pressure = subject.sample.pressure.*kResource;
  if (pressure) points.add(seconds(pressure->some.total));
}

template <std::optional<Pressure> Pressures::* kResource>
void stalled(const Subject& subject, Points& points) {
  const auto& pressure = subject.sample.pressure.*kResource;
  if (pressure && pressure->full) points.add(seconds(pressure->full->total));
}

template <auto kField>
void time_of(const Subject& subject, Points& points) {
  if (subject.ref != nullptr && (subject.ref->*kField).has_value())
    points.add(seconds(*(subject.ref->*kField)));
}

void hugetlb_failures(const Subject& subject, Points& points) {
  for (const auto& pages : subject.sample.hugetlb) {
    if (pages.failures) points.add(number(*pages.failures), {{"pagesize", pages.page_size}});
  }
}

// Use over limit, for what has a limit: the load line.
void load_ratio(const Subject& subject, Points& points) {
  const Sample& now = subject.sample;
  const auto& limits = now.limits;
  if (has_quota(subject) && now.cpu && subject.before != nullptr && subject.before->cpu) {
    const double elapsed = std::chrono::duration<double>(now.taken - subject.before->taken).count();
    const double cores = limits.cpu_max->cores().value().value;
    const double used = seconds(now.cpu->usage - subject.before->cpu->usage);
    if (elapsed > 0 && cores > 0) points.add(used / elapsed / cores, {{"resource", "cpu"}});
  }
  if (limits.memory_max && !limits.memory_max->is_max() && limits.memory_max->value().value > 0 &&
      now.memory.current) {
    points.add(number(*now.memory.current) / number(limits.memory_max->value()), {{"resource", "memory"}});
  }
  if (limits.pids_max && !limits.pids_max->is_max() && limits.pids_max->value() > 0 && now.threads) {
    points.add(number(*now.threads) / number(limits.pids_max->value()), {{"resource", "pids"}});
  }
}

constexpr Type kCounter = Type::kCounter;
constexpr Type kGauge = Type::kGauge;

constexpr std::array<ContainerMetric, 16> kRows = {{
    {"container_hugetlb_failcnt", kCounter, "", "pagesize", "Number of hugepage usage hits limits.",
     hugetlb_failures},
    {"container_processes", kGauge, "", "", "Number of processes running inside the container.",
     field<&Sample::processes>},
    {"container_threads", kGauge, "", "", "Number of threads running inside the container.",
     field<&Sample::threads>},
    {"container_threads_max", kGauge, "", "",
     "Maximum number of threads allowed inside the container, 0 if "
     "there is no limit.",
     threads_max},
    {"container_file_descriptors", kGauge, "", "", "Number of open file descriptors for the container.",
     field<&Sample::file_descriptors>},
    {"container_sockets", kGauge, "", "", "Number of open sockets for the container.",
     field<&Sample::sockets>},
    {"container_pressure_cpu_waiting_seconds_total", kCounter, "seconds", "",
     "Total time in which at least one task waited for the CPU.", waiting<&Pressures::cpu>},
    {"container_pressure_cpu_stalled_seconds_total", kCounter, "seconds", "",
     "Total time in which all tasks waited for the CPU.", stalled<&Pressures::cpu>},
    {"container_pressure_memory_waiting_seconds_total", kCounter, "seconds", "",
     "Total time in which at least one task waited for memory.", waiting<&Pressures::memory>},
    {"container_pressure_memory_stalled_seconds_total", kCounter, "seconds", "",
     "Total time in which all tasks waited for memory.", stalled<&Pressures::memory>},
    {"container_pressure_io_waiting_seconds_total", kCounter, "seconds", "",
     "Total time in which at least one task waited for I/O.", waiting<&Pressures::io>},
    {"container_pressure_io_stalled_seconds_total", kCounter, "seconds", "",
     "Total time in which all tasks waited for I/O.", stalled<&Pressures::io>},
    {"container_creation_time_seconds", kGauge, "seconds", "",
     "Creation time of the container since unix epoch in seconds.", time_of<&model::ContainerRef::created>},
    {"container_start_time_seconds", kGauge, "seconds", "",
     "Start time of the container since unix epoch in seconds.",
     [](const Subject& subject, Points& points) {
       if (subject.ref == nullptr) return;
       if (subject.ref->started) {
         points.add(seconds(*subject.ref->started));
       } else if (subject.ref->created) {
         points.add(seconds(*subject.ref->created));
       }
     }},
    {"container_last_seen", kGauge, "seconds", "", "Last time a container was seen by the exporter.",
     [](const Subject& subject, Points& points) { points.add(seconds(subject.snapshot.wall)); }},
    {"plimsoll_load_ratio", kGauge, "", "resource",
     "Use over limit of the resources that are limited: 1 is the load line.", load_ratio},
}};

}  // namespace

std::span<const ContainerMetric> process_metrics() { return kRows; }

}  // namespace plimsoll::exporters
