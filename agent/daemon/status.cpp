#include "agent/daemon/status.h"

#include <nlohmann/json.hpp>
#include <unordered_map>

#include "agent/base/rfc3339.h"
#include "agent/model/interference.h"

namespace plimsoll::daemon {
namespace {

using nlohmann::json;

constexpr std::size_t kShortestPrefix = 4;

template <typename T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

std::optional<double> cores(const std::optional<model::CpuStat>& before,
                            const std::optional<model::CpuStat>& after, std::chrono::nanoseconds wall) {
  if (!before || !after || wall.count() <= 0 || after->usage < before->usage) return std::nullopt;
  return to_seconds(after->usage - before->usage) / to_seconds(wall);
}

std::optional<double> throttled_percent(const model::Sample& before, const model::Sample& after) {
  if (!before.cpu || !after.cpu || !before.cpu->periods || !after.cpu->periods) return std::nullopt;
  if (*after.cpu->periods <= *before.cpu->periods) return std::nullopt;
  const auto periods = static_cast<double>(*after.cpu->periods - *before.cpu->periods);
  const auto throttled = static_cast<double>(after.cpu->throttled_periods.value_or(0)) -
                         static_cast<double>(before.cpu->throttled_periods.value_or(0));
  return 100 * throttled / periods;
}

json bytes_or_null(const std::optional<model::Bound<Bytes>>& limit) {
  return limit && !limit->is_max() ? json(limit->value().value) : json();
}

void add_pressures(const model::Pressures& pressures, json& out) {
  const auto average = [](const std::optional<model::Pressure>& pressure) {
    return pressure ? json(pressure->some.avg10) : json();
  };
  out["cpu_pressure"] = average(pressures.cpu);
  out["memory_pressure"] = average(pressures.memory);
  out["io_pressure"] = average(pressures.io);
}

json container_json(const model::ContainerRef& ref, const model::Sample& sample,
                    const model::Sample* before) {
  const auto& cpu_max = sample.limits.cpu_max;
  const auto working_set = model::working_set(sample.memory);
  json out = {
      {"id", ref.container_id},
      {"cgroup", ref.cgroup},
      {"name", ref.name},
      {"image", ref.image},
      {"runtime", to_string(ref.runtime)},
      {"cpu_usage", before ? or_null(cores(before->cpu, sample.cpu, sample.taken - before->taken)) : json()},
      {"cpu_limit", cpu_max && !cpu_max->quota.is_max() ? json(cpu_max->cores().value().value) : json()},
      {"throttled_percent", before ? or_null(throttled_percent(*before, sample)) : json()},
      {"memory_usage", sample.memory.current ? json(sample.memory.current->value) : json()},
      {"memory_working_set", working_set ? json(working_set->value) : json()},
      {"memory_limit", bytes_or_null(sample.limits.memory_max)},
      {"memory_high", bytes_or_null(sample.limits.memory_high)},
      {"oom_kills", sample.memory.events ? sample.memory.events->oom_kill : 0},
      {"restarts", ref.restarts}};
  add_pressures(sample.pressure, out);
  return out;
}

json host_json(const View& view) {
  const model::HostSample& host = view.now->host;
  json out = {{"cpu_usage", view.previous ? or_null(cores(view.previous->host.cpu, host.cpu,
                                                          host.taken - view.previous->host.taken))
                                          : json()},
              {"cpu_cores", host.cpu_cores},
              {"memory_available", host.memory_available.value},
              {"memory_total", host.memory_total.value}};
  add_pressures(host.pressure, out);
  return out;
}

}  // namespace

std::string sentence(const model::DecisionRecord& record) {
  std::string text = record.policy + "/" + record.rule + " " + record.action;
  if (!record.detail.empty()) text += " " + record.detail;
  if (!record.after.empty()) text += " " + record.before + " -> " + record.after;
  return text + ": " + record.outcome;
}

json containers_json(const View& view, const OwnCost& own) {
  std::unordered_map<model::CgroupId, const model::Sample*> before;
  if (view.previous) {
    for (const auto& one : view.previous->containers) before[one.ref->id] = &one.sample;
  }
  json containers = json::array();
  for (const auto& one : view.now->containers) {
    const auto earlier = before.find(one.ref->id);
    json row = container_json(*one.ref, one.sample, earlier == before.end() ? nullptr : earlier->second);
    if (const auto last = view.last_decisions->find(one.ref->container_id);
        last != view.last_decisions->end()) {
      row["last_decision"] = {{"when", format_rfc3339(last->second.when)}, {"text", last->second.text}};
    }
    containers.push_back(std::move(row));
  }
  return {{"host", host_json(view)},
          {"agent",
           {{"cpu_percent", own.cpu_percent},
            {"memory", own.memory.value},
            {"sample_seconds", own.sample_seconds},
            {"policies", view.policies->policies.size()},
            {"paused", view.paused},
            {"decisions", own.decisions}}},
          {"containers", std::move(containers)}};
}

json interference_json(const View& view) {
  json cells = json::array();
  for (const model::NamedInterference& cell : model::named_interference(*view.now)) {
    cells.push_back({{"victim", cell.victim},
                     {"aggressor", cell.aggressor},
                     {"victim_id", cell.victim_id},
                     {"aggressor_id", cell.aggressor_id},
                     {"seconds", to_seconds(cell.waited)}});
  }
  return cells;
}

json recommendations_json(const View& view, const model::ContainerRef* only) {
  json all = json::array();
  for (const model::Recommendation& one : *view.recommendations) {
    const model::ContainerRef& ref = *one.container;
    if (only != nullptr && ref.id != only->id) continue;
    const auto service = ref.labels.find("com.docker.compose.service");
    all.push_back({{"container",
                    {{"id", ref.container_id},
                     {"name", ref.name},
                     {"image", ref.image},
                     {"cgroup", ref.cgroup},
                     {"runtime", to_string(ref.runtime)},
                     {"namespace", ref.kube_namespace},
                     {"pod", ref.pod},
                     {"kube_container", ref.kube_container},
                     {"compose_service", service == ref.labels.end() ? "" : service->second}}},
                   {"resource", one.resource == model::Recommendation::Resource::kMemory ? "memory" : "cpu"},
                   {"policy", one.policy},
                   {"mode", one.mode},
                   {"seek", one.seek},
                   {"audit", one.audit},
                   {"limit", or_null(one.limit)},
                   {"used", or_null(one.used)},
                   {"target", one.target},
                   {"lower", one.lower},
                   {"upper", one.upper},
                   {"saves", or_null(one.saves())},
                   {"confidence", one.confidence},
                   {"observed_seconds", to_seconds(one.observed)}});
  }
  return all;
}

json targets_json(std::span<const model::TargetState> targets) {
  const auto moment = [](const std::optional<WallTime>& when) {
    return when ? json(format_rfc3339(*when)) : json();
  };
  json all = json::array();
  for (const model::TargetState& one : targets) {
    all.push_back({{"name", one.name},
                   {"kind", one.kind},
                   {"where", one.where},
                   {"sent", one.sent},
                   {"retried", one.retried},
                   {"failed", one.failed},
                   {"suppressed", one.suppressed},
                   {"dropped", one.dropped},
                   {"pending", one.pending},
                   {"last_error", one.last_error},
                   {"last_sent", moment(one.last_sent)},
                   {"last_failed", moment(one.last_failed)}});
  }
  return all;
}

const model::ContainerSample* find_container(const model::Snapshot& snapshot, std::string_view name) {
  const model::ContainerSample* found = nullptr;
  for (const auto& one : snapshot.containers) {
    const model::ContainerRef& ref = *one.ref;
    if (ref.name == name || ref.container_id == name || ref.cgroup == name) return &one;
    if (name.size() < kShortestPrefix || !ref.container_id.starts_with(name)) continue;
    if (found != nullptr) return nullptr;
    found = &one;
  }
  return found;
}

}  // namespace plimsoll::daemon
