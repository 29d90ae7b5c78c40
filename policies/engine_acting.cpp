// Steps that act once: freeze, kill, stop, restart, reclaim. One that did not do is tried again while its
// rule's condition holds, a little later each time, and given up after some tries: a rule never acts for ever
// on what does not obey.
#include <algorithm>

#include "policies/engine_turn.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;
using model::Decision;

constexpr unsigned kMostTries = 5;
constexpr Nanoseconds kFirstRetry = 1s;
// Between two firings of a rule whose actions are given up again and again.
constexpr Nanoseconds kLongestRest = 1h;
// Between two restarts of a container, by whatever policy: after each the double, while they come soon after
// one another.
constexpr Nanoseconds kFirstRestartGap = 10s, kLongestRestartGap = 5min, kRestartsForgotten = 10min;

Nanoseconds restart_gap(unsigned count) {
  return std::min(kLongestRestartGap, kFirstRestartGap * (1 << std::min(count - 1, 10U)));
}

// What comes of it is reported later.
bool lasts(const model::Action& action) {
  return std::holds_alternative<model::Stop>(action) || std::holds_alternative<model::Restart>(action);
}

bool ends_container(const model::Action& action) {
  return std::holds_alternative<model::Kill>(action) || lasts(action);
}

bool goes_to_a_step(const Decision& decision) {
  return decision.cause == model::Cause::kRule &&
         (ends_container(decision.action) || std::holds_alternative<model::Freeze>(decision.action) ||
          std::holds_alternative<model::ReclaimMemory>(decision.action));
}

}  // namespace

using model::Decision;

bool Engine::acts_once(const Step& step) {
  return std::holds_alternative<KillStep>(step) || std::holds_alternative<EndStep>(step) ||
         std::holds_alternative<ReclaimStep>(step);
}

Decision Engine::of_step(const Turn& turn, const Policy& policy, const Rule& rule, const RuleRun& run,
                         const Step& step) const {
  Decision made = decision(turn, policy.name, rule.name, policy.mode == Mode::kAudit);
  made.breach = run.breach;
  made.seen = run.seen;
  made.step = static_cast<std::size_t>(&step - rule.then.data());
  return made;
}

void Engine::act(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run, const Step& step) {
  Decision made = of_step(turn, policy, rule, run, step);
  if (const auto* kill = std::get_if<KillStep>(&step)) {
    made.action = model::Kill{kill->signal, kill->grace};
  } else if (const auto* end = std::get_if<EndStep>(&step)) {
    made.action = end->restart ? model::Action(model::Restart{end->grace}) : model::Stop{end->grace};
  } else if (const auto* less = std::get_if<ReclaimStep>(&step)) {
    const Reading amount = less->amount.evaluate(turn.view);
    constexpr double kMost = 9e18;  // more than there is, and a number still
    const double bytes = amount.known() ? std::clamp(amount.value, 0.0, kMost) : 0.0;
    made.action = model::ReclaimMemory{Bytes{static_cast<std::uint64_t>(bytes)}};
    if (!amount.known()) made.refusal = why_unknown(amount.unknown, amount.signal);
  }
  const Victim* whom = victim_of(step);
  const bool aimed = whom == nullptr || aim(turn, *whom, made);
  if (!made.audit) {
    RuleRun::Tried& tried = run.tries[made.step];
    tried.next.reset();
    tried.begun = false;
    if (aimed && ends_container(made.action)) tried.next = put_off(turn.now, made, made.refusal);
    tried.put_off = tried.next.has_value();
  }
  out_.push_back(std::move(made));
}

// The rate limit on what ends containers, and the pause between restarts of one: when it may be done, where
// it may not be now. Else it is counted as done.
std::optional<BootTime> Engine::put_off(BootTime now, const Decision& made, std::string& why) {
  const bool restart = std::holds_alternative<model::Restart>(made.action);
  std::erase_if(restarts_, [&](const auto& one) { return now - one.second.last >= kRestartsForgotten; });
  const auto known = restarts_.find(made.container->container_id);
  if (restart && known != restarts_.end()) {
    const BootTime next = known->second.last + restart_gap(known->second.count);
    if (now < next) {
      why = "restarted " + format_duration(now - known->second.last) + " ago; the next is due in " +
            format_duration(next - now);
      return next;
    }
  }
  while (!kills_.empty() && now - kills_.front() >= 1min) kills_.pop_front();
  if (kills_.size() >= options_.kills_a_minute) {
    why = "the host's limit of " + std::to_string(options_.kills_a_minute) + " kills a minute is reached";
    return kills_.front() + 1min;
  }
  kills_.push_back(now);
  if (restart) {
    Restarts& count = restarts_[made.container->container_id];
    ++count.count;
    count.last = now;
  }
  return std::nullopt;
}

void Engine::try_again(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run) {
  if (run.truth == Truth::kFalse) run.tries.clear();
  if (run.truth != Truth::kTrue) return;
  std::vector<std::size_t> due_now;
  for (const auto& [step, tried] : run.tries) {
    if (tried.next && turn.now >= *tried.next && step < rule.then.size()) due_now.push_back(step);
  }
  for (const std::size_t step : due_now) take_step(turn, policy, rule, run, rule.then[step]);
}

