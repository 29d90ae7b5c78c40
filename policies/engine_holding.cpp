// Limits and overlays: merged into one wanted value a field, compared with what the cgroup has.
#include <algorithm>

#include "policies/engine_turn.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;

constexpr Nanoseconds kFirstPause = 10s;
constexpr Nanoseconds kLongestPause = 5min;
constexpr unsigned kMostWrites = 8;  // in some 20 minutes
// Corrections that are further apart than this are not one dispute.
constexpr Nanoseconds kDisputeForgotten = 10min;

}  // namespace

using model::Cause;
using model::Decision;

const Engine::Wishes& Engine::merge(Turn& turn) {
  Wishes& wanted = *wishes_;
  wanted.clear();
  // Lowest priority first: the last word counts.
  each_wish(turn.tracked, [&](const Wish& wish) {
    const auto& [policy, rule, run, size, field, value] = wish;
    const bool audit = policy.mode == Mode::kAudit;
    // An audited wish must not push an enforced one aside.
    const Wanted* found = wanted.find(field);
    if (audit && found != nullptr && !found->audit) return;
    const bool released = rule == nullptr && turn.released.contains(field);
    const bool force = rule != nullptr && std::ranges::any_of(rule->then, [](const Step& step) {
                         const auto* set = std::get_if<SetStep>(&step);
                         return set != nullptr && set->force;
                       });
    const Cause cause = rule != nullptr   ? Cause::kRule
                        : released        ? Cause::kUntil
                        : size != nullptr ? Cause::kAutosize
                                          : Cause::kLimit;
    wanted.put(field, {value, policy.name, wish.by(), policy.drift, audit, force, cause, run, size});
  });
  return wanted;
}

void Engine::compare(Turn& turn, const Wishes& wanted) {
  const bool idle = stays_idle(turn, wanted);
  const auto without_effect = [&](const FieldKey& key) {
    return idle && fields()[key.id].name == "cpu.weight";
  };
  for (auto entry = turn.tracked.fields.begin(); entry != turn.tracked.fields.end();) {
    const Wanted* want = wanted.find(entry->first);
    // A policy that went from enforce to audit lets go of what it held.
    if (want != nullptr && (!want->audit || entry->second.audit)) {
      ++entry;
      continue;
    }
    const bool more = !without_effect(entry->first) && give_back(turn, entry->first, entry->second);
    entry = more ? std::next(entry) : turn.tracked.fields.erase(entry);
  }
  // The kernel refuses a quota below the burst: a burst that shrinks goes first.
  static const FieldId kBurst = *find_field("cpu.burst");
  const Wanted* burst = wanted.find(kBurst);
  const auto saved = field_now(kBurst, turn.sample->limits);
  if (burst != nullptr && saved &&
      number_of(fields()[kBurst], burst->value) < number_of(fields()[kBurst], *saved)) {
    hold(turn, kBurst, wanted);
  }
  for (const auto& [field, want] : wanted) {
    if (!without_effect(field)) hold(turn, field, wanted);
  }
  std::erase_if(turn.tracked.given_back, [&](const auto& one) { return turn.now > one.second.first; });
}

// An idle cgroup has no weight: the kernel shows 0 and refuses to set it.
bool Engine::stays_idle(const Turn& turn, const Wishes& wanted) {
  static const FieldId kIdle = *find_field("cpu.idle");
  const Wanted* want = wanted.find(kIdle);
  if (want != nullptr && !want->audit) return want->value == "1";
  const auto held = turn.tracked.fields.find(kIdle);
  if (held != turn.tracked.fields.end() && !held->second.audit) return held->second.original == "1";
  return turn.sample->limits.cpu_idle.value_or(false);
}

// What the cgroup has. A sample from before a value was given back still shows the value of then.
std::optional<std::string> Engine::shown(const Turn& turn, const FieldKey& key) {
  const auto given = turn.tracked.given_back.find(key);
  if (given != turn.tracked.given_back.end() && turn.now <= given->second.first) return given->second.second;
  return field_now(key, turn.sample->limits);
}

