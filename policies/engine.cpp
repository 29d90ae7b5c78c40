#include "policies/engine.h"

#include <signal.h>

#include <algorithm>
#include <limits>

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;
using model::Cause;
using model::Decision;

constexpr Nanoseconds kFirstPause = 10s;
constexpr Nanoseconds kLongestPause = 5min;

// Merges the windows that an expression reads into `into`: the longest for each signal.
void want_windows(const Expression& expression, History::Wanted& container, History::Wanted& host) {
  for (const auto& [signal, window] : expression.windows()) {
    Nanoseconds& longest = (signals()[signal].host ? host : container)[signal];
    longest = std::max(longest, window);
  }
}

std::optional<double> number_of(const FieldInfo& field, const std::string& text) {
  if (text.starts_with("max")) return std::nullopt;
  const auto number = parse_number(std::string_view(text).substr(0, text.find(' ')));
  if (!number) return std::nullopt;
  if (field.kind == FieldKind::kCores) return *number / 100'000;
  return field.kind == FieldKind::kSeconds ? *number / 1e6 : *number;
}

}  // namespace

// What expressions read of one container.
class Engine::View final : public SignalSource {
 public:
  View(const SignalInputs& inputs, const History& own, const History& host)
      : inputs_(inputs), own_(own), host_(host) {}
  Reading value(SignalId signal) const override {
    if (inputs_.sample == nullptr && !signals()[signal].host) return {0, Unknown::kNotThere, signal};
    return read_signal(signal, inputs_);
  }
  Reading window(Function function, SignalId signal, Nanoseconds length) const override {
    return (signals()[signal].host ? host_ : own_).window(function, signal, length);
  }

 private:
  const SignalInputs& inputs_;
  const History& own_;
  const History& host_;
};

struct Engine::Turn {
  Tracked& tracked;
  std::shared_ptr<const model::ContainerRef> ref;
  const model::Sample* sample;  // null: the host
  const model::Snapshot& snapshot;
  BootTime now;
  const View& view;
  std::set<FieldId> released;  // by an `until` in this turn
};

void Engine::use(std::shared_ptr<const PolicySet> set) {
  set_ = std::move(set);
  windows_.clear();
  host_windows_.clear();
  std::map<RuleKey, std::string> known;
  for (const Policy& policy : set_->policies) {
    for (const Rule& rule : policy.rules) {
      known[{policy.name, rule.name}] = rule.fingerprint;
      want_windows(rule.when, windows_, host_windows_);
      if (rule.until) want_windows(*rule.until, windows_, host_windows_);
    }
  }
  const auto forget = [&](Tracked& tracked) {
    std::erase_if(tracked.rules, [&](const auto& entry) {
      const auto found = known.find(entry.first);
      return found == known.end() || found->second != entry.second.fingerprint;
    });
  };
  for (auto& [inode, tracked] : tracked_) forget(tracked);
  forget(host_);
}

bool Engine::untouchable(const std::string& cgroup) const {
  return std::ranges::any_of(options_.untouchable, [&](const std::string& path) {
    return cgroup == path || (path != "/" && cgroup.starts_with(path + "/"));
  });
}

std::vector<Decision> Engine::evaluate(const model::Snapshot& snapshot,
                                       std::span<const model::Event> events) {
  ++sequence_;
  out_.clear();
  evaluate_host(snapshot);
  for (const model::ContainerSample& one : snapshot.containers) evaluate_container(one, snapshot);
  for (const model::Event& event : events) {
    if (const auto* gone = std::get_if<model::ContainerVanished>(&event.what))
      tracked_.erase(gone->ref->id.inode);
  }
  std::erase_if(tracked_, [&](const auto& entry) { return entry.second.seen != sequence_; });
  return std::move(out_);
}

void Engine::evaluate_host(const model::Snapshot& snapshot) {
  host_.history.advance(counters_of(snapshot.host));
  SignalInputs inputs;
  inputs.host = &snapshot.host;
  inputs.host_before = host_.history.before();
  inputs.host_now = host_.history.now();
  inputs.wall = snapshot.wall;
  host_.history.keep(host_windows_, inputs);
  static const auto kHost = [] {
    auto ref = std::make_shared<model::ContainerRef>();
    ref->name = "host";
    ref->cgroup = "/";
    return std::shared_ptr<const model::ContainerRef>(std::move(ref));
  }();
  const View view(inputs, host_.history, host_.history);
  Turn turn{host_, kHost, nullptr, snapshot, snapshot.host.taken, view, {}};
  for (const Policy& policy : set_->policies) {
    if (!policy.host || policy.mode == Mode::kOff) continue;
    for (const Rule& rule : policy.rules) run_rule(turn, policy, rule);
  }
}

