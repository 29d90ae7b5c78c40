// Names, types and units are cAdvisor's where it has them (github.com/google/cadvisor,
// docs/storage/prometheus.md).
#include <algorithm>
#include <array>

#include "exporters/catalogue.h"

namespace plimsoll::exporters {
namespace {

using model::Bound;
using model::Count;
using model::CpuStat;
using model::IoStat;
using model::MemoryEvents;
using model::MemoryStat;
using model::NetStat;
using model::Pressure;
using model::Pressures;

double number(Count value) { return static_cast<double>(value); }
double number(Bytes value) { return static_cast<double>(value.value); }
double unix_seconds(WallTime when) { return static_cast<double>(when.time_since_epoch().count()) / 1e9; }

bool has_quota(const Row& row) {
  return row.sample->limits.cpu_max.has_value() && !row.sample->limits.cpu_max->quota.is_max();
}

template <Microseconds CpuStat::* kField>
void cpu_time(const Row& row, const Emit& emit) {
  if (row.sample->cpu) emit({}, to_seconds((*row.sample->cpu).*kField));
}
void cpu_total(const Row& row, const Emit& emit) {
  if (row.sample->cpu) emit({{"cpu", "total"}}, to_seconds(row.sample->cpu->usage));
}
template <std::optional<Count> CpuStat::* kField>
void cfs_count(const Row& row, const Emit& emit) {
  if (has_quota(row) && row.sample->cpu && (*row.sample->cpu).*kField)
    emit({}, number(*((*row.sample->cpu).*kField)));
}
template <std::optional<Microseconds> CpuStat::* kField>
void cfs_time(const Row& row, const Emit& emit) {
  if (has_quota(row) && row.sample->cpu && (*row.sample->cpu).*kField)
    emit({}, to_seconds(*((*row.sample->cpu).*kField)));
}

void memory_usage(const Row& row, const Emit& emit) {
  const auto& memory = row.sample->memory;
  if (memory.current) return emit({}, number(*memory.current));
  if (row.ref == nullptr && memory.stat) emit({}, number(memory.stat->anon) + number(memory.stat->file));
}
void memory_working_set(const Row& row, const Emit& emit) {
  const auto& memory = row.sample->memory;
  if (const auto set = model::working_set(memory)) return emit({}, number(*set));
  if (row.ref == nullptr && memory.stat) {
    const double usage = number(memory.stat->anon) + number(memory.stat->file);
    emit({}, std::max(0.0, usage - number(memory.stat->inactive_file)));
  }
}
template <std::optional<Bytes> model::Memory::* kField>
void memory_gauge(const Row& row, const Emit& emit) {
  if (row.sample->memory.*kField) emit({}, number(*(row.sample->memory.*kField)));
}
template <auto kField>
void memory_stat(const Row& row, const Emit& emit) {
  if (row.sample->memory.stat) emit({}, number((*row.sample->memory.stat).*kField));
}
template <Count MemoryEvents::* kField>
void memory_event(const Row& row, const Emit& emit) {
  if (row.sample->memory.events) emit({}, number((*row.sample->memory.events).*kField));
}
void memory_failures(const Row& row, const Emit& emit) {
  if (!row.sample->memory.stat) return;
  const MemoryStat& stat = *row.sample->memory.stat;
  // cgroup v2 counts hierarchically: the container's own count and its hierarchy's are the same.
  for (const std::string_view scope : {"container", "hierarchy"}) {
    emit({{"failure_type", "pgfault"}, {"scope", scope}}, number(stat.pgfault));
    emit({{"failure_type", "pgmajfault"}, {"scope", scope}}, number(stat.pgmajfault));
  }
}

template <auto kField>
void io_value(const Row& row, const Emit& emit) {
  for (const IoStat& io : row.sample->io) emit({{"device", io.device}}, number(io.*kField));
}
void io_usage(const Row& row, const Emit& emit) {
  for (const IoStat& io : row.sample->io) {
    const std::string major = std::to_string(io.major);
    const std::string minor = std::to_string(io.minor);
    emit({{"device", io.device}, {"major", major}, {"minor", minor}, {"operation", "Read"}}, number(io.read));
    emit({{"device", io.device}, {"major", major}, {"minor", minor}, {"operation", "Write"}},
         number(io.written));
  }
}
template <auto kField>
void fs_value(const Row& row, const Emit& emit) {
  if (row.sample->fs) emit({{"device", row.sample->fs->device}}, number((*row.sample->fs).*kField));
}
template <auto kField>
void net_value(const Row& row, const Emit& emit) {
  for (const NetStat& net : row.sample->net) emit({{"interface", net.interface}}, number(net.*kField));
}
template <std::optional<Count> model::Sample::* kField>
void count_gauge(const Row& row, const Emit& emit) {
  if (row.sample->*kField) emit({}, number(*(row.sample->*kField)));
}
void threads_max(const Row& row, const Emit& emit) {
  const auto& most = row.sample->limits.pids_max;
  if (most) emit({}, most->is_max() ? 0 : number(most->value()));
}

template <std::optional<Pressure> Pressures::* kField>
void waiting(const Row& row, const Emit& emit) {
  if (row.sample->pressure.*kField) emit({}, to_seconds((row.sample->pressure.*kField)->some.total));
}
template <std::optional<Pressure> Pressures::* kField>
void stalled(const Row& row, const Emit& emit) {
  const auto& pressure = row.sample->pressure.*kField;
  if (pressure && pressure->full) emit({}, to_seconds(pressure->full->total));
}

void spec_period(const Row& row, const Emit& emit) {
  if (has_quota(row)) emit({}, static_cast<double>(row.sample->limits.cpu_max->period.count()));
}
void spec_quota(const Row& row, const Emit& emit) {
  if (has_quota(row)) emit({}, static_cast<double>(row.sample->limits.cpu_max->quota.value().count()));
}
void spec_shares(const Row& row, const Emit& emit) {
  // The inverse of runc's conversion from shares (2..262144) to weight (1..10000).
  const auto& weight = row.sample->limits.cpu_weight;
  if (weight && *weight > 0) emit({}, number(Count{2 + (*weight - 1) * 262142 / 9999}));
}
double bound(const std::optional<Bound<Bytes>>& limit) {
  return limit->is_max() ? 0 : number(limit->value());
}
void spec_memory(const Row& row, const Emit& emit) {
  if (row.ref == nullptr) return emit({}, number(row.host_memory));
  if (row.sample->limits.memory_max) emit({}, bound(row.sample->limits.memory_max));
}
void spec_swap(const Row& row, const Emit& emit) {
  if (row.ref == nullptr) return emit({}, number(row.host_swap));
  if (row.sample->limits.memory_swap_max) emit({}, bound(row.sample->limits.memory_swap_max));
}
void spec_reservation(const Row& row, const Emit& emit) {
  if (row.sample->limits.memory_min) emit({}, bound(row.sample->limits.memory_min));
}

void creation_time(const Row& row, const Emit& emit) {
  if (row.ref != nullptr && row.ref->created) emit({}, unix_seconds(*row.ref->created));
}
void start_time(const Row& row, const Emit& emit) {
  if (row.ref != nullptr && row.ref->started) emit({}, unix_seconds(*row.ref->started));
}
void last_seen(const Row& row, const Emit& emit) { emit({}, unix_seconds(row.taken)); }

void hugetlb_usage(const Row& row, const Emit& emit) {
  for (const auto& huge : row.sample->hugetlb) {
    if (huge.current) emit({{"pagesize", huge.page_size}}, number(*huge.current));
  }
}
void hugetlb_failures(const Row& row, const Emit& emit) {
  for (const auto& huge : row.sample->hugetlb) {
    if (huge.failures) emit({{"pagesize", huge.page_size}}, number(*huge.failures));
  }
}

// Use over limit; 1 is the load line. CPU over the last tick.
void load_ratio(const Row& row, const Emit& emit) {
  const auto& limits = row.sample->limits;
  if (has_quota(row) && row.sample->cpu && row.previous != nullptr && row.previous->cpu) {
    const double wall = std::chrono::duration<double>(row.sample->taken - row.previous->taken).count();
    const double used = to_seconds(row.sample->cpu->usage - row.previous->cpu->usage);
    const double cores = limits.cpu_max->cores().value().value;
    if (wall > 0 && cores > 0 && used >= 0) emit({{"resource", "cpu"}}, used / wall / cores);
  }
  if (limits.memory_max && !limits.memory_max->is_max() && limits.memory_max->value().value > 0 &&
      row.sample->memory.current) {
    emit({{"resource", "memory"}}, number(*row.sample->memory.current) / number(limits.memory_max->value()));
  }
  if (limits.pids_max && !limits.pids_max->is_max() && limits.pids_max->value() > 0 && row.sample->threads) {
    emit({{"resource", "pids"}}, number(*row.sample->threads) / number(limits.pids_max->value()));
  }
}

void container_info(const Row& row, const Emit& emit) {
  if (row.ref == nullptr) return;
  emit({{"container_id", row.ref->container_id}, {"runtime", to_string(row.ref->runtime)}}, 1);
}
void restarts(const Row& row, const Emit& emit) {
  if (row.ref != nullptr && row.ref->runtime == model::Runtime::kPlimsoll)
    emit({}, number(Count{row.ref->restarts}));
}

using enum Type;

constexpr std::array kContainerFamilies = {
    ContainerFamily{"container_cpu_usage_seconds_total", kCounter, "CPU time used, in seconds.", cpu_total},
    ContainerFamily{"container_cpu_user_seconds_total", kCounter, "CPU time in user mode, in seconds.",
                    cpu_time<&CpuStat::user>},
    ContainerFamily{"container_cpu_system_seconds_total", kCounter, "CPU time in the kernel, in seconds.",
                    cpu_time<&CpuStat::system>},
    ContainerFamily{"container_cpu_cfs_periods_total", kCounter, "Enforcement periods that have gone by.",
                    cfs_count<&CpuStat::periods>},
    ContainerFamily{"container_cpu_cfs_throttled_periods_total", kCounter,
                    "Enforcement periods in which it was throttled.", cfs_count<&CpuStat::throttled_periods>},
    ContainerFamily{"container_cpu_cfs_throttled_seconds_total", kCounter,
                    "Time it was throttled, in seconds.", cfs_time<&CpuStat::throttled>},
    ContainerFamily{"container_cpu_cfs_burst_periods_total", kCounter, "Periods in which it used its burst.",
                    cfs_count<&CpuStat::burst_periods>},
    ContainerFamily{"container_cpu_cfs_burst_seconds_total", kCounter,
                    "CPU time used above the quota, in seconds.", cfs_time<&CpuStat::burst>},
    ContainerFamily{"container_memory_usage_bytes", kGauge, "Memory in use, page cache included.",
                    memory_usage},
    ContainerFamily{"container_memory_working_set_bytes", kGauge, "Memory in use less inactive page cache.",
                    memory_working_set},
    ContainerFamily{"container_memory_max_usage_bytes", kGauge, "The most memory it ever used.",
                    memory_gauge<&model::Memory::peak>},
    ContainerFamily{"container_memory_rss", kGauge, "Anonymous memory, in bytes.",
                    memory_stat<&MemoryStat::anon>},
    ContainerFamily{"container_memory_cache", kGauge, "Page cache, in bytes.",
                    memory_stat<&MemoryStat::file>},
    ContainerFamily{"container_memory_mapped_file", kGauge, "Mapped files, in bytes.",
                    memory_stat<&MemoryStat::file_mapped>},
    ContainerFamily{"container_memory_swap", kGauge, "Swap in use, in bytes.",
                    memory_gauge<&model::Memory::swap_current>},
    ContainerFamily{"container_memory_kernel_usage", kGauge, "Kernel memory, in bytes.",
                    memory_stat<&MemoryStat::kernel>},
    ContainerFamily{"container_memory_failcnt", kCounter, "Times the memory limit was hit.",
                    memory_event<&MemoryEvents::max>},
    ContainerFamily{"container_memory_total_active_file_bytes", kGauge, "Active page cache.",
                    memory_stat<&MemoryStat::active_file>},
    ContainerFamily{"container_memory_total_inactive_file_bytes", kGauge, "Inactive page cache.",
                    memory_stat<&MemoryStat::inactive_file>},
    ContainerFamily{"container_memory_failures_total", kCounter, "Page faults.", memory_failures},
    ContainerFamily{"container_memory_events_high_total", kCounter, "Times memory.high throttled it.",
                    memory_event<&MemoryEvents::high>},
    ContainerFamily{"container_memory_events_max_total", kCounter, "Times memory.max was about to be passed.",
                    memory_event<&MemoryEvents::max>},
    ContainerFamily{"container_memory_file_dirty_bytes", kGauge, "Page cache that waits to be written.",
                    memory_stat<&MemoryStat::file_dirty>},
    ContainerFamily{"container_memory_file_writeback_bytes", kGauge, "Page cache being written.",
                    memory_stat<&MemoryStat::file_writeback>},
    ContainerFamily{"container_memory_pgscan_total", kCounter, "Pages that reclaim looked at.",
                    memory_stat<&MemoryStat::pgscan>},
    ContainerFamily{"container_memory_pgsteal_total", kCounter, "Pages that reclaim took.",
                    memory_stat<&MemoryStat::pgsteal>},
    ContainerFamily{"container_memory_workingset_refault_file_total", kCounter,
                    "Page cache that was needed again.", memory_stat<&MemoryStat::refault_file>},
    ContainerFamily{"container_memory_workingset_refault_anon_total", kCounter,
                    "Swapped pages that were needed again.", memory_stat<&MemoryStat::refault_anon>},
    ContainerFamily{"container_fs_reads_bytes_total", kCounter, "Bytes read from the device.",
                    io_value<&IoStat::read>},
    ContainerFamily{"container_fs_writes_bytes_total", kCounter, "Bytes written to the device.",
                    io_value<&IoStat::written>},
    ContainerFamily{"container_fs_reads_total", kCounter, "Read operations on the device.",
                    io_value<&IoStat::reads>},
    ContainerFamily{"container_fs_writes_total", kCounter, "Write operations on the device.",
                    io_value<&IoStat::writes>},
    ContainerFamily{"container_blkio_device_usage_total", kCounter, "Bytes by device and operation.",
                    io_usage},
    ContainerFamily{"container_fs_usage_bytes", kGauge, "Bytes used by the writable layer.",
                    fs_value<&model::FsStat::usage>},
    ContainerFamily{"container_fs_limit_bytes", kGauge, "Bytes that the writable layer's filesystem holds.",
                    fs_value<&model::FsStat::limit>},
    ContainerFamily{"container_fs_inodes_free", kGauge, "Free inodes of the writable layer's filesystem.",
                    fs_value<&model::FsStat::inodes_free>},
    ContainerFamily{"container_fs_inodes_total", kGauge, "Inodes of the writable layer's filesystem.",
                    fs_value<&model::FsStat::inodes_total>},
    ContainerFamily{"container_network_receive_bytes_total", kCounter, "Bytes received.",
                    net_value<&NetStat::received>},
    ContainerFamily{"container_network_receive_packets_total", kCounter, "Packets received.",
                    net_value<&NetStat::rx_packets>},
    ContainerFamily{"container_network_receive_packets_dropped_total", kCounter,
                    "Received packets that were dropped.", net_value<&NetStat::rx_dropped>},
    ContainerFamily{"container_network_receive_errors_total", kCounter, "Errors while receiving.",
                    net_value<&NetStat::rx_errors>},
    ContainerFamily{"container_network_transmit_bytes_total", kCounter, "Bytes sent.",
                    net_value<&NetStat::transmitted>},
    ContainerFamily{"container_network_transmit_packets_total", kCounter, "Packets sent.",
                    net_value<&NetStat::tx_packets>},
    ContainerFamily{"container_network_transmit_packets_dropped_total", kCounter,
                    "Packets dropped while sending.", net_value<&NetStat::tx_dropped>},
    ContainerFamily{"container_network_transmit_errors_total", kCounter, "Errors while sending.",
                    net_value<&NetStat::tx_errors>},
    ContainerFamily{"container_processes", kGauge, "Processes, of nested cgroups too.",
                    count_gauge<&model::Sample::processes>},
    ContainerFamily{"container_threads", kGauge, "Threads.", count_gauge<&model::Sample::threads>},
    ContainerFamily{"container_threads_max", kGauge, "pids.max; 0 is no limit.", threads_max},
    ContainerFamily{"container_file_descriptors", kGauge, "Open file descriptors.",
                    count_gauge<&model::Sample::file_descriptors>},
    ContainerFamily{"container_sockets", kGauge, "Open sockets.", count_gauge<&model::Sample::sockets>},
    ContainerFamily{"container_oom_events_total", kCounter, "Processes killed for lack of memory.",
                    memory_event<&MemoryEvents::oom_kill>},
    ContainerFamily{"container_pressure_cpu_waiting_seconds_total", kCounter,
                    "Time in which some task waited for CPU.", waiting<&Pressures::cpu>},
    ContainerFamily{"container_pressure_cpu_stalled_seconds_total", kCounter,
                    "Time in which all tasks waited for CPU.", stalled<&Pressures::cpu>},
    ContainerFamily{"container_pressure_memory_waiting_seconds_total", kCounter,
                    "Time in which some task waited for memory.", waiting<&Pressures::memory>},
    ContainerFamily{"container_pressure_memory_stalled_seconds_total", kCounter,
                    "Time in which all tasks waited for memory.", stalled<&Pressures::memory>},
    ContainerFamily{"container_pressure_io_waiting_seconds_total", kCounter,
                    "Time in which some task waited for I/O.", waiting<&Pressures::io>},
    ContainerFamily{"container_pressure_io_stalled_seconds_total", kCounter,
                    "Time in which all tasks waited for I/O.", stalled<&Pressures::io>},
    ContainerFamily{"container_spec_cpu_period", kGauge, "cpu.max period, in microseconds.", spec_period},
    ContainerFamily{"container_spec_cpu_quota", kGauge, "cpu.max quota, in microseconds.", spec_quota},
    ContainerFamily{"container_spec_cpu_shares", kGauge, "cpu.weight as the shares of cgroup v1.",
                    spec_shares},
    ContainerFamily{"container_spec_memory_limit_bytes", kGauge, "memory.max; 0 is no limit.", spec_memory},
    ContainerFamily{"container_spec_memory_swap_limit_bytes", kGauge, "memory.swap.max; 0 is no limit.",
                    spec_swap},
    ContainerFamily{"container_spec_memory_reservation_limit_bytes", kGauge, "memory.min; 0 is none.",
                    spec_reservation},
    ContainerFamily{"container_creation_time_seconds", kGauge, "When it was made, Unix time.", creation_time},
    ContainerFamily{"container_start_time_seconds", kGauge, "When it was started, Unix time.", start_time},
    ContainerFamily{"container_last_seen", kGauge, "When it was last sampled, Unix time.", last_seen},
    ContainerFamily{"container_hugetlb_usage_bytes", kGauge, "Huge pages in use.", hugetlb_usage},
    ContainerFamily{"container_hugetlb_failcnt", kCounter, "Times the huge page limit was hit.",
                    hugetlb_failures},
    ContainerFamily{"plimsoll_load_ratio", kGauge, "Use over limit; 1 is the load line.", load_ratio},
    ContainerFamily{"plimsoll_container_info", kGauge, "Who the container is; always 1, to join on.",
                    container_info},
    ContainerFamily{"plimsoll_container_restarts_total", kCounter, "Restarts by its restart policy.",
                    restarts},
};

}  // namespace

std::span<const ContainerFamily> container_families() { return kContainerFamilies; }

}  // namespace plimsoll::exporters
