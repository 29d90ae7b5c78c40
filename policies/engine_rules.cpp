// Rules: when they fire, their ladders of steps, and how `until` ends them.
#include <algorithm>
#include <limits>

#include "agent/base/template_text.h"
#include "policies/engine_turn.h"

namespace plimsoll::policies {

using namespace std::chrono_literals;
using model::Cause;
using model::Decision;

Engine::RuleRun& Engine::run_of(Tracked& tracked, const Policy& policy, const Rule& rule) {
  auto known = tracked.rules.find(RuleName(policy, rule));
  if (known == tracked.rules.end()) {
    known = tracked.rules.emplace(RuleKey{policy.name, rule.name}, RuleRun{}).first;
  }
  if (known->second.fingerprint.empty()) known->second.fingerprint = state_key(policy, rule);
  return known->second;
}

void Engine::run_rule(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run) {
  run.why = {};
  run.truth = rule.when.test(turn.view, turn.now, run.when_timers, &run.why);
  const bool is_true = run.truth == Truth::kTrue;
  if (run.active) {
    // Paused, a ladder stands still; it goes on afterwards, if its condition still holds.
    if (!paused_) {
      run_steps(turn, policy, rule, run);
      try_again(turn, policy, rule, run);
    }
    // What did not do is tried again before the cooldown begins.
    const bool rests = rule.cooldown.has_value() && run.tries.empty();
    const bool over = rule.until
                          ? rule.until->test(turn.view, turn.now, run.until_timers, nullptr) == Truth::kTrue
                          : run.step >= rule.then.size() && (!is_true || rests);
    if (over) end_rule(turn, policy, rule, run);
  } else if (is_true && !paused_) {
    const bool cooling = run.cooldown_ends && turn.now < *run.cooldown_ends;
    // Without a cooldown a rule fires at the moment its condition becomes true, not again while it stays so.
    const bool again = rule.cooldown.has_value() || rule.until.has_value() || !run.was_true;
    if (!cooling && again) {
      run.active = true;
      run.fired = turn.now;
      run.step = 0;
      run.waits_since.reset();
      run.resumes.reset();
      run.tries.clear();
      run.until_timers.clear();
      run_steps(turn, policy, rule, run);
    }
  }
  // A cooldown ends a rule while its condition still holds; people are told that it is over when it is.
  if (run.told && !run.active && (rule.until || run.truth == Truth::kFalse)) {
    end_told({policy.name, rule.name}, run);
    run.told.reset();
  }
  // What could not be seen did not become false, and what became true under a pause fires after it.
  if (run.truth != Truth::kUnknown && !(paused_ && is_true)) run.was_true = is_true;
  note_deadlines(turn, rule, run);
}

void Engine::note_deadlines(const Turn& turn, const Rule& rule, const RuleRun& run) {
  const auto later = [&](BootTime at) {
    if (at > turn.now) due(at);
  };
  const auto held = [&](const Expression& condition, const std::vector<HoldTimer>& timers) {
    for (std::size_t i = 0; i < timers.size() && i < condition.holds().size(); ++i) {
      if (timers[i].since) later(*timers[i].since + condition.holds()[i].duration);
    }
  };
  if (!run.active) {
    held(rule.when, run.when_timers);
    if (run.cooldown_ends && run.truth == Truth::kTrue) later(*run.cooldown_ends);
    return;
  }
  if (rule.until) held(*rule.until, run.until_timers);
  if (run.resumes) later(*run.resumes);
  for (const auto& [step, tried] : run.tries) {
    if (tried.next) later(*tried.next);
  }
  if (!run.waits_since || run.step >= rule.then.size()) return;
  if (const auto* wait = std::get_if<WaitStep>(&rule.then[run.step]))
    later(*run.waits_since + wait->duration);
}

void Engine::end_rule(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run) {
  run.active = false;
  run.tries.clear();
  if (rule.cooldown) run.cooldown_ends = turn.now + rest_after(*rule.cooldown, run.given_up);
  // Also where its ladder ended before it came to its `thaw`.
  end_freeze(turn, {policy.name, rule.name}, run, policy.mode == Mode::kAudit);
  if (!rule.until) return;
  for (const auto& [field, value] : run.overlay) turn.released.insert(field);
  run.overlay.clear();
}

void Engine::run_steps(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run) {
  if (run.step >= rule.then.size() || run.truth == Truth::kUnknown) return;
  // A ladder goes on only while its condition still holds.
  if (run.truth == Truth::kFalse) {
    run.step = rule.then.size();
    run.resumes.reset();
    return;
  }
  if (run.resumes && turn.now < *run.resumes) return;
  run.resumes.reset();
  run.breach = rule.when.since(turn.now, run.when_timers);
  run.seen.clear();
  for (const SignalId signal : rule.when.signals()) {
    const Reading reading = turn.view.value(signal);
    if (!reading.known()) continue;
    run.seen.emplace_back(signals()[signal].name, format_quantity(reading.value, signals()[signal].unit));
  }
  while (run.step < rule.then.size() && !run.resumes &&
         take_step(turn, policy, rule, run, rule.then[run.step]))
    ++run.step;
}

bool Engine::take_step(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run, const Step& step) {
  if (const auto* wait = std::get_if<WaitStep>(&step)) {
    if (!run.waits_since) run.waits_since = turn.now;
    if (turn.now - *run.waits_since < wait->duration) return false;
    run.waits_since.reset();
    return true;
  }
  if (const auto* set = std::get_if<SetStep>(&step)) {
    set_step(turn, policy, rule, run, *set);
    return true;
  }
  if (acts_once(step)) {
    act(turn, policy, rule, run, step);
    return true;
  }
  Decision made = of_step(turn, policy, rule, run, step);
  if (const auto* told = std::get_if<NotifyStep>(&step)) {
    notify(turn, run, *told, std::move(made));
  } else if (const auto* frozen = std::get_if<FreezeStep>(&step)) {
    freeze(turn, run, *frozen, std::move(made));
    // What follows begins when the freeze is over.
    if (frozen->duration && &step != &rule.then.back()) run.resumes = turn.now + *frozen->duration;
  } else {
    // A rule that froze ends its own freeze; one that only thaws ends whatever there is.
    const bool froze = std::ranges::any_of(
        rule.then, [](const Step& one) { return std::holds_alternative<FreezeStep>(one); });
    if (!froze && !made.audit) turn.tracked.freezes.clear();
    run.told_freeze = false;
    thaw(turn, {policy.name, rule.name}, std::move(made));
  }
  return true;
}

void Engine::set_step(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run, const SetStep& step) {
  const FieldInfo& field = fields()[step.field];
  if (!step.value && !step.change) {
    run.overlay[step.field] = step.text;
    return;
  }
  const auto now = field_now(step.field, turn.sample->limits);
  std::optional<double> value;
  std::string refusal;
  if (step.value) {
    const Reading reading = step.value->evaluate(turn.view);
    if (reading.known()) value = reading.value;
    refusal = why_unknown(reading.unknown, reading.signal);
  } else if (const auto number = now ? number_of(field, *now) : std::nullopt) {
    const double changed = *number * (1 + *step.change);
    const double bound = step.bound.value_or(changed);
    // A bound that is passed already is not a reason to go the other way.
    value = *step.change > 0 ? std::min(changed, std::max(bound, *number))
                             : std::max(changed, std::min(bound, *number));
  } else {
    refusal = std::string(field.name) + ": no limit is set that could be changed by a share of it";
  }
  if (value) {
    run.overlay[step.field] = field_text(field, std::clamp(*value, field.least, field.most));
    return;
  }
  // Told, not passed over: the rule fired, and this step of it could not be taken.
  Decision made = decision(turn, policy.name, rule.name, policy.mode == Mode::kAudit);
  made.breach = run.breach;
  made.seen = run.seen;
  made.action = model::SetFile{std::string(field.file), "", now.value_or("")};
  made.refusal = std::move(refusal);
  out_.push_back(std::move(made));
}

std::string Engine::filled(const Turn& turn, const std::string& text) const {
  return fill_template(text, [&](const std::string& name) {
    if (name == "container.name") return turn.ref->name;
    if (name == "container.id") return turn.ref->container_id;
    if (name == "container.image") return turn.ref->image;
    const auto signal = find_signal(name);
    if (!signal) return "{{" + name + "}}";
    const Reading reading = turn.view.value(*signal);
    return reading.known() ? format_quantity(reading.value, signals()[*signal].unit) : "unknown";
  });
}

}  // namespace plimsoll::policies
