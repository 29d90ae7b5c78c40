// What the engine tells of itself.
#include <algorithm>
#include <array>
#include <ranges>
#include <set>

#include "policies/engine_turn.h"
#include "policies/missing_probes.h"

namespace plimsoll::policies {

std::string_view to_string(RulePhase phase) {
  static constexpr std::array<std::string_view, 9> kNames = {
      "unseen", "idle", "unknown", "holding", "fired", "waiting", "cooling", "spent", "paused"};
  return kNames[static_cast<std::size_t>(phase)];
}

namespace {

const model::ContainerSample* sample_of(const model::ContainerRef& ref, const model::Snapshot* snapshot) {
  if (snapshot == nullptr) return nullptr;
  const auto found = std::ranges::find_if(
      snapshot->containers, [&](const model::ContainerSample& one) { return one.ref->id == ref.id; });
  return found == snapshot->containers.end() ? nullptr : &*found;
}

ConditionState state_of_condition(const Expression& condition, const std::vector<HoldTimer>* timers,
                                  BootTime now, const SignalSource* source) {
  ConditionState state;
  state.text = condition.text();
  for (std::size_t i = 0; i < condition.holds().size(); ++i) {
    const Expression::Hold& hold = condition.holds()[i];
    HoldState& told =
        state.holds.emplace_back(std::string(condition.part(hold.at, hold.size)), hold.duration);
    if (timers == nullptr || i >= timers->size() || !(*timers)[i].since) continue;
    told.held = std::max(Nanoseconds(0), now - *(*timers)[i].since);
  }
  if (source == nullptr) return state;
  Reading why;
  auto copy = timers == nullptr ? std::vector<HoldTimer>() : *timers;
  state.truth = condition.test(*source, now, copy, &why);
  if (state.truth == Truth::kUnknown) state.why_unknown = why_unknown(why.unknown, why.signal);
  for (const Expression::Compared& one : condition.comparisons(*source)) {
    ComparisonState& told = state.comparisons.emplace_back();
    told.text = one.text;
    told.op = one.op;
    told.truth = one.truth;
    if (one.left.known()) told.left = format_quantity(one.left.value, one.unit);
    if (one.right.known()) told.right = format_quantity(one.right.value, one.unit);
    if (one.truth != Truth::kUnknown) continue;
    const Reading& missing = one.left.known() ? one.right : one.left;
    told.why_unknown = why_unknown(missing.unknown, missing.signal);
  }
  return state;
}

RulePhase phase_of(const RuleState& state, bool again, bool paused) {
  if (state.active) return state.wait_left ? RulePhase::kWaiting : RulePhase::kFired;
  if (state.cooldown_left.count() > 0) return RulePhase::kCooling;
  if (state.when.truth == Truth::kUnknown) return RulePhase::kUnknown;
  if (state.when.truth == Truth::kTrue && !again) return RulePhase::kSpent;
  if (state.when.truth == Truth::kTrue && paused) return RulePhase::kPaused;
  const bool holding =
      std::ranges::any_of(state.when.holds, [](const HoldState& hold) { return hold.held.has_value(); });
  return holding ? RulePhase::kHolding : RulePhase::kIdle;
}

template <typename Map, typename Key>
const typename Map::mapped_type* find_in(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

// The limits of disks that the cgroup has, whoever set them.
void limited_disks(const model::Limits& limits, std::set<FieldKey>& keys) {
  for (FieldId id = 0; id < fields().size(); ++id) {
    if (!fields()[id].per_device) continue;
    if (fields()[id].name == "io.weight") {
      if (!limits.io_weight) continue;
      for (const auto& [disk, weight] : limits.io_weight->devices) keys.emplace(id, to_string(disk));
    } else if (limits.io_max) {
      for (const model::IoMax& one : *limits.io_max) {
        keys.emplace(id, to_string(one.device));
      }
    }
  }
}

// May a rule of a HostPolicy choose this container as victim? `why_not` is the last reason against it.
bool may_choose(const Rule& rule, const model::ContainerRef& ref, std::string& why_not) {
  for (const Step& step : rule.then) {
    const Victim* whom = victim_of(step);
    if (whom == nullptr) continue;
    why_not = whom->among.why_not(ref);
    if (why_not.empty()) return true;
  }
  return false;
}

}  // namespace

RuleState Engine::state_of(const Policy& policy, const Rule& rule, const Tracked* tracked, BootTime now,
                           const SignalSource* source) const {
  RuleState state;
  state.policy = policy.name;
  state.rule = rule.name;
  state.audit = policy.mode == Mode::kAudit;
  state.steps = rule.then.size();
  const RuleRun* run = tracked == nullptr ? nullptr : find_in(tracked->rules, RuleName(policy, rule));
  state.when = state_of_condition(rule.when, run == nullptr ? nullptr : &run->when_timers, now, source);
  if (rule.until) {
    const bool timed = run != nullptr && run->active;
    state.until = state_of_condition(*rule.until, timed ? &run->until_timers : nullptr, now, source);
  }
  if (run == nullptr) return state;
  state.when.truth = run->truth;
  state.when.why_unknown =
      run->truth == Truth::kUnknown ? why_unknown(run->why.unknown, run->why.signal) : std::string();
  state.active = run->active;
  state.step = run->active ? std::min(run->step, state.steps) : 0;
  if (run->active && run->waits_since && run->step < rule.then.size()) {
    const auto* wait = std::get_if<WaitStep>(&rule.then[run->step]);
    if (wait != nullptr)
      state.wait_left = std::max(Nanoseconds(0), wait->duration - (now - *run->waits_since));
  }
  if (run->active && run->resumes) state.wait_left = std::max(Nanoseconds(0), *run->resumes - now);
  if (run->cooldown_ends) state.cooldown_left = std::max(Nanoseconds(0), *run->cooldown_ends - now);
  if (run->fired) {
    state.fired_ago = std::max(Nanoseconds(0), now - *run->fired);
    state.seen = run->seen;
  }
  state.phase = phase_of(state, !run->was_true || rule.cooldown || rule.until, paused_);
  return state;
}

void Engine::explain_policies(const model::ContainerRef& ref, Explanation& told) const {
  for (const Policy& policy : set_->policies | std::views::reverse) {
    PolicyState& state = told.policies.emplace_back();
    state.name = policy.name;
    state.file = policy.file;
    state.place = policy.place;
    state.priority = policy.priority;
    state.mode = policy.mode;
    state.host = policy.host;
    if (policy.mode == Mode::kOff) {
      state.why_not = "its mode is off";
    } else if (!told.untouchable.empty()) {
      state.why_not = told.untouchable;
    } else if (policy.host) {
      state.why_not = "none of its rules kills a container";
      state.applies = std::ranges::any_of(
          policy.rules, [&](const Rule& rule) { return may_choose(rule, ref, state.why_not); });
    } else {
      state.why_not = policy.select.why_not(ref);
      state.applies = state.why_not.empty();
    }
  }
}

void Engine::explain_fields(const Tracked* tracked, const model::Sample* sample, BootTime now,
                            Explanation& told) const {
  std::set<FieldKey> keys;
  for (FieldId id = 0; id < fields().size(); ++id) {
    if (!fields()[id].per_device) keys.insert(id);
  }
  if (tracked != nullptr) {
    for (const auto& [key, held] : tracked->fields) keys.insert(key);
  }
  if (sample != nullptr) limited_disks(sample->limits, keys);
  for (const FieldKey& key : keys) {
    FieldState state;
    state.field = fields()[key.id].name;
    state.device = key.device;
    if (sample != nullptr) state.now = field_now(key, sample->limits).value_or("");
    if (const Held* held = tracked == nullptr ? nullptr : find_in(tracked->fields, key)) {
      state.wanted = held->wanted;
      state.original = held->original;
      state.policy = held->policy;
      state.rule = held->rule;
      state.audit = held->audit;
      state.held = !held->audit && !held->accepted.empty() && !held->releasing;
      state.problem = held->problem;
      if (held->releasing) {
        state.wanted = held->original;
        state.problem = "being put back" + (held->problem.empty() ? "" : ": " + held->problem);
      }
      if (!held->audit && held->next_try && *held->next_try > now) state.retry_in = *held->next_try - now;
    }
    if (!state.now.empty() || !state.wanted.empty()) told.fields.push_back(std::move(state));
  }
  if (tracked == nullptr) return;
  each_wish(*tracked, [&](const Wish& wish) {
    const auto field = std::ranges::find_if(told.fields, [&](const FieldState& state) {
      return state.field == fields()[wish.field.id].name && state.device == wish.field.device;
    });
    const std::string by(wish.by());
    if (field == told.fields.end() || (field->policy == wish.policy.name && field->rule == by)) return;
    field->overruled.insert(field->overruled.begin(), {wish.policy.name, by, wish.value});
  });
}

void Engine::explain_freezes(const Tracked& tracked, BootTime now, Explanation& told) {
  std::optional<BootTime> end = BootTime{};  // nullopt: it is not known when
  for (const auto& [rule, ends] : tracked.freezes) {
    told.frozen_by += (told.frozen_by.empty() ? "" : ", ") + rule.policy + "/" + rule.rule;
    end = end && ends ? std::optional(std::max(*end, *ends)) : std::nullopt;
  }
  if (told.frozen_by.empty() && tracked.thawing) {
    told.frozen_by = tracked.thawing->policy + "/" + tracked.thawing->rule;
    end = tracked.thawing->next_try.value_or(now);
  }
  if (!told.frozen_by.empty() && end) told.thaw_in = std::max(Nanoseconds(0), *end - now);
}

template <typename Filter>
void Engine::explain_host_rules(const model::Snapshot* snapshot, Explanation& told, Filter filter) const {
  const Counters* newest = host_.history.now();
  SignalInputs inputs;
  inputs.host_before = host_.history.before();
  inputs.host_now = newest;
  if (snapshot != nullptr) {
    inputs.host = &snapshot->host;
    inputs.wall = snapshot->wall;
  }
  const BootTime now = snapshot != nullptr ? snapshot->host.taken
                       : newest != nullptr ? newest->taken
                                           : BootTime{};
  const View view(inputs, host_.history, host_.history);
  for (const Policy& policy : set_->policies | std::views::reverse) {
    if (!policy.host || policy.mode == Mode::kOff) continue;
    for (const Rule& rule : policy.rules) {
      if (!filter(rule)) continue;
      told.rules.push_back(state_of(policy, rule, &host_, now, snapshot == nullptr ? nullptr : &view));
      add_missing_probes(rule, snapshot, told.missing_probes);
    }
  }
}

Explanation Engine::explain(const model::ContainerRef& ref, const model::Snapshot* snapshot) const {
  Explanation told;
  told.container = ref.name;
  told.container_id = ref.container_id;
  told.cgroup = ref.cgroup;
  told.paused = paused_;
  if (untouchable(ref.cgroup))
    told.untouchable = "its cgroup is never acted on: it is the agent's own or the system's";
  explain_policies(ref, told);

  const Tracked* tracked = find_in(tracked_, ref.id.inode);
  if (tracked != nullptr && tracked->container_id != ref.container_id) tracked = nullptr;
  told.known = tracked != nullptr;
  const model::ContainerSample* one = sample_of(ref, snapshot);
  const Counters* newest = tracked == nullptr ? nullptr : tracked->history.now();
  const BootTime now = one != nullptr ? one->sample.taken : newest != nullptr ? newest->taken : BootTime{};
  if (tracked != nullptr) explain_freezes(*tracked, now, told);
  explain_fields(tracked, one == nullptr ? nullptr : &one->sample, now, told);

  const History none;
  const History& history = tracked == nullptr ? none : tracked->history;
  SignalInputs inputs;
  inputs.ref = &ref;
  inputs.before = history.before();
  inputs.now = history.now();
  inputs.host_before = host_.history.before();
  inputs.host_now = host_.history.now();
  if (one != nullptr) {
    inputs.sample = &one->sample;
    inputs.host = &snapshot->host;
    inputs.wall = snapshot->wall;
  }
  const View view(inputs, history, host_.history);
  for (const Policy& policy : set_->policies | std::views::reverse) {
    const auto state = std::ranges::find(told.policies, policy.name, &PolicyState::name);
    if (policy.host || !state->applies) continue;
    for (const Rule& rule : policy.rules) {
      told.rules.push_back(state_of(policy, rule, tracked, now, one == nullptr ? nullptr : &view));
      add_missing_probes(rule, snapshot, told.missing_probes);
    }
  }
  if (told.untouchable.empty()) {
    explain_host_rules(snapshot, told, [&](const Rule& rule) {
      std::string why_not;
      return may_choose(rule, ref, why_not);
    });
  }
  return told;
}

Explanation Engine::explain_host(const model::Snapshot* snapshot) const {
  Explanation told;
  told.container = "host";
  told.cgroup = "/";
  told.paused = paused_;
  told.known = host_.history.now() != nullptr;
  for (const Policy& policy : set_->policies | std::views::reverse) {
    if (!policy.host) continue;
    const bool off = policy.mode == Mode::kOff;
    told.policies.push_back({policy.name, policy.file, policy.place, policy.priority, policy.mode, true, !off,
                             off ? "its mode is off" : ""});
  }
  explain_host_rules(snapshot, told, [](const Rule&) { return true; });
  return told;
}

}  // namespace plimsoll::policies