std::string Engine::refusal_of(const Turn& turn, const FieldKey& key, const Wishes& wanted) const {
  const FieldInfo& field = fields()[key.id];
  const Wanted& want = *wanted.find(key);
  if (field.per_device) {
    const auto disk = disks_.find(key.device);
    if (disk != disks_.end() && disk->second.number.empty()) return disk->second.problem;
    if (key.device.starts_with('/')) return key.device + ": not known as a block device of this host";
  }
  if (!field_now(key, turn.sample->limits)) {
    return "this cgroup has no " + std::string(field.file) + ": its controller is off";
  }
  if (field.name == "cpu.burst") {
    static const FieldId kMax = *find_field("cpu.max");
    const Wanted* max = wanted.find(kMax);
    const auto quota =
        quota_of(max != nullptr ? max->value : field_now(kMax, turn.sample->limits).value_or("max"));
    if (quota && number_of(field, want.value) > quota) {
      return "cpu.burst is more than the quota of cpu.max in one period, " +
             format_quantity(*quota, Unit::kSeconds);
    }
  }
  const auto& memory = turn.sample->memory.current;
  if (field.name != "memory.max" || !memory || want.force) return "";
  const auto limit = number_of(field, want.value);
  if (!limit || *limit >= static_cast<double>(memory->value)) return "";
  return "memory.max below the current use of " + format_bytes(*memory) +
         " would kill; only a rule's set with force: true does that";
}

void Engine::hold(Turn& turn, const FieldKey& key, const Wishes& wanted) {
  const Wanted& want = *wanted.find(key);
  const auto now = shown(turn, key);
  auto [entry, fresh] = turn.tracked.fields.try_emplace(key);
  Held& held = entry->second;
  if (held.releasing && want.audit) return;  // an audit begins where nothing of ours is left
  if (fresh || (held.audit && !want.audit)) held.original = now.value_or("");
  if (held.wanted != want.value || held.audit != want.audit || held.releasing) {
    held.wanted = want.value;
    held.audit = want.audit;
    held.releasing = false;
    held.yielded = false;
    held.corrections = 0;
    held.begin_anew();
  }
  look_anew(held);
  if (held.policy != want.policy) held.policy = want.policy;
  if (held.rule != want.rule) held.rule = want.rule;
  if (held.effective && turn.now <= *held.effective) return;
  const std::string_view expected = held.accepted.empty() ? want.value : std::string_view(held.accepted);
  if (now && *now == expected) {
    held.accepted = expected;
    held.in_flight = false;
    held.yielded = false;
    held.problem.clear();
    return;
  }
  if (held.yielded || held.in_flight) return;
  const bool drifted = !held.accepted.empty();
  // What a safety rule forbids is told once, and done as soon as it no longer does.
  if (!held.refused && !may_try(turn, held, now)) return;
  std::string refusal = refusal_of(turn, key, wanted);
  if (held.refused && !refusal.empty()) return void(held.problem = std::move(refusal));
  held.refused = false;
  if (drifted && !want.audit && yields(turn, held, want.drift))
    refusal = "somebody else writes it again and again: left to them, as drift says";
  Decision made = decision(turn, want.policy, drifted ? "limits" : want.rule, want.audit);
  made.cause = drifted ? Cause::kDrift : want.cause;
  if (want.run != nullptr && !drifted) {
    made.breach = want.run->breach;
    made.seen = want.run->seen;
  }
  if (want.size != nullptr && !drifted) made.seen = want.size->seen;
  made.action = model::SetFile{std::string(fields()[key.id].file), file_text(key, std::string(want.value)),
                               file_text(key, now.value_or(""))};
  made.refusal = std::move(refusal);
  held.refused = !made.refusal.empty() && !held.yielded && !want.audit;
  held.in_flight = true;
  if (want.audit) held.next_try = BootTime{Nanoseconds::max()};  // said once, not at every tick
  out_.push_back(std::move(made));
}

// Somebody has looked at the policies since: what was given up is tried again.
void Engine::look_anew(Held& held) const {
  if (std::exchange(held.generation, generation_) == generation_) return;
  held.yielded = false;
  held.corrections = 0;
  if (held.given_up_at) held.begin_anew();
}

