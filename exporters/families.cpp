#include "exporters/families.h"

#include <array>

#include "agent/base/version.h"
#include "agent/model/workload.h"
#include "exporters/read.h"
#include "exporters/text.h"

namespace plimsoll::exporters {
namespace {

void write_one(std::string& out, std::string_view name, std::string_view help, std::string_view labels,
               double value) {
  FamilyWriter(out, name, Type::kGauge, help).add(labels, value);
}

struct WorkloadRow {
  std::string_view name, help;
  double (*read)(const model::WorkloadTotals& totals);
};
using Totals = model::WorkloadTotals;
constexpr std::array<WorkloadRow, 7> kWorkloads = {{
    {"plimsoll_workload_starts_total", "Containers of this name and image that were seen.",
     [](const Totals& totals) { return number(totals.starts); }},
    {"plimsoll_workload_oom_events_total",
     "Processes killed for want of memory, over all containers of this "
     "name and image.",
     [](const Totals& totals) { return number(totals.oom_kills); }},
    {"plimsoll_workload_memory_max_events_total",
     "Times that memory.max was hit, over all containers of this "
     "name and image.",
     [](const Totals& totals) { return number(totals.memory_max_hits); }},
    {"plimsoll_workload_cpu_usage_seconds_total", "CPU time used by all containers of this name and image.",
     [](const Totals& totals) { return seconds(totals.cpu_usage); }},
    {"plimsoll_workload_cpu_throttled_seconds_total",
     "Time throttled, over all containers of this name and "
     "image.",
     [](const Totals& totals) { return seconds(totals.cpu_throttled); }},
    {"plimsoll_workload_io_read_bytes_total", "Bytes read by all containers of this name and image.",
     [](const Totals& totals) { return number(totals.io_read); }},
    {"plimsoll_workload_io_written_bytes_total", "Bytes written by all containers of this name and image.",
     [](const Totals& totals) { return number(totals.io_written); }},
}};

using Ended = model::EndedContainer;
struct EndedRow {
  std::string_view name;
  Type type;
  std::string_view help;
  std::optional<double> (*read)(const Ended& ended);
};

std::optional<double> io_sum(const Ended& ended, Bytes model::IoStat::* field) {
  if (ended.last.io.empty()) return std::nullopt;
  double sum = 0;
  for (const auto& device : ended.last.io) sum += number(device.*field);
  return sum;
}

constexpr std::array<EndedRow, 8> kEnded = {{
    {"plimsoll_ended_cpu_usage_seconds_total", Type::kCounter, "CPU time that the ended container had used.",
     [](const Ended& ended) {
       return ended.last.cpu ? std::optional(seconds(ended.last.cpu->usage)) : std::nullopt;
     }},
    {"plimsoll_ended_cpu_throttled_seconds_total", Type::kCounter,
     "Time that the ended container was throttled.",
     [](const Ended& ended) {
       return ended.last.cpu && ended.last.cpu->throttled ? std::optional(seconds(*ended.last.cpu->throttled))
                                                          : std::nullopt;
     }},
    {"plimsoll_ended_memory_max_usage_bytes", Type::kGauge, "Most memory that the ended container ever used.",
     [](const Ended& ended) {
       return ended.last.memory.peak ? std::optional(number(*ended.last.memory.peak)) : std::nullopt;
     }},
    {"plimsoll_ended_oom_events_total", Type::kCounter,
     "Processes of the ended container that were killed for "
     "want of memory.",
     [](const Ended& ended) {
       return ended.last.memory.events ? std::optional(number(ended.last.memory.events->oom_kill))
                                       : std::nullopt;
     }},
    {"plimsoll_ended_io_read_bytes_total", Type::kCounter, "Bytes that the ended container had read.",
     [](const Ended& ended) { return io_sum(ended, &model::IoStat::read); }},
    {"plimsoll_ended_io_written_bytes_total", Type::kCounter, "Bytes that the ended container had written.",
     [](const Ended& ended) { return io_sum(ended, &model::IoStat::written); }},
    {"plimsoll_ended_timestamp_seconds", Type::kGauge,
     "When the container ended, since unix epoch in seconds.",
     [](const Ended& ended) {
       return std::optional(seconds(ended.exit ? ended.exit->when : ended.vanished));
     }},
    {"plimsoll_ended_lifetime_seconds", Type::kGauge, "How long the ended container had lived.",
     [](const Ended& ended) -> std::optional<double> {
       const auto begin = ended.ref->started ? ended.ref->started : ended.ref->created;
       const WallTime end = ended.exit ? ended.exit->when : ended.vanished;
       if (!begin || end < *begin) return std::nullopt;
       return static_cast<double>(std::chrono::duration_cast<Microseconds>(end - *begin).count()) / 1e6;
     }},
}};

std::string_view cause_of(const model::Exit& exit) {
  if (exit.oom_killed) return "oom";
  if (*exit.code > 128) return "signal";
  return *exit.code == 0 ? "completed" : "error";
}

}  // namespace

void write_machine(const Scrape& scrape, std::string& out) {
  const model::HostFacts& host = scrape.host;
  std::string labels;
  append_label(labels, "boot_id", host.boot_id);
  append_label(labels, "machine_id", host.machine_id);
  append_label(labels, "system_uuid", host.system_uuid);
  write_one(out, "machine_cpu_cores", "Number of logical CPU cores.", labels, host.cpus);
  write_one(out, "machine_cpu_physical_cores", "Number of physical CPU cores.", labels, host.physical_cores);
  write_one(out, "machine_cpu_sockets", "Number of CPU sockets.", labels, host.sockets);
  write_one(out, "machine_memory_bytes", "Amount of memory installed on the machine.", labels,
            number(host.memory));
  write_one(out, "machine_swap_bytes", "Amount of swap memory available on the machine.", labels,
            number(host.swap));
  std::string version;
  append_label(version, "cadvisorRevision", "");
  append_label(version, "cadvisorVersion", "plimsoll-" + std::string(kVersion));
  append_label(version, "dockerVersion", "");
  append_label(version, "kernelVersion", host.kernel_version);
  append_label(version, "osVersion", host.os_version);
  write_one(
      out, "cadvisor_version_info",
      "A metric with a constant '1' value labeled by kernel version, OS version, docker version, cadvisor "
      "version & cadvisor revision.",
      version, 1);
}

void write_decisions(const std::vector<DecisionCount>& decisions, std::string& out) {
  FamilyWriter family(out, "plimsoll_decisions_total", Type::kCounter,
                      "What policy did: decisions by policy, rule, action and outcome.");
  for (const DecisionCount& one : decisions) {
    const std::array<Label, 4> labels = {
        {{"action", one.action}, {"outcome", one.outcome}, {"policy", one.policy}, {"rule", one.rule}}};
    family.add({}, labels, number(one.count));
  }
}

void write_workloads(const model::Snapshot& now, std::string& out) {
  if (!now.workloads) return;
  std::vector<std::string> labels(now.workloads->size());
  for (std::size_t at = 0; at < labels.size(); ++at) {
    const Totals& totals = (*now.workloads)[at];
    if (!totals.image.empty()) append_label(labels[at], "image", totals.image);
    append_label(labels[at], "name", totals.name);
  }
  for (const WorkloadRow& row : kWorkloads) {
    FamilyWriter family(out, row.name, Type::kCounter, row.help);
    for (std::size_t at = 0; at < labels.size(); ++at) family.add(labels[at], row.read((*now.workloads)[at]));
  }
}

void write_info(const model::Snapshot& now, const std::vector<LabelCache::Text>& labels, std::string& out) {
  FamilyWriter family(out, "plimsoll_container_info", Type::kGauge,
                      "1 for each living container, with what there is to join on.");
  for (std::size_t at = 0; at < labels.size(); ++at) {
    const model::ContainerRef& ref = *now.containers[at].ref;
    const std::string inode = std::to_string(ref.id.inode);
    const std::array<Label, 3> more = {
        {{"cgroup_id", inode}, {"container_id", ref.container_id}, {"runtime", to_string(ref.runtime)}}};
    family.add(*labels[at], more, 1);
  }
}

void write_ended(const model::Snapshot& now, const std::vector<LabelCache::Text>& labels, std::string& out) {
  // A service that is started over and over ends with the same labels each time: its inode tells them apart.
  std::vector<std::string> inodes;
  inodes.reserve(now.ended.size());
  for (const Ended& ended : now.ended) inodes.push_back(std::to_string(ended.ref->id.inode));
  for (const EndedRow& row : kEnded) {
    FamilyWriter family(out, row.name, row.type, row.help);
    for (std::size_t at = 0; at < labels.size(); ++at) {
      const std::array<Label, 1> more = {{{"cgroup_id", inodes[at]}}};
      if (const auto value = row.read(now.ended[at])) family.add(*labels[at], more, *value);
    }
  }
  FamilyWriter codes(out, "plimsoll_container_exit_code", Type::kGauge,
                     "Exit code of a container that ended within the last minutes, and why it ended.");
  for (std::size_t at = 0; at < labels.size(); ++at) {
    const auto& exit = now.ended[at].exit;
    if (!exit || !exit->code) continue;
    const std::array<Label, 2> more = {{{"cause", cause_of(*exit)}, {"cgroup_id", inodes[at]}}};
    codes.add(*labels[at], more, *exit->code);
  }
}

}  // namespace plimsoll::exporters
