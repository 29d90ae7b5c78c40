// What only BPF probes can tell of a container. Absent where the probe is not up.
#include <array>
#include <cstring>
#include <string>

#include "exporters/catalogue.h"

namespace plimsoll::exporters {
namespace {

using model::DiskIo;
using model::IoRequests;
using model::Lifecycle;
using model::Network;
using model::ProbeReadings;
using model::Scheduling;
using model::Syscalls;
using model::Throttling;

// A counter of a probe's, or a time of it.
double value_of(std::uint64_t count) { return static_cast<double>(count); }
double value_of(Nanoseconds time) { return to_seconds(time); }

template <auto Probe, auto Field>
void counter(const Row& row, const Emit& emit) {
  if (const auto& seen = row.sample->probes.*Probe) emit({}, value_of((*seen).*Field));
}
// One in which nothing was ever counted is left out: 17 series, and of a container's histograms most stay
// empty for ever. The price is that rate() does not see what a histogram holds when it first appears, since
// no 0 stood there before it; counters stand at 0 from the start for that reason.
template <auto Probe, auto Field>
void histogram(const Row& row, const HistogramEmit& emit) {
  const auto& seen = row.sample->probes.*Probe;
  if (seen && ((*seen).*Field).count() != 0) emit({}, (*seen).*Field);
}

void process_ends(const Row& row, const Emit& emit) {
  if (!row.sample->probes.lifecycle) return;
  const Lifecycle& seen = *row.sample->probes.lifecycle;
  emit({{"how", "success"}}, value_of(seen.exits - seen.failures - seen.signals));
  emit({{"how", "failure"}}, value_of(seen.failures));
  emit({{"how", "signal"}}, value_of(seen.signals));
}

template <auto Sent, auto Received>
void both_ways(const Row& row, const Emit& emit) {
  const auto& seen = row.sample->probes.network;
  if (!seen) return;
  emit({{"direction", "sent"}}, value_of((*seen).*Sent));
  emit({{"direction", "received"}}, value_of((*seen).*Received));
}

void connects(const Row& row, const Emit& emit) {
  if (!row.sample->probes.network) return;
  const Network& seen = *row.sample->probes.network;
  emit({{"outcome", "success"}}, value_of(seen.connected));
  emit({{"outcome", "refused"}}, value_of(seen.refused));
  emit({{"outcome", "timeout"}}, value_of(seen.timed_out));
  emit({{"outcome", "failure"}}, value_of(seen.failed));
}

void syscall_errors(const Row& row, const Emit& emit) {
  if (!row.sample->probes.syscalls) return;
  for (const Syscalls::Failed& one : row.sample->probes.syscalls->errors) {
    // The numbers 41 and 58 have no name: twice the same errno would be twice the same series.
    const char* name = one.number == 0 ? "other" : ::strerrorname_np(one.number);
    emit({{"errno", name == nullptr ? std::to_string(one.number) : name}}, value_of(one.calls));
  }
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

void oom_kills(const Row& row, const Emit& emit) {
  if (!row.sample->probes.oom) return;
  emit({{"constraint", "memcg"}}, value_of(row.sample->probes.oom->memcg));
  emit({{"constraint", "global"}}, value_of(row.sample->probes.oom->global));
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
        "plimsoll_net_bytes_total", kCounter,
        "Bytes of IP packets of any protocol, headers included, that its sockets sent and received, "
        "on all interfaces, the loopback among them. What a card cuts into packets has one header.",
        both_ways<&Network::bytes_sent, &Network::bytes_received>},
    ContainerFamily{"plimsoll_net_packets_total", kCounter,
                    "Those packets, as they are after cutting and before joining.",
                    both_ways<&Network::packets_sent, &Network::packets_received>},
    ContainerFamily{"plimsoll_net_tcp_retransmits_total", kCounter, "TCP segments sent again.",
                    counter<&ProbeReadings::network, &Network::retransmits>},
    ContainerFamily{"plimsoll_net_tcp_resets_total", kCounter, "TCP connections reset, by who did it.",
                    both_ways<&Network::resets_sent, &Network::resets_received>},
    ContainerFamily{"plimsoll_net_connects_total", kCounter, "TCP connections it tried to open, by outcome.",
                    connects},
    ContainerFamily{"plimsoll_net_accepts_total", kCounter, "TCP connections that others opened to it.",
                    counter<&ProbeReadings::network, &Network::accepts>},
    ContainerFamily{"plimsoll_syscalls_total", kCounter, "System calls that returned.",
                    counter<&ProbeReadings::syscalls, &Syscalls::calls>},
    ContainerFamily{"plimsoll_syscall_errors_total", kCounter, "System calls that failed, by errno.",
                    syscall_errors},
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
    ContainerFamily{"plimsoll_oom_kills_total", kCounter,
                    "Processes killed for lack of memory, by what ran out: a cgroup's limit, or the machine.",
                    oom_kills},
};

constexpr std::array kHistograms = {
    ContainerHistogram{"plimsoll_cpu_wait_seconds", "How long its tasks waited for a CPU, each time.",
                       histogram<&ProbeReadings::scheduling, &Scheduling::waits>},
    ContainerHistogram{"plimsoll_cpu_throttle_seconds",
                       "How long its CPU quota held it up, each time and on each CPU.",
                       histogram<&ProbeReadings::throttling, &Throttling::episodes>},
    ContainerHistogram{"plimsoll_process_lifetime_seconds", "How long processes lived that have ended.",
                       histogram<&ProbeReadings::lifecycle, &Lifecycle::lifetimes>},
    ContainerHistogram{"plimsoll_net_connect_seconds",
                       "How long it took to open a TCP connection, from the first SYN to the answer.",
                       histogram<&ProbeReadings::network, &Network::connects>},
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