bool Engine::may_try(const Turn& turn, Held& held, const std::optional<std::string>& now) {
  if (held.in_flight) return false;
  if (held.given_up_at) {
    if (*held.given_up_at == now.value_or("")) return false;
    held.begin_anew();  // it is not as it was
  }
  if (!held.next_try || turn.now >= *held.next_try) return true;
  if (!held.audit) due(*held.next_try);
  return false;
}

bool Engine::yields(const Turn& turn, Held& held, const Drift& drift) {
  if (!drift.yield_after) return false;
  if (held.corrected && turn.now - *held.corrected > kDisputeForgotten) held.corrections = 0;
  held.yielded = held.corrections >= *drift.yield_after;
  if (!held.yielded) {
    ++held.corrections;
    held.corrected = turn.now;
  }
  return held.yielded;
}

// False: nothing is left to put back.
bool Engine::give_back(Turn& turn, const FieldKey& key, Held& held) {
  // What was left to somebody else has their value.
  if (held.audit || !held.written || held.original.empty() || held.yielded) return false;
  if (!held.releasing) held.begin_anew();
  look_anew(held);
  held.releasing = true;
  const auto now = field_now(key, turn.sample->limits);
  const bool stale = held.effective && turn.now <= *held.effective;
  if (now && *now == held.original && !stale) return false;
  if (!now || !may_try(turn, held, now)) return true;
  Decision made = decision(turn, held.policy, held.rule, false);
  made.cause = Cause::kUntil;
  made.action =
      model::SetFile{std::string(fields()[key.id].file), file_text(key, held.original), file_text(key, *now)};
  held.in_flight = true;
  out_.push_back(std::move(made));
  return true;
}

bool Engine::report(const Decision& decision, const model::DecisionRecord& record) {
  const auto known = tracked_.find(decision.container->id.inode);
  Tracked* tracked = known == tracked_.end() ? nullptr : &known->second;
  const bool done = record.outcome == to_string(model::Outcome::kDone);
  const auto* set = std::get_if<model::SetFile>(&decision.action);
  if (const auto last = report_act(decision, record, tracked)) return *last;
  if (tracked == nullptr) return false;
  if (std::holds_alternative<model::Thaw>(decision.action)) return report_thaw(decision, record, *tracked);
  if (set == nullptr) return false;
  const auto concerns = [&](const auto& entry) {
    const auto& [key, held] = entry;
    return fields()[key.id].file == set->file &&
           file_text(key, held.releasing ? held.original : held.wanted) == set->value;
  };
  std::erase_if(tracked->fields, [&](const auto& entry) {
    if (!entry.second.releasing || !concerns(entry)) return false;
    if (done) {
      const BootTime effective = decision.breach + record.breach_to_effect;
      tracked->given_back[entry.first] = {effective, entry.second.original};
    }
    return done || record.outcome == to_string(model::Outcome::kVanished);
  });
  bool given_up = false;
  for (auto& entry : tracked->fields) {
    if (!concerns(entry)) continue;
    given_up = report_field(entry.first, entry.second, decision, record) || given_up;
    if (entry.second.next_try && !decision.audit) due(*entry.second.next_try);
  }
  return given_up;
}

// True: it was the last try.
bool Engine::report_field(const FieldKey& key, Held& held, const Decision& decision,
                          const model::DecisionRecord& record) {
  if (record.outcome == to_string(model::Outcome::kDone)) {
    held.begin_anew();
    held.accepted = value_in(key, record.after);
    held.effective = decision.breach + record.breach_to_effect;
    held.written = true;
    return false;
  }
  if (decision.audit) return false;
  held.problem = record.detail.empty() ? record.outcome : record.detail;
  held.in_flight = false;
  if (held.refused || held.yielded) return false;
  held.pause = held.pause.count() == 0 ? kFirstPause : std::min(2 * held.pause, kLongestPause);
  held.next_try = decision.decided + held.pause;
  if (++held.tries < kMostWrites) return false;
  held.given_up_at = value_in(key, record.before);
  held.next_try.reset();
  return true;
}

}  // namespace plimsoll::policies
