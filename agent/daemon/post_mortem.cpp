#include "agent/daemon/post_mortem.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "agent/base/rfc3339.h"

namespace plimsoll::daemon {
namespace {

using model::CgroupId;
using nlohmann::json;
using Refs = std::vector<std::shared_ptr<const model::ContainerRef>>;

const model::ContainerRef* find(const Refs& refs, CgroupId id) {
  for (const auto& one : refs) {
    if (one->id == id) return one.get();
  }
  return nullptr;
}

json number(const std::optional<Bytes>& bytes) { return bytes ? json(bytes->value) : json(); }
json number(const std::optional<model::Bound<Bytes>>& limit) {
  return limit && !limit->is_max() ? json(limit->value().value) : json();
}
json number(const std::optional<float>& percent) { return percent ? json(*percent) : json(); }
json text_or_null(const std::string& text) { return text.empty() ? json() : json(text); }

json container_json(const model::ContainerRef* ref) {
  if (ref == nullptr) return nullptr;
  return {
      {"id", ref->container_id},          {"name", ref->name},    {"image", ref->image}, {"pod", ref->pod},
      {"namespace", ref->kube_namespace}, {"cgroup", ref->cgroup}};
}

// Whose something is, in two members; null where it is nobody's, or of a container that is not known.
void put_container(json& out, const Refs& refs, CgroupId id) {
  const model::ContainerRef* ref = find(refs, id);
  out["container"] = ref == nullptr ? json() : json(ref->name);
  out["container_id"] = ref == nullptr ? json() : json(ref->container_id);
}

json process_json(const model::OomProcess& process, const Refs& refs) {
  json out = {{"pid", process.pid},
              {"tid", process.tid},
              {"uid", process.uid},
              {"comm", process.comm},
              {"resident_bytes", process.resident().value},
              {"anon_bytes", process.anon.value},
              {"file_bytes", process.file.value},
              {"shmem_bytes", process.shmem.value},
              {"swap_bytes", process.swap.value},
              {"page_tables_bytes", process.page_tables.value},
              {"virtual_bytes", process.virtual_size.value},
              {"oom_score_adj", process.score_adj}};
  put_container(out, refs, process.container);
  return out;
}

json ran_out_json(const model::OomKill& kill, const Refs& refs) {
  const bool machine = kill.cgroup.inode == 0;
  json out = {{"total_bytes", kill.total.value},
              {"cgroup", text_or_null(kill.path)},
              {"cgroup_id", machine ? json() : json(kill.cgroup.inode)},
              {"usage_bytes", machine ? json() : json(kill.usage.value)},
              {"swap_bytes", machine ? json() : json(kill.swap.value)},
              {"max_bytes", machine ? json() : number(std::optional(kill.max))},
              {"high_bytes", machine ? json() : number(std::optional(kill.high))},
              {"swap_max_bytes", machine ? json() : number(std::optional(kill.swap_max))}};
  put_container(out, refs, kill.container);
  return out;
}

json moment_json(const model::MemoryMoment& moment, BootTime killed) {
  return {{"seconds_before", to_seconds(killed - moment.taken)},
          {"usage_bytes", number(moment.usage)},
          {"anon_bytes", number(moment.anon)},
          {"file_bytes", number(moment.file)},
          {"shmem_bytes", number(moment.shmem)},
          {"swap_bytes", number(moment.swap)},
          {"working_set_bytes", number(moment.working_set)},
          {"max_bytes", number(moment.max)},
          {"high_bytes", number(moment.high)},
          {"pressure_some_10s", number(moment.pressure_some)},
          {"pressure_full_10s", number(moment.pressure_full)}};
}

bool is_of(const json& part, std::string_view container) {
  const auto text = [&](const char* key) {
    const auto found = part.find(key);
    return found != part.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  return text("container") == container || text("container_id").starts_with(container);
}

}  // namespace

model::PostMortem post_mortem(model::OomKill kill, const model::Snapshot& now,
                              const watch::MemoryHistory& history) {
  model::PostMortem out;
  std::set<CgroupId> spoken_of = {kill.container, kill.asker.container};
  for (const auto& victim : kill.victims) spoken_of.insert(victim.process.container);
  for (const auto& process : kill.top) spoken_of.insert(process.container);
  const auto keep = [&](const std::shared_ptr<const model::ContainerRef>& ref) {
    if (spoken_of.erase(ref->id) != 0) out.containers.push_back(ref);
  };
  for (const auto& one : now.containers) keep(one.ref);
  for (const auto& one : now.ended) keep(one.ref);
  const CgroupId whose = kill.victims.empty() ? kill.container : kill.victims[0].process.container;
  for (const auto& ref : out.containers) {
    if (ref->id == whose) out.container = ref;
  }
  out.when = now.wall - (now.boot - kill.killed);
  out.before = history.before(whose, kill.killed);
  out.kill = std::move(kill);
  return out;
}

json post_mortem_json(const model::PostMortem& one) {
  const model::OomKill& kill = one.kill;
  json asker = process_json(kill.asker, one.containers);
  asker["cgroup"] = kill.asker_path;
  asker["order"] = kill.order;
  asker["gfp"] = fmt::format("{:#x}", kill.gfp);
  json victims = json::array(), top = json::array(), before = json::array();
  for (const auto& victim : kill.victims) {
    victims.push_back(process_json(victim.process, one.containers));
    victims.back()["cgroup"] = victim.cgroup_path;
  }
  for (const auto& process : kill.top) top.push_back(process_json(process, one.containers));
  for (const auto& moment : one.before) before.push_back(moment_json(moment, kill.killed));
  return {{"id", one.id},
          {"when", format_rfc3339(one.when)},
          {"constraint", to_string(kill.constraint)},
          {"kills", kill.kills},
          {"untold", kill.untold},
          {"container", container_json(one.container.get())},
          {"ran_out", ran_out_json(kill, one.containers)},
          {"asked_by", std::move(asker)},
          {"victims", std::move(victims)},
          {"processes",
           {{"looked_seconds_before", to_seconds(kill.killed - kill.began)},
            {"considered", kill.considered},
            {"top", std::move(top)}}},
          {"before", std::move(before)}};
}

std::string summary_line(const model::PostMortem& one) {
  const model::OomKill& kill = one.kill;
  std::string text = "OOM kill:";
  for (const auto& victim : kill.victims) {
    const model::OomProcess& process = victim.process;
    const model::ContainerRef* ref = find(one.containers, process.container);
    text += fmt::format("{} {} (pid {}) of {}, {}", text.ends_with(':') ? "" : ";", process.comm, process.pid,
                        ref == nullptr ? victim.cgroup_path : ref->name, format_bytes(process.resident()));
  }
  if (kill.cgroup.inode == 0) return text + "; the machine's memory ran out";
  return text + "; memory.max of " + kill.path + " ran out";
}

json post_mortem_summary(json whole) {
  whole.erase("processes");
  whole.erase("before");
  return whole;
}

bool concerns(const json& whole, std::string_view container) {
  if (container.empty()) return true;
  if (!whole.is_object()) return false;
  if (const auto ran_out = whole.find("ran_out"); ran_out != whole.end() && is_of(*ran_out, container))
    return true;
  const auto victims = whole.find("victims");
  if (victims == whole.end() || !victims->is_array()) return false;
  for (const json& one : *victims) {
    if (is_of(one, container)) return true;
  }
  return false;
}

}  // namespace plimsoll::daemon
