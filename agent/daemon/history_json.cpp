#include "agent/daemon/history_json.h"

#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/base/rfc3339.h"
#include "agent/enforce/audit_log.h"
#include "policies/field.h"

namespace plimsoll::daemon {
namespace {

using nlohmann::json;

json cpu_json(const model::CpuStat& cpu) {
  json out = {{"usage_usec", cpu.usage.count()},
              {"user_usec", cpu.user.count()},
              {"system_usec", cpu.system.count()}};
  if (cpu.periods) out["nr_periods"] = *cpu.periods;
  if (cpu.throttled_periods) out["nr_throttled"] = *cpu.throttled_periods;
  if (cpu.throttled) out["throttled_usec"] = cpu.throttled->count();
  return out;
}

json memory_json(const model::Memory& memory) {
  json out = json::object();
  if (memory.current) out["current_bytes"] = memory.current->value;
  if (memory.peak) out["peak_bytes"] = memory.peak->value;
  if (memory.swap_current) out["swap_bytes"] = memory.swap_current->value;
  if (const auto used = working_set(memory)) out["working_set_bytes"] = used->value;
  if (memory.stat) {
    const model::MemoryStat& stat = *memory.stat;
    out["anon_bytes"] = stat.anon.value, out["file_bytes"] = stat.file.value,
    out["kernel_bytes"] = stat.kernel.value;
    out["pgfault"] = stat.pgfault, out["pgmajfault"] = stat.pgmajfault;
  }
  if (memory.events) {
    const model::MemoryEvents& events = *memory.events;
    out["events"] = {{"low", events.low},
                     {"high", events.high},
                     {"max", events.max},
                     {"oom", events.oom},
                     {"oom_kill", events.oom_kill}};
  }
  return out;
}

json line_json(const model::PressureLine& line) {
  return {{"avg10", line.avg10},
          {"avg60", line.avg60},
          {"avg300", line.avg300},
          {"total_usec", line.total.count()}};
}

json pressures_json(const model::Pressures& pressures) {
  json out = json::object();
  const auto add = [&](const char* name, const std::optional<model::Pressure>& one) {
    if (!one) return;
    out[name]["some"] = line_json(one->some);
    if (one->full) out[name]["full"] = line_json(*one->full);
  };
  add("cpu", pressures.cpu), add("memory", pressures.memory), add("io", pressures.io);
  return out;
}

json times_json(const model::TimeHistogram& times) {
  return {{"count", times.count()}, {"seconds", to_seconds(times.sum)}};
}

json probes_json(const model::ProbeReadings& probes) {
  json out = json::object();
  if (const auto& one = probes.scheduling)
    out["sched"] = {{"run_seconds", to_seconds(one->on_cpu)},
                    {"stolen_seconds", to_seconds(one->stolen)},
                    {"waits", times_json(one->waits)}};
  if (const auto& one = probes.throttling) out["throttle"] = {{"episodes", times_json(one->episodes)}};
  if (const auto& one = probes.lifecycle)
    out["lifecycle"] = {{"forks", one->forks},       {"execs", one->execs},
                        {"exits", one->exits},       {"signals", one->signals},
                        {"failures", one->failures}, {"lifetimes", times_json(one->lifetimes)}};
  if (const auto& one = probes.network)
    out["net"] = {{"bytes_sent", one->bytes_sent},
                  {"bytes_received", one->bytes_received},
                  {"retransmits", one->retransmits},
                  {"connects", times_json(one->connects)}};
  if (const auto& one = probes.reclaim)
    out["reclaim"] = {{"stall_seconds", to_seconds(one->spent())}, {"pages", one->pages}};
  if (const auto& one = probes.io) out["blockio"] = {{"latency", times_json(model::latency(*one))}};
  if (const auto& one = probes.oom) out["oom"] = {{"memcg", one->memcg}, {"global", one->global}};
  if (const auto& one = probes.syscalls) out["syscalls"] = {{"calls", one->calls}};
  return out;
}

// As their control files have them; those that nobody has set among them.
json limits_json(const model::Limits& limits) {
  json out = json::object();
  const auto fields = policies::fields();
  for (policies::FieldId id = 0; id < fields.size(); ++id) {
    if (fields[id].per_device) continue;
    if (const auto now = policies::field_now(id, limits)) out[std::string(fields[id].file)] = *now;
  }
  return out;
}

json sample_json(const model::Sample& sample) {
  json out = {{"memory", memory_json(sample.memory)},
              {"pressure", pressures_json(sample.pressure)},
              {"limits", limits_json(sample.limits)},
              {"probes", probes_json(sample.probes)}};
  if (sample.cpu) out["cpu"] = cpu_json(*sample.cpu);
  for (const model::IoStat& io : sample.io)
    out["io"][io.device] = {{"read_bytes", io.read.value},
                            {"written_bytes", io.written.value},
                            {"reads", io.reads},
                            {"writes", io.writes}};
  for (const model::NetStat& net : sample.net)
    out["net"][net.interface] = {{"received_bytes", net.received.value},
                                 {"transmitted_bytes", net.transmitted.value},
                                 {"received_packets", net.rx_packets},
                                 {"transmitted_packets", net.tx_packets}};
  if (sample.processes) out["processes"] = *sample.processes;
  if (sample.threads) out["threads"] = *sample.threads;
  return out;
}

json host_json(const model::HostSample& host) {
  json out = {{"cores", host.cpu_cores},
              {"memory",
               {{"total_bytes", host.memory_total.value},
                {"available_bytes", host.memory_available.value},
                {"free_bytes", host.memory_free.value},
                {"swap_total_bytes", host.swap_total.value},
                {"swap_free_bytes", host.swap_free.value}}},
              {"pressure", pressures_json(host.pressure)}};
  if (host.cpu) out["cpu"] = cpu_json(*host.cpu);
  return out;
}

json ref_json(const model::ContainerRef& ref) {
  return {{"name", ref.name},        {"id", ref.container_id},
          {"cgroup", ref.cgroup},    {"runtime", to_string(ref.runtime)},
          {"image", ref.image},      {"labels", ref.labels},
          {"restarts", ref.restarts}};
}

const model::ContainerRef* concerned(const model::Event& event) {
  return std::visit([](const auto& one) { return one.ref.get(); }, event.what);
}

struct Told {
  std::string_view what;
  json more = json::object();
};
Told told(const model::ContainerAppeared&) { return {"container appeared"}; }
Told told(const model::ContainerVanished& one) {
  return {"container vanished", {{"last", sample_json(one.last)}}};
}
Told told(const model::PressureRaised& one) { return {"pressure", {{"resource", one.resource}}}; }
Told told(const model::ProbeRaised& one) { return {to_string(one.alarm.why), {{"pid", one.alarm.pid}}}; }
Told told(const model::MemoryEventsChanged& one) {
  return {"memory events",
          {{"high", one.after.high - one.before.high},
           {"max", one.after.max - one.before.max},
           {"oom_kill", one.after.oom_kill - one.before.oom_kill}}};
}

bool is(const std::string& wanted, const model::ContainerRef& ref) {
  return wanted.empty() || ref.name == wanted || ref.container_id == wanted || ref.cgroup == wanted;
}

}  // namespace

bool history_lines(const model::Recorded& moment, const std::string& container,
                   const std::function<bool(std::string_view)>& out) {
  const std::string when = format_rfc3339(moment.snapshot->wall);
  const auto line = [&](const char* kind, json body) {
    body["when"] = when;
    body["kind"] = kind;
    return out(json_text(body) + "\n");
  };
  if (moment.tick && container.empty() && !line("host", host_json(moment.snapshot->host))) return false;
  for (const model::ContainerSample& one : moment.snapshot->containers) {
    if (!moment.tick || !is(container, *one.ref)) continue;
    json body = sample_json(one.sample);
    body["container"] = ref_json(*one.ref);
    if (!line("container", std::move(body))) return false;
  }
  for (const model::Event& event : moment.events) {
    const model::ContainerRef* ref = concerned(event);
    if (ref == nullptr ? !container.empty() : !is(container, *ref)) continue;
    Told what = std::visit([](const auto& one) { return told(one); }, event.what);
    what.more["event"] = what.what;
    if (ref != nullptr) what.more["container"] = ref_json(*ref);
    if (!line("event", std::move(what.more))) return false;
  }
  for (const auto* list : {&moment.decisions, &moment.followed}) {
    for (const model::DecisionRecord& one : *list) {
      if (!container.empty() && one.container != container && one.container_id != container &&
          one.cgroup != container)
        continue;
      json body = json::parse(enforce::to_json(one));
      if (!line("decision", std::move(body))) return false;
    }
  }
  return true;
}

}  // namespace plimsoll::daemon