Reading Engine::value_of(const Turn& turn, const model::ContainerSample& one, SignalId signal) const {
  SignalInputs inputs{
      .ref = one.ref.get(), .sample = &one.sample, .host = &turn.snapshot.host, .wall = turn.snapshot.wall};
  if (const auto known = tracked_.find(one.ref->id.inode); known != tracked_.end()) {
    inputs.before = known->second.history.before();
    inputs.now = known->second.history.now();
  }
  return read_signal(signal, inputs);
}

const model::ContainerSample* Engine::choose_victim(const Turn& turn, const Victim& whom,
                                                    double& value) const {
  const model::ContainerSample* victim = nullptr;
  int best = 0;
  for (const model::ContainerSample& one : turn.snapshot.containers) {
    if (!whom.among.matches(*one.ref) || untouchable(one.ref->cgroup)) continue;
    // One that is emptied already has nothing more to give.
    if (one.sample.populated && !*one.sample.populated) continue;
    const Reading reading = value_of(turn, one, whom.by);
    if (!reading.known()) continue;
    const int rank = (whom.avoid && whom.avoid->covers(*one.ref) ? 0 : 2) +
                     (whom.prefer && whom.prefer->covers(*one.ref) ? 1 : 0);
    const bool better = whom.least ? reading.value < value : reading.value > value;
    if (victim != nullptr && (rank < best || (rank == best && !better))) continue;
    best = rank;
    value = reading.value;
    victim = &one;
  }
  return victim;
}

bool Engine::aim(const Turn& turn, const Victim& whom, Decision& made) const {
  double value = 0;
  const model::ContainerSample* victim = choose_victim(turn, whom, value);
  if (victim == nullptr) {
    made.refusal = "no container to choose as victim";
    return false;
  }
  made.container = victim->ref;
  made.seen.emplace_back(signals()[whom.by].name, format_quantity(value, signals()[whom.by].unit));
  return true;
}

Engine::RuleRun* Engine::run_of(const std::string& policy, const std::string& rule, Tracked* tracked) {
  const RuleKey key{policy, rule};
  if (const auto found = host_.rules.find(key); found != host_.rules.end()) return &found->second;
  if (tracked == nullptr) return nullptr;
  const auto found = tracked->rules.find(key);
  return found == tracked->rules.end() ? nullptr : &found->second;
}

std::optional<bool> Engine::report_act(const Decision& decision, const model::DecisionRecord& record,
                                       Tracked* tracked) {
  if (!goes_to_a_step(decision)) return std::nullopt;
  RuleRun* run = decision.audit ? nullptr : run_of(decision.policy, decision.rule, tracked);
  const bool done = record.outcome == to_string(model::Outcome::kDone);
  const bool settled = done || record.outcome == to_string(model::Outcome::kVanished);
  if (run != nullptr && done && lasts(decision.action)) {
    // It keeps its place among those that were tried, and how often: it has only begun.
    if (const auto tried = run->tries.find(decision.step); tried != run->tries.end())
      tried->second.begun = true;
    return false;
  }
  return run != nullptr && report_step(*run, decision.step, settled, decision.decided);
}

// True: it was the last try.
bool Engine::report_step(RuleRun& run, std::size_t step, bool done, BootTime at) {
  const auto entry = run.tries.find(step);
  if (done) {
    if (entry != run.tries.end()) run.tries.erase(entry);
    run.given_up = 0;
    return false;
  }
  if (entry == run.tries.end() && !run.active) return false;
  RuleRun::Tried& tried = entry != run.tries.end() ? entry->second : run.tries[step];
  tried.begun = false;
  if (tried.put_off) {
    due(*tried.next);
    return false;
  }
  if (++tried.times >= kMostTries) {
    run.tries.erase(step);
    ++run.given_up;
    return true;
  }
  tried.next = at + kFirstRetry * (1 << (tried.times - 1));
  due(*tried.next);
  return false;
}

bool Engine::report_later(const model::DecisionRecord& record, BootTime now) {
  const auto tracked = std::ranges::find_if(
      tracked_, [&](const auto& one) { return one.second.container_id == record.container_id; });
  RuleRun* run = run_of(record.policy, record.rule, tracked == tracked_.end() ? nullptr : &tracked->second);
  if (run == nullptr) return false;
  const bool done = record.outcome != to_string(model::Outcome::kFailed);
  // Which of the ladder's steps it was: the last of its kind that was taken.
  const auto policy = std::ranges::find(set_->policies, record.policy, &Policy::name);
  if (policy == set_->policies.end()) return false;
  const auto rule = std::ranges::find(policy->rules, record.rule, &Rule::name);
  if (rule == policy->rules.end()) return false;
  for (std::size_t step = std::min(run->step, rule->then.size()); step-- > 0;) {
    const auto* end = std::get_if<EndStep>(&rule->then[step]);
    if (end != nullptr && (end->restart ? "restart" : "stop") == record.action)
      return report_step(*run, step, done, now);
  }
  return false;
}

Nanoseconds Engine::rest_after(Nanoseconds cooldown, unsigned given_up) {
  return std::max(cooldown, std::min(kLongestRest, cooldown * (1 << std::min(given_up, 12U))));
}

}  // namespace plimsoll::policies
