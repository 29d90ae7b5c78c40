#include <array>

#include "agent/base/version.h"
#include "agent/model/interference.h"
#include "exporters/catalogue.h"

namespace plimsoll::exporters {
namespace {

using model::EndedContainer;

void decisions(const Scrape& scrape, const LabelsEmit& emit) {
  for (const model::DecisionCount& one : scrape.decisions) {
    const std::array<Label, 4> labels = {
        {{"policy", one.policy}, {"rule", one.rule}, {"action", one.action}, {"outcome", one.outcome}}};
    emit(labels, static_cast<double>(one.count));
  }
}
void policies_loaded(const Scrape& scrape, const LabelsEmit& emit) {
  emit({}, static_cast<double>(scrape.policies.loaded));
}
void policy_errors(const Scrape& scrape, const LabelsEmit& emit) {
  emit({}, static_cast<double>(scrape.policies.load_errors));
}

using EndedValue = std::optional<double> (*)(const EndedContainer& ended);

template <EndedValue kValue>
void ended(const Scrape& scrape, const LabelsEmit& emit) {
  if (!scrape.now) return;
  for (const EndedContainer& one : scrape.now->ended) {
    const auto value = kValue(one);
    if (!value) continue;
    // A container that is started over and over ends under one name and path each time: the inode of its
    // cgroup tells its ends apart, and Prometheus takes no series twice.
    const std::string cgroup_id = std::to_string(one.ref->id.inode);
    const std::array<Label, 5> labels = {{{"id", one.ref->cgroup},
                                          {"name", one.ref->name},
                                          {"image", one.ref->image},
                                          {"container_id", one.ref->container_id},
                                          {"cgroup_id", cgroup_id}}};
    emit(labels, *value);
  }
}
std::optional<double> exit_code(const EndedContainer& one) {
  if (!one.exit || !one.exit->code) return std::nullopt;
  return *one.exit->code;
}
std::optional<double> ended_cpu(const EndedContainer& one) {
  if (!one.last.cpu) return std::nullopt;
  return to_seconds(one.last.cpu->usage);
}
std::optional<double> ended_ooms(const EndedContainer& one) {
  if (one.last.memory.events) return static_cast<double>(one.last.memory.events->oom_kill);
  return std::nullopt;
}
std::optional<double> ended_peak(const EndedContainer& one) {
  if (!one.last.memory.peak) return std::nullopt;
  return static_cast<double>(one.last.memory.peak->value);
}
std::optional<double> ended_when(const EndedContainer& one) {
  return static_cast<double>(one.vanished.time_since_epoch().count()) / 1e9;
}

using WorkloadValue = double (*)(const model::WorkloadTotals& totals);

template <WorkloadValue kValue>
void workload(const Scrape& scrape, const LabelsEmit& emit) {
  if (!scrape.now || !scrape.now->workloads) return;
  for (const model::WorkloadTotals& one : *scrape.now->workloads) {
    const std::array<Label, 2> labels = {{{"name", one.name}, {"image", one.image}}};
    emit(labels, kValue(one));
  }
}
double workload_starts(const model::WorkloadTotals& one) { return static_cast<double>(one.starts); }
double workload_ooms(const model::WorkloadTotals& one) { return static_cast<double>(one.oom_kills); }
double workload_cpu(const model::WorkloadTotals& one) { return to_seconds(one.cpu_usage); }

using HostValue = double (*)(const Scrape& scrape);

template <HostValue kValue>
void machine(const Scrape& scrape, const LabelsEmit& emit) {
  const std::array<Label, 3> labels = {{{"machine_id", scrape.host.machine_id},
                                        {"system_uuid", scrape.host.system_uuid},
                                        {"boot_id", scrape.host.boot_id}}};
  emit(labels, kValue(scrape));
}
double cores(const Scrape& scrape) { return scrape.host.cpus; }
double physical_cores(const Scrape& scrape) { return scrape.host.physical_cores; }
double sockets(const Scrape& scrape) { return scrape.host.sockets; }
double memory(const Scrape& scrape) { return static_cast<double>(scrape.host.memory.value); }
double swap(const Scrape& scrape) { return static_cast<double>(scrape.host.swap.value); }

void version_info(const Scrape& scrape, const LabelsEmit& emit) {
  const std::array<Label, 5> labels = {{{"kernelVersion", scrape.host.kernel_version},
                                        {"osVersion", scrape.host.os_version},
                                        {"dockerVersion", ""},
                                        {"cadvisorVersion", kVersion},
                                        {"cadvisorRevision", "plimsoll"}}};
  emit(labels, 1);
}

template <auto Value>
void probe(const Scrape& scrape, const LabelsEmit& emit) {
  if (!scrape.now) return;
  for (const model::ProbeState& one : scrape.now->probes) {
    const std::array labels = {Label{"probe", one.name}};
    emit(labels, Value(one));
  }
}
double probe_up(const model::ProbeState& one) { return one.up ? 1 : 0; }
double probe_spent(const model::ProbeState& one) { return to_seconds(one.spent); }
double probe_runs(const model::ProbeState& one) { return static_cast<double>(one.runs); }

void probe_lost(const Scrape& scrape, const LabelsEmit& emit) {
  if (!scrape.now) return;
  for (const model::ProbeState& one : scrape.now->probes) {
    const auto lost = [&](const char* why, std::uint64_t count) {
      const std::array labels = {Label{"probe", one.name}, Label{"why", why}};
      emit(labels, static_cast<double>(count));
    };
    lost("map_full", one.lost_map_full);
    lost("ring_full", one.lost_ring_full);
    lost("missed", one.missed);
  }
}

void interference(const Scrape& scrape, const LabelsEmit& emit) {
  if (!scrape.now) return;
  for (const model::NamedInterference& cell : model::named_interference(*scrape.now)) {
    const std::array labels = {Label{"victim", cell.victim}, Label{"aggressor", cell.aggressor},
                               Label{"victim_id", cell.victim_id}, Label{"aggressor_id", cell.aggressor_id}};
    emit(labels, to_seconds(cell.waited));
  }
}

template <model::Recommendation::Resource kResource>
void recommended(const Scrape& scrape, const LabelsEmit& emit) {
  if (!scrape.recommendations) return;
  for (const model::Recommendation& one : *scrape.recommendations) {
    if (one.resource != kResource) continue;
    const auto tell = [&](const char* bound, double value) {
      const std::array labels = {Label{"id", one.container->cgroup}, Label{"name", one.container->name},
                                 Label{"image", one.container->image}, Label{"policy", one.policy},
                                 Label{"bound", bound}};
      emit(labels, value);
    };
    tell("lower", one.lower);
    tell("target", one.target);
    tell("upper", one.upper);
  }
}

void confidence(const Scrape& scrape, const LabelsEmit& emit) {
  if (!scrape.recommendations) return;
  for (const model::Recommendation& one : *scrape.recommendations) {
    const bool memory = one.resource == model::Recommendation::Resource::kMemory;
    const std::array labels = {Label{"id", one.container->cgroup}, Label{"name", one.container->name},
                               Label{"image", one.container->image}, Label{"policy", one.policy},
                               Label{"resource", memory ? "memory" : "cpu"}};
    emit(labels, one.confidence);
  }
}

using enum Type;

constexpr std::array kHostFamilies = {
    HostFamily{"plimsoll_cpu_interference_seconds_total", kCounter,
               "Time that tasks of the victim waited for a CPU that the aggressor had.", interference},
    HostFamily{
        "plimsoll_recommendation_bytes", kGauge,
        "Memory limit that fits what the workload used: the target, and bounds that close in with time.",
        recommended<model::Recommendation::Resource::kMemory>},
    HostFamily{"plimsoll_recommendation_cores", kGauge,
               "CPU limit that fits what the workload used: the target, and bounds that close in with time.",
               recommended<model::Recommendation::Resource::kCpu>},
    HostFamily{"plimsoll_recommendation_confidence_ratio", kGauge,
               "How far a recommendation is to be trusted: 0.5 after one day, 7/8 after a week.", confidence},
    HostFamily{"plimsoll_probe_up", kGauge, "1 where the probe is loaded and attached.", probe<probe_up>},
    HostFamily{"plimsoll_probe_lost_total", kCounter, "What a probe could not count, by why.", probe_lost},
    HostFamily{"plimsoll_probe_run_seconds_total", kCounter,
               "Time in the probe's programs; 0 while kernel.bpf_stats_enabled is 0.", probe<probe_spent>},
    HostFamily{"plimsoll_probe_runs_total", kCounter,
               "Runs of the probe's programs; 0 while kernel.bpf_stats_enabled is 0.", probe<probe_runs>},
    HostFamily{"plimsoll_decisions_total", kCounter, "Decisions of policies, and what came of them.",
               decisions},
    HostFamily{"plimsoll_policies_loaded", kGauge, "Policies in force.", policies_loaded},
    HostFamily{"plimsoll_policy_load_errors", kGauge,
               "Errors in the policy folder as it stands; the last good set is in force.", policy_errors},
    HostFamily{"plimsoll_container_exit_code", kGauge,
               "Exit code of a container that ended in the last 10 minutes.", ended<exit_code>},
    HostFamily{"plimsoll_container_ended_timestamp_seconds", kGauge, "When the container's cgroup vanished.",
               ended<ended_when>},
    HostFamily{"plimsoll_ended_cpu_usage_seconds_total", kCounter,
               "CPU time that an ended container had used.", ended<ended_cpu>},
    HostFamily{"plimsoll_ended_oom_events_total", kCounter,
               "Processes of an ended container that were killed for lack of memory.", ended<ended_ooms>},
    HostFamily{"plimsoll_ended_memory_peak_bytes", kGauge,
               "The most memory that an ended container ever used.", ended<ended_peak>},
    HostFamily{"plimsoll_workload_starts_total", kCounter,
               "Containers of this name and image that were seen.", workload<workload_starts>},
    HostFamily{"plimsoll_workload_oom_events_total", kCounter,
               "Processes killed for lack of memory, over all containers of this name and image.",
               workload<workload_ooms>},
    HostFamily{"plimsoll_workload_cpu_usage_seconds_total", kCounter,
               "CPU time used, over all containers of this name and image.", workload<workload_cpu>},
    HostFamily{"machine_cpu_cores", kGauge, "Logical CPUs.", machine<cores>},
    HostFamily{"machine_cpu_physical_cores", kGauge, "Physical cores.", machine<physical_cores>},
    HostFamily{"machine_cpu_sockets", kGauge, "CPU sockets.", machine<sockets>},
    HostFamily{"machine_memory_bytes", kGauge, "Memory of the host.", machine<memory>},
    HostFamily{"machine_swap_bytes", kGauge, "Swap of the host.", machine<swap>},
    HostFamily{"cadvisor_version_info", kGauge, "Versions; always 1.", version_info},
};

}  // namespace

std::span<const HostFamily> host_families() { return kHostFamilies; }

}  // namespace plimsoll::exporters
