// Notifications: what targets are told, and that it is over.
#include <algorithm>

#include "policies/engine_turn.h"

namespace plimsoll::policies {

using model::Decision;

void Engine::notify(const Turn& turn, RuleRun& run, const NotifyStep& step, Decision made) {
  model::Notify notify{.text = filled(turn, step.text), .severity = step.severity};
  for (const TargetName& target : step.to) notify.to.push_back(target.name);
  if (!step.to.empty()) {
    std::vector<std::string> everyone = run.told ? std::move(run.told->last.to) : std::vector<std::string>();
    for (const std::string& name : notify.to) {
      if (std::ranges::find(everyone, name) == everyone.end()) everyone.push_back(name);
    }
    run.told = Told{turn.ref, notify, run.seen, made.audit};
    run.told->last.to = std::move(everyone);
  }
  made.action = std::move(notify);
  out_.push_back(std::move(made));
}

void Engine::end_told(const RuleKey& key, const RuleRun& run) {
  if (run.told) ended_.emplace_back(key, *run.told);
}

void Engine::end_told(const Tracked& tracked) {
  for (const auto& [key, run] : tracked.rules) end_told(key, run);
}

// The container may be gone, and the policy with its rule: what was told is all that there is.
void Engine::tell_ended(const model::Snapshot& snapshot) {
  for (auto& [key, told] : ended_) {
    told.last.resolved = true;
    Decision made;
    made.container = std::move(told.ref);
    made.policy = key.policy;
    made.rule = key.rule;
    made.cause = model::Cause::kUntil;
    made.audit = told.audit;
    made.action = std::move(told.last);
    made.seen = std::move(told.seen);
    made.breach = made.decided = snapshot.boot;
    out_.push_back(std::move(made));
  }
  ended_.clear();
}

std::set<Engine::Alert> Engine::alerts() const {
  std::set<Alert> alerts;
  const auto add = [&](const Tracked& tracked) {
    for (const auto& [key, run] : tracked.rules) {
      if (run.told && !run.told->audit) alerts.insert({key.policy, key.rule, run.told->ref->cgroup});
    }
  };
  for (const auto& [inode, tracked] : tracked_) add(tracked);
  add(host_);
  return alerts;
}

}  // namespace plimsoll::policies
