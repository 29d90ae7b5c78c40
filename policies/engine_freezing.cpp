// Freezes: one a rule. What was decided is forgotten when it is reported, not before: an agent that is killed
// in between must not leave a container frozen.
#include <algorithm>

#include "policies/engine_turn.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;

// A container that stays frozen is worse than a limit that stays: tried again sooner.
constexpr Nanoseconds kFirstThawPause = 1s;
constexpr Nanoseconds kLongestThawPause = 1min;
constexpr unsigned kMostThaws = 30;  // in some 25 minutes

}  // namespace

using model::Cause;
using model::Decision;

void Engine::freeze(Turn& turn, RuleRun& run, const FreezeStep& step, Decision made) {
  made.action = model::Freeze{step.duration};
  if (made.audit) {
    run.told_freeze = !step.duration.has_value();
  } else {
    turn.tracked.thawing.reset();
    turn.tracked.freezes[{made.policy, made.rule}] =
        step.duration ? std::optional(turn.now + *step.duration) : std::nullopt;
  }
  out_.push_back(std::move(made));
}

// Ends what `rule` froze; `made` says why.
void Engine::thaw(Turn& turn, const RuleKey& rule, Decision made) {
  made.action = model::Thaw{};
  if (!made.audit) {
    turn.tracked.freezes.erase(rule);
    if (!turn.tracked.freezes.empty()) return;
    turn.tracked.thawing = Thawing{.policy = made.policy, .rule = made.rule};
  }
  out_.push_back(std::move(made));
}

// The rule is over, and with it a freeze that has no end of its own.
void Engine::end_freeze(Turn& turn, const RuleKey& rule, RuleRun& run, bool audit) {
  const auto frozen = turn.tracked.freezes.find(rule);
  const bool open = frozen != turn.tracked.freezes.end() && !frozen->second;
  if (!(audit ? run.told_freeze : open)) return;
  run.told_freeze = false;
  Decision made = decision(turn, rule.policy, rule.rule, audit);
  made.cause = Cause::kUntil;
  thaw(turn, rule, std::move(made));
}

// Also while paused: a pause must not leave a container frozen for longer than its rule said.
void Engine::thaw_when_due(Turn& turn) {
  const auto made_by = [&](const std::string& policy, const std::string& rule) {
    Decision made = decision(turn, policy, rule, false);
    made.cause = Cause::kUntil;
    made.action = model::Thaw{};
    return made;
  };
  std::vector<RuleKey> over;
  for (const auto& [rule, end] : turn.tracked.freezes) {
    if (end && turn.now >= *end) over.push_back(rule);
    if (end && turn.now < *end) due(*end);
  }
  for (const RuleKey& rule : over) thaw(turn, rule, made_by(rule.policy, rule.rule));
  auto& thawing = turn.tracked.thawing;
  if (!thawing || thawing->in_flight || thawing->tries >= kMostThaws) return;
  if (thawing->next_try && turn.now < *thawing->next_try) return due(*thawing->next_try);
  thawing->in_flight = true;
  out_.push_back(made_by(thawing->policy, thawing->rule));
}

bool Engine::report_thaw(const Decision& decision, const model::DecisionRecord& record, Tracked& tracked) {
  auto& thawing = tracked.thawing;
  if (!thawing || decision.audit) return false;
  if (record.outcome == to_string(model::Outcome::kDone) ||
      record.outcome == to_string(model::Outcome::kVanished)) {
    thawing.reset();
    return false;
  }
  thawing->pause =
      thawing->pause.count() == 0 ? kFirstThawPause : std::min(2 * thawing->pause, kLongestThawPause);
  thawing->next_try = decision.decided + thawing->pause;
  thawing->in_flight = false;
  if (++thawing->tries >= kMostThaws) return true;
  due(*thawing->next_try);
  return false;
}

}  // namespace plimsoll::policies
