// What the engine keeps over a restart, and what it tells of itself.
#include <nlohmann/json.hpp>

#include "policies/engine.h"

namespace plimsoll::policies {

using nlohmann::json;

std::string Engine::save() const {
  json containers = json::array();
  for (const auto& [inode, tracked] : tracked_) {
    json fields_json = json::array();
    for (const auto& [id, held] : tracked.fields) {
      fields_json.push_back({{"field", fields()[id].name},
                             {"original", held.original},
                             {"wanted", held.wanted},
                             {"accepted", held.accepted},
                             {"policy", held.policy},
                             {"rule", held.rule},
                             {"audit", held.audit}});
    }
    json rules = json::array();
    for (const auto& [key, run] : tracked.rules) {
      if (!run.active && run.overlay.empty() && !run.cooldown_ends) continue;
      json overlay = json::object();
      for (const auto& [id, value] : run.overlay) overlay[std::string(fields()[id].name)] = value;
      rules.push_back({{"policy", key.policy},
                       {"rule", key.rule},
                       {"fingerprint", run.fingerprint},
                       {"active", run.active},
                       {"step", run.step},
                       {"overlay", overlay},
                       {"cooldown_ends", run.cooldown_ends ? run.cooldown_ends->since_boot.count() : 0}});
    }
    if (fields_json.empty() && rules.empty() && !tracked.thaw_at) continue;
    containers.push_back({{"inode", inode},
                          {"id", tracked.container_id},
                          {"fields", fields_json},
                          {"rules", rules},
                          {"thaw_at", tracked.thaw_at ? tracked.thaw_at->since_boot.count() : 0},
                          {"frozen_by", {tracked.frozen_by_policy, tracked.frozen_by_rule}}});
  }
  return json{{"version", 1}, {"containers", containers}}.dump(-1, ' ', false,
                                                               json::error_handler_t::replace);
}

Result<> Engine::restore(const std::string& text) {
  std::unordered_map<std::uint64_t, Tracked> restored;
  try {
    const json state = json::parse(text);
    for (const json& one : state.at("containers")) {
      Tracked tracked;
      tracked.container_id = one.at("id");
      for (const json& saved : one.at("fields")) {
        const auto id = find_field(saved.at("field").get<std::string>());
        if (!id) continue;
        Held held;
        held.original = saved.at("original");
        held.wanted = saved.at("wanted");
        held.accepted = saved.at("accepted");
        held.policy = saved.at("policy");
        held.rule = saved.at("rule");
        held.audit = saved.at("audit");
        if (held.audit) held.next_try = BootTime{Nanoseconds::max()};
        tracked.fields[*id] = std::move(held);
      }
      for (const json& saved : one.at("rules")) {
        RuleRun run;
        run.fingerprint = saved.at("fingerprint");
        run.active = saved.at("active");
        run.step = saved.at("step");
        if (const auto ends = saved.at("cooldown_ends").get<std::int64_t>())
          run.cooldown_ends = BootTime{Nanoseconds(ends)};
        for (const auto& [name, value] : saved.at("overlay").items()) {
          if (const auto id = find_field(name)) run.overlay[*id] = value;
        }
        tracked.rules[{saved.at("policy"), saved.at("rule")}] = std::move(run);
      }
      if (const auto thaw = one.at("thaw_at").get<std::int64_t>())
        tracked.thaw_at = BootTime{Nanoseconds(thaw)};
      tracked.frozen_by_policy = one.at("frozen_by").at(0);
      tracked.frozen_by_rule = one.at("frozen_by").at(1);
      restored[one.at("inode").get<std::uint64_t>()] = std::move(tracked);
    }
  } catch (const json::exception& error) {
    return invalid(std::string("saved state of the policy engine: ") + error.what());
  }
  // Timers are sized by the rules, which are known here only if use() was called before.
  const auto fit = [&](const std::string& policy_name, const std::string& rule_name, RuleRun& run) {
    for (const Policy& policy : set_->policies) {
      for (const Rule& rule : policy.rules) {
        if (policy.name != policy_name || rule.name != rule_name) continue;
        run.when_timers.resize(rule.when.timers());
        if (rule.until) run.until_timers.resize(rule.until->timers());
        return rule.fingerprint == run.fingerprint;
      }
    }
    return false;
  };
  for (auto& [inode, tracked] : restored) {
    for (auto entry = tracked.rules.begin(); entry != tracked.rules.end();) {
      entry = fit(entry->first.policy, entry->first.rule, entry->second) ? std::next(entry)
                                                                         : tracked.rules.erase(entry);
    }
  }
  tracked_ = std::move(restored);
  return {};
}

Explanation Engine::explain(const model::ContainerRef& ref) const {
  Explanation told;
  told.container = ref.name;
  const auto found = tracked_.find(ref.id.inode);
  for (const Policy& policy : set_->policies) {
    if (policy.host) continue;
    const bool selected = policy.mode != Mode::kOff && policy.select.matches(ref) && !untouchable(ref.cgroup);
    told.policies.emplace_back(policy.name, selected);
    if (!selected || found == tracked_.end()) continue;
    for (const Rule& rule : policy.rules) {
      RuleState state{policy.name, rule.name, rule.when.text(), Truth::kUnknown, "", false, Nanoseconds(0)};
      const auto run = found->second.rules.find({policy.name, rule.name});
      if (run != found->second.rules.end()) {
        state.truth = run->second.truth;
        if (state.truth == Truth::kUnknown)
          state.why_unknown = why_unknown(run->second.why.unknown, run->second.why.signal);
        state.active = run->second.active;
        const Counters* now = found->second.history.now();
        if (run->second.cooldown_ends && now != nullptr && *run->second.cooldown_ends > now->taken) {
          state.cooldown_left = *run->second.cooldown_ends - now->taken;
        }
      }
      told.rules.push_back(std::move(state));
    }
  }
  if (found == tracked_.end()) return told;
  for (const auto& [id, held] : found->second.fields) {
    told.fields.push_back(
        {std::string(fields()[id].name), held.wanted, held.accepted, held.policy, held.rule});
  }
  return told;
}

}  // namespace plimsoll::policies