void Engine::evaluate_container(const model::ContainerSample& one, const model::Snapshot& snapshot) {
  Tracked& tracked = tracked_[one.ref->id.inode];
  if (tracked.container_id != one.ref->container_id) {  // new, or the inode was used again
    tracked = Tracked{};
    tracked.container_id = one.ref->container_id;
  }
  tracked.ref = one.ref;
  tracked.seen = sequence_;
  if (untouchable(one.ref->cgroup)) return;
  const bool fresh = tracked.history.advance(counters_of(one.sample));
  SignalInputs inputs{.ref = one.ref.get(),
                      .sample = &one.sample,
                      .host = &snapshot.host,
                      .before = tracked.history.before(),
                      .now = tracked.history.now(),
                      .host_before = host_.history.before(),
                      .host_now = host_.history.now(),
                      .wall = snapshot.wall};
  if (fresh) tracked.history.keep(windows_, inputs);
  const View view(inputs, tracked.history, host_.history);
  Turn turn{tracked, one.ref, &one.sample, snapshot, one.sample.taken, view, {}};
  for (const Policy& policy : set_->policies) {
    if (policy.host || policy.mode == Mode::kOff || !policy.select.matches(*one.ref)) continue;
    for (const Rule& rule : policy.rules) run_rule(turn, policy, rule);
  }
  if (tracked.thaw_at && turn.now >= *tracked.thaw_at) {
    tracked.thaw_at.reset();
    Decision thaw = decision(turn, tracked.frozen_by_policy, tracked.frozen_by_rule, false);
    thaw.cause = Cause::kUntil;
    thaw.action = model::Thaw{};
    out_.push_back(std::move(thaw));
  }
  if (!paused_) compare(turn, merge(turn));
}

Decision Engine::decision(const Turn& turn, const std::string& policy, const std::string& rule,
                          bool audit) const {
  Decision made;
  made.container = turn.ref;
  made.policy = policy;
  made.rule = rule;
  made.audit = audit;
  made.breach = made.decided = turn.now;
  return made;
}

void Engine::run_rule(Turn& turn, const Policy& policy, const Rule& rule) {
  RuleRun& run = turn.tracked.rules[{policy.name, rule.name}];
  if (run.fingerprint.empty()) {
    run.fingerprint = rule.fingerprint;
    run.when_timers.resize(rule.when.timers());
    if (rule.until) run.until_timers.resize(rule.until->timers());
  }
  run.truth = rule.when.test(turn.view, turn.now, run.when_timers, &run.why);
  const bool is_true = run.truth == Truth::kTrue;
  if (run.active) {
    run_steps(turn, policy, rule, run);
    const bool over = rule.until
                          ? rule.until->test(turn.view, turn.now, run.until_timers, nullptr) == Truth::kTrue
                          : run.step >= rule.then.size() && (!is_true || rule.cooldown.has_value());
    if (over) {
      run.active = false;
      if (rule.until) {
        for (const auto& [field, value] : run.overlay) turn.released.insert(field);
        run.overlay.clear();
      }
      if (rule.cooldown) run.cooldown_ends = turn.now + *rule.cooldown;
    }
  } else if (is_true && !paused_) {
    const bool cooling = run.cooldown_ends && turn.now < *run.cooldown_ends;
    // Without a cooldown a rule fires at the moment its condition becomes true, not again while it stays so.
    const bool again = rule.cooldown.has_value() || rule.until.has_value() || !run.was_true;
    if (!cooling && again) {
      run.active = true;
      run.step = 0;
      run.waits_since.reset();
      run_steps(turn, policy, rule, run);
    }
  }
  run.was_true = is_true;
}

void Engine::run_steps(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run) {
  // A ladder goes on only while its condition still holds.
  if (run.step < rule.then.size() && run.truth != Truth::kTrue) {
    run.step = rule.then.size();
    return;
  }
  while (run.step < rule.then.size() && take_step(turn, policy, rule, run, rule.then[run.step])) ++run.step;
}

bool Engine::take_step(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run, const Step& step) {
  if (const auto* wait = std::get_if<WaitStep>(&step)) {
    if (!run.waits_since) run.waits_since = turn.now;
    if (turn.now - *run.waits_since < wait->duration) return false;
    run.waits_since.reset();
    return true;
  }
  if (const auto* set = std::get_if<SetStep>(&step)) {
    set_step(turn, run, *set);
    return true;
  }
  if (const auto* kill = std::get_if<KillStep>(&step)) {
    kill_step(turn, policy, rule, *kill);
    return true;
  }
  Decision made = decision(turn, policy.name, rule.name, policy.mode == Mode::kAudit);
  made.breach = rule.when.since(turn.now, run.when_timers);
  for (const SignalId signal : rule.when.signals()) {
    const Reading reading = turn.view.value(signal);
    if (reading.known())
      made.seen.emplace_back(signals()[signal].name, format_quantity(reading.value, signals()[signal].unit));
  }
  if (const auto* notify = std::get_if<NotifyStep>(&step)) {
    made.action = model::Notify{filled(turn, notify->text)};
  } else if (const auto* freeze = std::get_if<FreezeStep>(&step)) {
    made.action = model::Freeze{freeze->duration};
    if (freeze->duration && !made.audit) {
      turn.tracked.thaw_at = turn.now + *freeze->duration;
      turn.tracked.frozen_by_policy = policy.name;
      turn.tracked.frozen_by_rule = rule.name;
    }
  } else {
    made.action = model::Thaw{};
  }
  out_.push_back(std::move(made));
  return true;
}

