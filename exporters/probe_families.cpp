// What only BPF probes can tell of a container. Absent where the probe is not up.
#include <array>

#include "exporters/catalogue.h"

namespace plimsoll::exporters {
namespace {

using model::DiskIo;
using model::IoRequests;
using model::Lifecycle;
using model::ProbeReadings;
using model::Scheduling;
using model::Throttling;

// A counter of a probe's, or a time of it.
double value_of(std::uint64_t count) { return static_cast<double>(count); }
double value_of(Nanoseconds time) { return to_seconds(time); }

template <auto Probe, auto Field>
void counter(const Row& row, const Emit& emit) {
  if (const auto& seen = row.sample->probes.*Probe) emit({}, value_of((*seen).*Field));
}
template <auto Probe, auto Field>
void histogram(const Row& row, const HistogramEmit& emit) {
  if (const auto& seen = row.sample->probes.*Probe) emit({}, (*seen).*Field);
}

void process_ends(const Row& row, const Emit& emit) {
  if (!row.sample->probes.lifecycle) return;
  const Lifecycle& seen = *row.sample->probes.lifecycle;
  emit({{"how", "success"}}, value_of(seen.exits - seen.failures - seen.signals));
  emit({{"how", "failure"}}, value_of(seen.failures));
  emit({{"how", "signal"}}, value_of(seen.signals));
}

void reclaim_stalls(const Row& row, const Emit& emit) {
  if (!row.sample->probes.reclaim) return;
  const model::Reclaim& seen = *row.sample->probes.reclaim;
  emit({{"kind", "memcg"}}, value_of(seen.memcg.spent));
  emit({{"kind", "direct"}}, value_of(seen.direct.spent));
  emit({{"kind", "high"}}, value_of(seen.high.spent));
}

// Of an operation that a disk was never asked for, there is nothing to be said.
template <typename Out>
void each_operation(const Row& row, const Out& out) {
  if (!row.sample->probes.io) return;
  for (const DiskIo& disk : *row.sample->probes.io) {
    const auto one = [&](std::string_view operation, const IoRequests& requests) {
      if (requests.latency.count() != 0) out(disk.device, operation, requests);
    };
    one("read", disk.read);
    one("write", disk.written);
    one("other", disk.other);
  }
}
template <auto Field>
void io_counter(const Row& row, const Emit& emit) {
  each_operation(row, [&](std::string_view device, std::string_view operation, const IoRequests& requests) {
    emit({{"device", device}, {"operation", operation}}, value_of(requests.*Field));
  });
}
void io_latency(const Row& row, const HistogramEmit& emit) {
  each_operation(row, [&](std::string_view device, std::string_view operation, const IoRequests& requests) {
    emit({{"device", device}, {"operation", operation}}, requests.latency);
  });
}

using enum Type;

constexpr std::array kProbeFamilies = {
    ContainerFamily{"plimsoll_cpu_run_seconds_total", kCounter, "Time that its tasks had a CPU.",
                    counter<&ProbeReadings::scheduling, &Scheduling::on_cpu>},
    ContainerFamily{"plimsoll_cpu_stolen_seconds_total", kCounter,
                    "Time that its tasks waited for a CPU that another container had.",
                    counter<&ProbeReadings::scheduling, &Scheduling::stolen>},
    ContainerFamily{"plimsoll_process_starts_total", kCounter, "Processes begun.",
                    counter<&ProbeReadings::lifecycle, &Lifecycle::forks>},
    ContainerFamily{"plimsoll_thread_starts_total", kCounter, "Threads begun, beside each process' first.",
                    counter<&ProbeReadings::lifecycle, &Lifecycle::threads>},
    ContainerFamily{"plimsoll_program_starts_total", kCounter, "Programs begun: execve.",
                    counter<&ProbeReadings::lifecycle, &Lifecycle::execs>},
    ContainerFamily{"plimsoll_task_attaches_total", kCounter,
                    "Processes and threads that were moved in from another cgroup.",
                    counter<&ProbeReadings::lifecycle, &Lifecycle::attaches>},
    ContainerFamily{"plimsoll_process_ends_total", kCounter, "Processes ended, by how.", process_ends},
    ContainerFamily{
        "plimsoll_memory_stall_seconds_total", kCounter,
        "Time that its tasks were kept to get memory back: in reclaim of a cgroup (memcg) or of the "
        "machine (direct), or held up over memory.high (high).",
        reclaim_stalls},
    ContainerFamily{"plimsoll_memory_reclaimed_pages_total", kCounter,
                    "Pages that its tasks got back meanwhile.",
                    counter<&ProbeReadings::reclaim, &model::Reclaim::pages>},
    ContainerFamily{"plimsoll_io_queue_seconds_total", kCounter,
                    "Time that its requests waited until the disk was given them, io.max's waits among them.",
                    io_counter<&IoRequests::queued>},
    ContainerFamily{"plimsoll_io_device_seconds_total", kCounter, "Time that the disk took for its requests.",
                    io_counter<&IoRequests::device>},
    ContainerFamily{"plimsoll_io_bytes_total", kCounter, "Bytes of its requests that ended.",
                    io_counter<&IoRequests::bytes>},
};

constexpr std::array kHistograms = {
    ContainerHistogram{"plimsoll_cpu_wait_seconds", "How long its tasks waited for a CPU, each time.",
                       histogram<&ProbeReadings::scheduling, &Scheduling::waits>},
    ContainerHistogram{"plimsoll_cpu_throttle_seconds",
                       "How long its CPU quota held it up, each time and on each CPU.",
                       histogram<&ProbeReadings::throttling, &Throttling::episodes>},
    ContainerHistogram{"plimsoll_process_lifetime_seconds", "How long processes lived that have ended.",
                       histogram<&ProbeReadings::lifecycle, &Lifecycle::lifetimes>},
    ContainerHistogram{"plimsoll_memory_reclaim_stall_seconds",
                       "How long its tasks were kept to get memory back, each time.",
                       histogram<&ProbeReadings::reclaim, &model::Reclaim::stalls>},
    ContainerHistogram{"plimsoll_io_latency_seconds",
                       "How long its block I/O took, each request from its making to its end.", io_latency},
};

}  // namespace

std::span<const ContainerFamily> probe_families() { return kProbeFamilies; }

std::span<const ContainerHistogram> container_histograms() { return kHistograms; }

}  // namespace plimsoll::exporters
