#include <array>

#include "exporters/catalogue.h"
#include "exporters/read.h"

namespace plimsoll::exporters {
namespace {

using model::Memory;
using model::MemoryEvents;
using model::MemoryStat;

// The root cgroup has no memory.current: what is charged to anyone is anonymous memory and page cache.
std::optional<Bytes> usage_of(const Subject& subject) {
  const Memory& memory = subject.sample.memory;
  if (memory.current || subject.ref != nullptr || !memory.stat) return memory.current;
  return Bytes{memory.stat->anon.value + memory.stat->file.value};
}

void usage(const Subject& subject, Points& points) { add_if(points, usage_of(subject)); }

void working_set(const Subject& subject, Points& points) {
  Memory memory = subject.sample.memory;
  memory.current = usage_of(subject);
  add_if(points, model::working_set(memory));
}

void failures(const Subject& subject, Points& points) {
  if (!subject.sample.memory.stat) return;
  const MemoryStat& stat = *subject.sample.memory.stat;
  // memory.stat is hierarchical, and what lies inside a container is the container.
  for (const std::string_view scope : {"container", "hierarchy"}) {
    points.add(number(stat.pgfault), {{"failure_type", "pgfault"}, {"scope", scope}});
    points.add(number(stat.pgmajfault), {{"failure_type", "pgmajfault"}, {"scope", scope}});
  }
}

// "max" is 0, as cAdvisor has it; for the root the machine's own size.
template <auto kLimit, auto kOfHost>
void limit(const Subject& subject, Points& points) {
  const auto& value = subject.sample.limits.*kLimit;
  if (value) {
    points.add(value->is_max() ? 0 : number(value->value()));
  } else if (subject.ref == nullptr) {
    points.add(number(subject.snapshot.host.*kOfHost));
  }
}

void reservation(const Subject& subject, Points& points) {
  const auto& value = subject.sample.limits.memory_min;
  if (value) points.add(value->is_max() ? 0 : number(value->value()));
}

constexpr Type kCounter = Type::kCounter;
constexpr Type kGauge = Type::kGauge;

constexpr std::array<ContainerMetric, 25> kRows = {{
    {"container_memory_usage_bytes", kGauge, "bytes", "",
     "Current memory usage in bytes, including all memory "
     "regardless of when it was accessed.",
     usage},
    {"container_memory_working_set_bytes", kGauge, "bytes", "",
     "Current working set in bytes: usage less "
     "inactive page cache.",
     working_set},
    {"container_memory_max_usage_bytes", kGauge, "bytes", "", "Maximum memory usage recorded in bytes.",
     memory_file<&Memory::peak>},
    {"container_memory_rss", kGauge, "bytes", "", "Size of anonymous memory in bytes.",
     memory_stat<&MemoryStat::anon>},
    {"container_memory_cache", kGauge, "bytes", "", "Number of bytes of page cache memory.",
     memory_stat<&MemoryStat::file>},
    {"container_memory_mapped_file", kGauge, "bytes", "", "Size of memory mapped files in bytes.",
     memory_stat<&MemoryStat::file_mapped>},
    {"container_memory_swap", kGauge, "bytes", "", "Container swap usage in bytes.",
     memory_file<&Memory::swap_current>},
    {"container_memory_kernel_usage", kGauge, "bytes", "", "Size of kernel memory allocated in bytes.",
     memory_stat<&MemoryStat::kernel>},
    {"container_memory_failcnt", kCounter, "", "", "Number of times memory usage hit its limit.",
     memory_event<&MemoryEvents::max>},
    {"container_memory_total_active_file_bytes", kGauge, "bytes", "", "Current active file in bytes.",
     memory_stat<&MemoryStat::active_file>},
    {"container_memory_total_inactive_file_bytes", kGauge, "bytes", "", "Current inactive file in bytes.",
     memory_stat<&MemoryStat::inactive_file>},
    {"container_memory_failures_total", kCounter, "", "failure_type,scope",
     "Cumulative count of memory allocation failures.", failures},
    {"container_memory_events_high_total", kCounter, "", "",
     "Number of times processes were throttled to reclaim memory above memory.high.",
     memory_event<&MemoryEvents::high>},
    {"container_memory_events_max_total", kCounter, "", "",
     "Number of times memory usage was about to go over memory.max.", memory_event<&MemoryEvents::max>},
    {"container_memory_file_dirty_bytes", kGauge, "bytes", "",
     "Page cache that waits to be written, in bytes.", memory_stat<&MemoryStat::file_dirty>},
    {"container_memory_file_writeback_bytes", kGauge, "bytes", "",
     "Page cache that is being written, in bytes.", memory_stat<&MemoryStat::file_writeback>},
    {"container_memory_pgscan_total", kCounter, "", "", "Number of pages scanned by reclaim.",
     memory_stat<&MemoryStat::pgscan>},
    {"container_memory_pgsteal_total", kCounter, "", "", "Number of pages reclaimed.",
     memory_stat<&MemoryStat::pgsteal>},
    {"container_memory_workingset_refault_file_total", kCounter, "", "",
     "Number of page cache pages that were read again soon after they were reclaimed.",
     memory_stat<&MemoryStat::refault_file>},
    {"container_memory_workingset_refault_anon_total", kCounter, "", "",
     "Number of anonymous pages that were read again soon after they were reclaimed.",
     memory_stat<&MemoryStat::refault_anon>},
    {"container_oom_events_total", kCounter, "", "",
     "Count of out of memory events observed for the container.", memory_event<&MemoryEvents::oom_kill>},
    {"container_spec_memory_limit_bytes", kGauge, "bytes", "", "Memory limit for the container.",
     limit<&model::Limits::memory_max, &model::HostSample::memory_total>},
    {"container_spec_memory_swap_limit_bytes", kGauge, "bytes", "", "Memory swap limit for the container.",
     limit<&model::Limits::memory_swap_max, &model::HostSample::swap_total>},
    {"container_spec_memory_reservation_limit_bytes", kGauge, "bytes", "",
     "Memory reservation limit for the container.", reservation},
    {"container_hugetlb_usage_bytes", kGauge, "bytes", "pagesize", "Current hugepage usage in bytes.",
     [](const Subject& subject, Points& points) {
       for (const auto& pages : subject.sample.hugetlb) {
         if (pages.current) points.add(number(*pages.current), {{"pagesize", pages.page_size}});
       }
     }},
}};

}  // namespace

std::span<const ContainerMetric> memory_metrics() { return kRows; }

}  // namespace plimsoll::exporters