void Engine::set_step(Turn& turn, RuleRun& run, const SetStep& step) {
  const FieldInfo& field = fields()[step.field];
  if (step.value) {
    const Reading reading = step.value->evaluate(turn.view);
    if (reading.known())
      run.overlay[step.field] = field_text(field, std::clamp(reading.value, field.least, field.most));
    return;
  }
  if (!step.change) {
    run.overlay[step.field] = step.text;
    return;
  }
  const auto now = field_now(step.field, turn.sample->limits);
  const auto number = now ? number_of(field, *now) : std::nullopt;
  if (!number) return;  // "max" cannot grow, and an absent file has no value to change
  double value = *number * (1 + *step.change);
  if (step.bound)
    value = *step.change > 0 ? std::min(value, std::max(*step.bound, *number))
                             : std::max(value, std::min(*step.bound, *number));
  run.overlay[step.field] = field_text(field, std::clamp(value, field.least, field.most));
}

void Engine::kill_step(Turn& turn, const Policy& policy, const Rule& rule, const KillStep& step) {
  Decision made = decision(turn, policy.name, rule.name, policy.mode == Mode::kAudit);
  made.action = model::Kill{step.signal, step.grace};
  for (const SignalId signal : rule.when.signals()) {
    const Reading reading = turn.view.value(signal);
    if (reading.known())
      made.seen.emplace_back(signals()[signal].name, format_quantity(reading.value, signals()[signal].unit));
  }
  if (step.among) {
    double most = -std::numeric_limits<double>::infinity();
    const model::ContainerSample* victim = nullptr;
    for (const model::ContainerSample& one : turn.snapshot.containers) {
      if (!step.among->matches(*one.ref) || untouchable(one.ref->cgroup)) continue;
      const auto known = tracked_.find(one.ref->id.inode);
      SignalInputs inputs;
      inputs.ref = one.ref.get();
      inputs.sample = &one.sample;
      inputs.host = &turn.snapshot.host;
      inputs.wall = turn.snapshot.wall;
      if (known != tracked_.end()) {
        inputs.before = known->second.history.before();
        inputs.now = known->second.history.now();
      }
      const Reading reading = read_signal(step.most, inputs);
      if (reading.known() && reading.value > most) {
        most = reading.value;
        victim = &one;
      }
    }
    if (victim == nullptr) {
      made.refusal = "no container to choose as victim";
      out_.push_back(std::move(made));
      return;
    }
    made.container = victim->ref;
    made.seen.emplace_back(signals()[step.most].name, format_quantity(most, signals()[step.most].unit));
  }
  if (!made.audit) {
    while (!kills_.empty() && turn.now - kills_.front() >= 1min) kills_.pop_front();
    if (kills_.size() >= options_.kills_a_minute) {
      made.refusal =
          "the host's limit of " + std::to_string(options_.kills_a_minute) + " kills a minute is reached";
    } else {
      kills_.push_back(turn.now);
    }
  }
  out_.push_back(std::move(made));
}

std::map<FieldId, Engine::Wanted> Engine::merge(Turn& turn) const {
  std::map<FieldId, Wanted> wanted;
  for (const Policy& policy : set_->policies) {  // lowest priority first: the last word counts
    if (policy.host || policy.mode == Mode::kOff || !policy.select.matches(*turn.ref)) continue;
    const bool audit = policy.mode == Mode::kAudit;
    // An audited wish must not push an enforced one aside.
    const auto put = [&](FieldId field, Wanted want) {
      const auto found = wanted.find(field);
      if (audit && found != wanted.end() && !found->second.audit) return;
      wanted[field] = std::move(want);
    };
    for (const LimitValue& limit : policy.limits) {
      put(limit.field, {limit.text, policy.name, "limits", audit, false,
                        turn.released.contains(limit.field) ? Cause::kUntil : Cause::kLimit});
    }
    for (const Rule& rule : policy.rules) {
      const auto run = turn.tracked.rules.find({policy.name, rule.name});
      if (run == turn.tracked.rules.end()) continue;
      const bool force = std::ranges::any_of(rule.then, [](const Step& step) {
        const auto* set = std::get_if<SetStep>(&step);
        return set != nullptr && set->force;
      });
      for (const auto& [field, value] : run->second.overlay) {
        put(field, {value, policy.name, rule.name, audit, force, Cause::kRule});
      }
    }
  }
  return wanted;
}

