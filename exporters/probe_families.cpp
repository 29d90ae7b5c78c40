// What only BPF probes can tell of a container. Absent where the probe is not up.
#include <array>

#include "exporters/catalogue.h"

namespace plimsoll::exporters {
namespace {

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
    ContainerFamily{"plimsoll_oom_kills_total", kCounter,
                    "Processes killed for lack of memory, by what ran out: a cgroup's limit, or the machine.",
                    oom_kills},
    ContainerFamily{"plimsoll_process_ends_total", kCounter, "Processes ended, by how.", process_ends},
};

constexpr std::array kHistograms = {
    ContainerHistogram{"plimsoll_cpu_wait_seconds", "How long its tasks waited for a CPU, each time.",
                       histogram<&ProbeReadings::scheduling, &Scheduling::waits>},
    ContainerHistogram{"plimsoll_cpu_throttle_seconds",
                       "How long its CPU quota held it up, each time and on each CPU.",
                       histogram<&ProbeReadings::throttling, &Throttling::episodes>},
    ContainerHistogram{"plimsoll_process_lifetime_seconds", "How long processes lived that have ended.",
                       histogram<&ProbeReadings::lifecycle, &Lifecycle::lifetimes>},
};

}  // namespace

std::span<const ContainerFamily> probe_families() { return kProbeFamilies; }

std::span<const ContainerHistogram> container_histograms() { return kHistograms; }

}  // namespace plimsoll::exporters
