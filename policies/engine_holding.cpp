// Limits and overlays: merged into one wanted value a field, compared with what the cgroup has.
#include <algorithm>

#include "policies/engine_turn.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;

constexpr Nanoseconds kFirstPause = 10s;
constexpr Nanoseconds kLongestPause = 5min;

}  // namespace

using model::Cause;
using model::Decision;

Engine::Wishes Engine::merge(Turn& turn) const {
  Wishes wanted;
  // Lowest priority first: the last word counts.
  each_wish(turn.tracked, [&](const Policy& policy, const Rule* rule, const RuleRun* run,
                              const FieldKey& field, const std::string& value) {
    const bool audit = policy.mode == Mode::kAudit;
    // An audited wish must not push an enforced one aside.
    const auto found = wanted.find(field);
    if (audit && found != wanted.end() && !found->second.audit) return;
    const bool released = rule == nullptr && turn.released.contains(field);
    const bool force = rule != nullptr && std::ranges::any_of(rule->then, [](const Step& step) {
                         const auto* set = std::get_if<SetStep>(&step);
                         return set != nullptr && set->force;
                       });
    const Cause cause = rule != nullptr ? Cause::kRule : (released ? Cause::kUntil : Cause::kLimit);
    wanted[field] = {value, policy.name, rule == nullptr ? std::string_view("limits") : rule->name,
                     audit, force,       cause,
                     run};
  });
  return wanted;
}

void Engine::compare(Turn& turn, const Wishes& wanted) {
  const bool idle = stays_idle(turn, wanted);
  const auto without_effect = [&](const FieldKey& key) {
    return idle && fields()[key.id].name == "cpu.weight";
  };
  for (auto entry = turn.tracked.fields.begin(); entry != turn.tracked.fields.end();) {
    const auto want = wanted.find(entry->first);
    // A policy that went from enforce to audit lets go of what it held.
    if (want != wanted.end() && (!want->second.audit || entry->second.audit)) {
      ++entry;
      continue;
    }
    if (!without_effect(entry->first)) give_back(turn, entry->first, entry->second);
    entry = turn.tracked.fields.erase(entry);
  }
  // The kernel refuses a quota below the burst: a burst that shrinks goes first.
  static const FieldId kBurst = *find_field("cpu.burst");
  const auto burst = wanted.find(kBurst);
  const auto saved = field_now(kBurst, turn.sample->limits);
  if (burst != wanted.end() && saved &&
      number_of(fields()[kBurst], burst->second.value) < number_of(fields()[kBurst], *saved)) {
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
  const auto want = wanted.find(kIdle);
  if (want != wanted.end() && !want->second.audit) return want->second.value == "1";
  const auto held = turn.tracked.fields.find(kIdle);
  if (held != turn.tracked.fields.end() && !held->second.audit) return held->second.original == "1";
  return turn.sample->limits.cpu_idle.value_or(false);
}

// What the field was before us. A sample from before a value was given back still shows the value of then.
std::string Engine::original_of(const Turn& turn, const FieldKey& key) {
  const auto given = turn.tracked.given_back.find(key);
  if (given != turn.tracked.given_back.end() && turn.now <= given->second.first) return given->second.second;
  return field_now(key, turn.sample->limits).value_or("");
}

std::string Engine::refusal_of(const Turn& turn, const FieldKey& key, const Wishes& wanted) const {
  const FieldInfo& field = fields()[key.id];
  const Wanted& want = wanted.at(key);
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
    const auto max = wanted.find(kMax);
    const auto quota = quota_of(max != wanted.end() ? max->second.value
                                                    : field_now(kMax, turn.sample->limits).value_or("max"));
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
         " would kill; set force: true to do it";
}

void Engine::hold(Turn& turn, const FieldKey& key, const Wishes& wanted) {
  const Wanted& want = wanted.at(key);
  const auto now = field_now(key, turn.sample->limits);
  auto [entry, fresh] = turn.tracked.fields.try_emplace(key);
  Held& held = entry->second;
  if (fresh || (held.audit && !want.audit)) held.original = original_of(turn, key);
  if (held.wanted != want.value || held.audit != want.audit) {
    held.wanted = want.value;
    held.audit = want.audit;
    held.accepted.clear();
    held.problem.clear();
    held.next_try.reset();
    held.pause = Nanoseconds(0);
    held.in_flight = false;
  }
  if (held.policy != want.policy) held.policy = want.policy;
  if (held.rule != want.rule) held.rule = want.rule;
  if (held.effective && turn.now <= *held.effective) return;
  const std::string_view expected = held.accepted.empty() ? want.value : std::string_view(held.accepted);
  if (now && *now == expected) {
    held.accepted = expected;
    held.in_flight = false;
    return;
  }
  if (held.in_flight) return;
  if (held.next_try && turn.now < *held.next_try) {
    if (!held.audit) due(*held.next_try);
    return;
  }

  const bool drifted = !held.accepted.empty();
  Decision made = decision(turn, want.policy, drifted ? "limits" : want.rule, want.audit);
  made.cause = drifted ? Cause::kDrift : want.cause;
  if (want.run != nullptr && !drifted) {
    made.breach = want.run->breach;
    made.seen = want.run->seen;
  }
  made.action = model::SetFile{std::string(fields()[key.id].file), file_text(key, std::string(want.value)),
                               file_text(key, now.value_or(""))};
  made.refusal = refusal_of(turn, key, wanted);
  held.in_flight = true;
  if (want.audit) held.next_try = BootTime{Nanoseconds::max()};  // said once, not at every tick
  out_.push_back(std::move(made));
}

void Engine::give_back(Turn& turn, const FieldKey& key, Held& held) {
  const auto now = field_now(key, turn.sample->limits);
  if (held.audit || held.accepted.empty() || held.original.empty()) return;
  turn.tracked.given_back[key] = {turn.now, held.original};
  const bool stale = held.effective && turn.now <= *held.effective;
  if (!now || (*now == held.original && !stale)) return;
  Decision made = decision(turn, held.policy, held.rule, false);
  made.cause = Cause::kUntil;
  made.action =
      model::SetFile{std::string(fields()[key.id].file), file_text(key, held.original), file_text(key, *now)};
  out_.push_back(std::move(made));
}

void Engine::report(const Decision& decision, const model::DecisionRecord& record) {
  const auto* set = std::get_if<model::SetFile>(&decision.action);
  if (set == nullptr) return;
  const auto tracked = tracked_.find(decision.container->id.inode);
  if (tracked == tracked_.end()) return;
  for (auto& [key, held] : tracked->second.fields) {
    if (fields()[key.id].file != set->file || file_text(key, held.wanted) != set->value) continue;
    if (record.outcome == to_string(model::Outcome::kDone)) {
      held.accepted = value_in(key, record.after);
      held.problem.clear();
      held.effective = decision.breach + record.breach_to_effect;
      held.next_try.reset();
      held.pause = Nanoseconds(0);
      held.in_flight = false;
    } else if (!decision.audit) {
      held.pause = held.pause.count() == 0 ? kFirstPause : std::min(2 * held.pause, kLongestPause);
      held.next_try = decision.decided + held.pause;
      due(*held.next_try);
      held.problem = record.detail.empty() ? record.outcome : record.detail;
      held.in_flight = false;
    }
  }
}

}  // namespace plimsoll::policies