void Engine::compare(Turn& turn, const std::map<FieldId, Wanted>& wanted) {
  for (const auto& [field, want] : wanted) hold(turn, field, want);
  for (auto entry = turn.tracked.fields.begin(); entry != turn.tracked.fields.end();) {
    if (wanted.contains(entry->first)) {
      ++entry;
      continue;
    }
    give_back(turn, entry->first, entry->second);
    entry = turn.tracked.fields.erase(entry);
  }
}

void Engine::hold(Turn& turn, FieldId id, const Wanted& want) {
  const FieldInfo& field = fields()[id];
  const auto now = field_now(id, turn.sample->limits);
  auto [entry, fresh] = turn.tracked.fields.try_emplace(id);
  Held& held = entry->second;
  if (fresh) held.original = now.value_or("");
  const bool changed = held.wanted != want.value || held.audit != want.audit;
  if (changed) {
    held.wanted = want.value;
    held.audit = want.audit;
    held.accepted.clear();
    held.next_try.reset();
    held.pause = Nanoseconds(0);
    held.in_flight = false;
  }
  held.policy = want.policy;
  held.rule = want.rule;
  const std::string& expected = held.accepted.empty() ? want.value : held.accepted;
  if (now && *now == expected) {
    held.accepted = expected;
    held.in_flight = false;
    return;
  }
  if (held.in_flight || (held.next_try && turn.now < *held.next_try)) return;

  Decision made = decision(turn, want.policy, want.rule, want.audit);
  made.cause = held.accepted.empty() ? want.cause : Cause::kDrift;
  made.action = model::SetFile{std::string(field.file), want.value, now.value_or("")};
  if (!now) made.refusal = "this cgroup has no " + std::string(field.file) + ": its controller is off";
  const auto& memory = turn.sample->memory.current;
  if (field.name == "memory.max" && memory && !want.force) {
    const auto limit = number_of(field, want.value);
    if (limit && *limit < static_cast<double>(memory->value)) {
      made.refusal = "memory.max below the current use of " + format_bytes(*memory) +
                     " would kill; set force: true to do it";
    }
  }
  held.in_flight = true;
  if (want.audit) {  // said once, not at every tick
    held.next_try = BootTime{Nanoseconds::max()};
  }
  out_.push_back(std::move(made));
}

void Engine::give_back(Turn& turn, FieldId id, Held& held) {
  const auto now = field_now(id, turn.sample->limits);
  if (held.audit || held.accepted.empty() || held.original.empty() || !now || *now == held.original) return;
  Decision made = decision(turn, held.policy, held.rule, false);
  made.cause = Cause::kUntil;
  made.action = model::SetFile{std::string(fields()[id].file), held.original, *now};
  out_.push_back(std::move(made));
}

void Engine::report(const Decision& decision, const model::DecisionRecord& record) {
  const auto* set = std::get_if<model::SetFile>(&decision.action);
  if (set == nullptr) return;
  const auto tracked = tracked_.find(decision.container->id.inode);
  if (tracked == tracked_.end()) return;
  for (auto& [id, held] : tracked->second.fields) {
    if (fields()[id].file != set->file || held.wanted != set->value) continue;
    if (record.outcome == to_string(model::Outcome::kDone)) {
      held.accepted = record.after;
      held.next_try.reset();
      held.pause = Nanoseconds(0);
      held.in_flight = false;
    } else if (!decision.audit) {
      held.pause = held.pause.count() == 0 ? kFirstPause : std::min(2 * held.pause, kLongestPause);
      held.next_try = decision.decided + held.pause;
      held.in_flight = false;
    }
  }
}

std::string Engine::filled(const Turn& turn, const std::string& text) const {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto open = text.find("{{", at);
    const auto close = open == std::string::npos ? open : text.find("}}", open);
    out += text.substr(
        at, open == std::string::npos || close == std::string::npos ? std::string::npos : open - at);
    if (open == std::string::npos || close == std::string::npos) break;
    std::string name = text.substr(open + 2, close - open - 2);
    std::erase(name, ' ');
    const auto signal = find_signal(name);
    if (name == "container.name") {
      out += turn.ref->name;
    } else if (name == "container.id") {
      out += turn.ref->container_id;
    } else if (name == "container.image") {
      out += turn.ref->image;
    } else if (signal) {
      const Reading reading = turn.view.value(*signal);
      out += reading.known() ? format_quantity(reading.value, signals()[*signal].unit) : "unknown";
    } else {
      out += "{{" + name + "}}";
    }
    at = close + 2;
  }
  return out;
}

}  // namespace plimsoll::policies
