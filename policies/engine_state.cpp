// What the engine keeps over a restart.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "policies/engine_turn.h"

namespace plimsoll::policies {

using nlohmann::json;

// Each part of the state, to JSON and back.
struct Engine::State {
  using Known = std::map<RuleKey, std::string>;

  static json save_rules(const Tracked& tracked);
  static json save_fields(const Tracked& tracked);
  static json save_freezes(const Tracked& tracked);
  static json save_told(const std::optional<Told>& told);
  static json save(std::uint64_t inode, const Tracked& tracked);
  using Ended = std::vector<std::pair<RuleKey, Told>>;
  static std::optional<Told> restore_told(const json& rule);
  static void restore_rules(const json& saved_rules, const Known& known, Tracked& tracked, Ended& ended);
  static void restore_fields(const json& saved_fields, std::uint64_t generation, Tracked& tracked);
  static void restore_freezes(const json& one, Tracked& tracked);
};

json Engine::State::save_rules(const Tracked& tracked) {
  json rules = json::array();
  for (const auto& [key, run] : tracked.rules) {
    const bool froze = tracked.freezes.contains(key);
    if (!run.active && run.overlay.empty() && !run.cooldown_ends && !froze && !run.told) continue;
    json overlay = json::object();
    for (const auto& [id, value] : run.overlay) overlay[std::string(fields()[id].name)] = value;
    json tries = json::array();
    for (const auto& [step, tried] : run.tries) {
      // One that has begun is not kept: nobody would tell of an end that came while no agent ran.
      if (tried.next)
        tries.push_back({{"step", step}, {"times", tried.times}, {"next", tried.next->since_boot.count()}});
    }
    rules.push_back({{"policy", key.policy},
                     {"rule", key.rule},
                     {"fingerprint", run.fingerprint},
                     {"active", run.active},
                     {"told_freeze", run.told_freeze},
                     {"step", run.step},
                     {"resumes", run.resumes ? run.resumes->since_boot.count() : -1},
                     {"overlay", overlay},
                     {"told", save_told(run.told)},
                     {"tries", std::move(tries)},
                     {"given_up", run.given_up},
                     {"cooldown_ends", run.cooldown_ends ? run.cooldown_ends->since_boot.count() : 0}});
  }
  return rules;
}

json Engine::State::save_told(const std::optional<Told>& told) {
  if (!told) return nullptr;
  const model::ContainerRef& ref = *told->ref;
  return {
      {"inode", ref.id.inode},   {"cgroup", ref.cgroup}, {"runtime", to_string(ref.runtime)},
      {"id", ref.container_id},  {"name", ref.name},     {"image", ref.image},
      {"text", told->last.text}, {"to", told->last.to},  {"severity", static_cast<int>(told->last.severity)},
      {"seen", told->seen},      {"audit", told->audit}};
}

// An agent from before there were targets kept none.
std::optional<Engine::Told> Engine::State::restore_told(const json& rule) {
  const json saved = rule.value("told", json());
  if (saved.is_null()) return std::nullopt;
  auto ref = std::make_shared<model::ContainerRef>();
  ref->id.inode = saved.at("inode");
  ref->cgroup = saved.at("cgroup");
  ref->runtime = model::runtime_from(saved.at("runtime").get<std::string>()).value_or(model::Runtime::kOther);
  ref->container_id = saved.at("id");
  ref->name = saved.at("name");
  ref->image = saved.at("image");
  Told told{.ref = std::move(ref), .seen = saved.at("seen"), .audit = saved.at("audit")};
  told.last.text = saved.at("text");
  told.last.to = saved.at("to");
  told.last.severity = static_cast<model::Severity>(std::clamp(saved.at("severity").get<int>(), 0, 2));
  return told;
}

json Engine::State::save_fields(const Tracked& tracked) {
  json held_fields = json::array();
  for (const auto& [key, held] : tracked.fields) {
    held_fields.push_back({{"field", fields()[key.id].name},
                           {"device", key.device},
                           {"original", held.original},
                           {"wanted", held.wanted},
                           {"accepted", held.accepted},
                           {"policy", held.policy},
                           {"rule", held.rule},
                           // Saved before it is carried out, a write may have been.
                           {"written", held.written || (held.in_flight && !held.audit)},
                           {"releasing", held.releasing},
                           {"yielded", held.yielded},
                           {"audit", held.audit}});
  }
  return held_fields;
}

json Engine::State::save_freezes(const Tracked& tracked) {
  json freezes = json::array();
  for (const auto& [key, end] : tracked.freezes) {
    freezes.push_back(
        {{"policy", key.policy}, {"rule", key.rule}, {"end", end ? end->since_boot.count() : -1}});
  }
  return freezes;
}

// Null where there is nothing to keep.
json Engine::State::save(std::uint64_t inode, const Tracked& tracked) {
  json held_fields = save_fields(tracked), rules = save_rules(tracked), freezes = save_freezes(tracked);
  json thawing;
  if (tracked.thawing) thawing = {{"policy", tracked.thawing->policy}, {"rule", tracked.thawing->rule}};
  if (held_fields.empty() && rules.empty() && freezes.empty() && thawing.is_null()) return nullptr;
  return {{"inode", inode},
          {"id", tracked.container_id},
          {"fields", std::move(held_fields)},
          {"rules", std::move(rules)},
          {"freezes", std::move(freezes)},
          {"thawing", std::move(thawing)}};
}

// A rule that changed or went while we were away leaves what it froze, to be thawed, and what it told of,
// which is over.
void Engine::State::restore_rules(const json& saved_rules, const Known& known, Tracked& tracked,
                                  Ended& ended) {
  for (const json& saved : saved_rules) {
    RuleRun run;
    run.fingerprint = saved.at("fingerprint");
    run.active = saved.at("active");
    run.was_true = run.active;
    run.told_freeze = saved.at("told_freeze");
    run.step = saved.at("step");
    if (const auto at = saved.at("resumes").get<std::int64_t>(); at >= 0) {
      run.resumes = BootTime{Nanoseconds(at)};
    }
    if (const auto ends = saved.at("cooldown_ends").get<std::int64_t>()) {
      run.cooldown_ends = BootTime{Nanoseconds(ends)};
    }
    // What earlier versions did not save is not asked for with at().
    run.given_up = saved.value("given_up", 0U);
    for (const json& tried : saved.value("tries", json::array())) {
      run.tries[tried.at("step").get<std::size_t>()] = {
          .times = tried.at("times"), .next = BootTime{Nanoseconds(tried.at("next").get<std::int64_t>())}};
    }
    for (const auto& [name, value] : saved.at("overlay").items()) {
      if (const auto id = find_field(name)) run.overlay[*id] = value;
    }
    run.told = restore_told(saved);
    const RuleKey key{saved.at("policy"), saved.at("rule")};
    const auto now = known.find(key);
    if (now != known.end() && now->second == run.fingerprint) {
      tracked.rules[key] = std::move(run);
    } else if (run.told) {
      ended.emplace_back(key, std::move(*run.told));
    }
  }
}

void Engine::State::restore_fields(const json& saved_fields, std::uint64_t generation, Tracked& tracked) {
  for (const json& saved : saved_fields) {
    const auto id = find_field(saved.at("field").get<std::string>());
    if (!id) continue;
    Held held;
    held.original = saved.at("original");
    held.wanted = saved.at("wanted");
    held.accepted = saved.at("accepted");
    held.policy = saved.at("policy");
    held.rule = saved.at("rule");
    held.audit = saved.at("audit");
    held.written = saved.at("written");
    held.releasing = saved.at("releasing");
    held.generation = generation;
    held.yielded = saved.value("yielded", false);
    if (held.audit) held.next_try = BootTime{Nanoseconds::max()};
    tracked.fields[FieldKey(*id, saved.at("device").get<std::string>())] = std::move(held);
  }
}

void Engine::State::restore_freezes(const json& one, Tracked& tracked) {
  for (const json& saved : one.at("freezes")) {
    const auto end = saved.at("end").get<std::int64_t>();
    tracked.freezes[{saved.at("policy"), saved.at("rule")}] =
        end < 0 ? std::nullopt : std::optional(BootTime{Nanoseconds(end)});
  }
  if (const json& saved = one.at("thawing"); !saved.is_null()) {
    tracked.thawing = Thawing{.policy = saved.at("policy"), .rule = saved.at("rule"), .in_flight = false};
  }
}

std::string Engine::save() const {
  json containers = json::array();
  for (const auto& [inode, tracked] : tracked_) {
    if (json one = State::save(inode, tracked); !one.is_null()) containers.push_back(std::move(one));
  }
  json kills = json::array();
  for (const BootTime at : kills_) kills.push_back(at.since_boot.count());
  json restarts = json::array();
  for (const auto& [id, one] : restarts_)
    restarts.push_back({{"id", id}, {"count", one.count}, {"last", one.last.since_boot.count()}});
  return json_text(json{{"version", 1},
                        {"restarts", std::move(restarts)},
                        {"containers", std::move(containers)},
                        {"host", State::save_rules(host_)},
                        {"kills", std::move(kills)}});
}

Result<> Engine::restore(const std::string& text) {
  State::Known known;
  for (const Policy& policy : set_->policies) {
    for (const Rule& rule : policy.rules) known[{policy.name, rule.name}] = state_key(policy, rule);
  }
  std::unordered_map<std::uint64_t, Tracked> restored;
  Tracked host;
  State::Ended ended;
  std::deque<BootTime> kills;
  std::map<std::string, Restarts> restarts;
  try {
    const json state = json::parse(text);
    for (const json& one : state.at("containers")) {
      Tracked& tracked = restored[one.at("inode").get<std::uint64_t>()];
      tracked.container_id = one.at("id");
      State::restore_fields(one.at("fields"), generation_, tracked);
      State::restore_freezes(one, tracked);
      State::restore_rules(one.at("rules"), known, tracked, ended);
    }
    State::restore_rules(state.at("host"), known, host, ended);
    for (const json& one : state.value("restarts", json::array())) {
      restarts[one.at("id")] = {.count = one.at("count"),
                                .last = BootTime{Nanoseconds(one.at("last").get<std::int64_t>())}};
    }
    for (const json& at : state.at("kills")) kills.push_back({Nanoseconds(at.get<std::int64_t>())});
  } catch (const json::exception& error) {
    return invalid(std::string("saved state of the policy engine: ") + error.what());
  }
  tracked_ = std::move(restored);
  host_ = std::move(host);
  ended_ = std::move(ended);
  kills_ = std::move(kills);
  restarts_ = std::move(restarts);
  return {};
}

}  // namespace plimsoll::policies
