// Freezes: one a rule. What is decided is forgotten when it is reported, not before: an agent that is killed
// in between must not leave a container frozen.
#include <algorithm>

#include "policies/engine_turn.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;

// A container that stays frozen is worse than a limit that stays: tried again sooner.
constexpr Nanoseconds kFirstThawPause = 1s;
constexpr Nanoseconds kLongestThawPause = 1min;

}  // namespace

using model::Cause;
using model::Decision;

void Engine::freeze(Turn& turn, const FreezeStep& step, Decision made) {
  made.action = model::Freeze{step.duration};
  Tracked& tracked = turn.tracked;
  if (!made.audit) tracked.thawing.reset();
  if (!made.audit || !step.duration) {
    const auto end = step.duration ? std::optional(turn.now + *step.duration) : std::nullopt;
    tracked.freezes[{made.policy, made.rule}] = {end, made.audit};
  }
  out_.push_back(std::move(made));
}

// Ends what `rule` froze; `made` says why.
void Engine::thaw(Turn& turn, const RuleKey& rule, Decision made) {
  Tracked& tracked = turn.tracked;
  tracked.freezes.erase(rule);
  made.action = model::Thaw{};
  if (!made.audit) {
    const bool others =
        std::ranges::any_of(tracked.freezes, [](const auto& one) { return !one.second.audit; });
    if (others) return;
    tracked.thawing = Thawing{made.policy, made.rule, true, std::nullopt, Nanoseconds(0)};
  }
  out_.push_back(std::move(made));
}

// Also while paused: a pause must not leave a container frozen for longer than its rule said.
void Engine::thaw_when_due(Turn& turn) {
  const auto made_by = [&](const std::string& policy, const std::string& rule, bool audit) {
    Decision made = decision(turn, policy, rule, audit);
    made.cause = Cause::kUntil;
    made.action = model::Thaw{};
    return made;
  };
  std::vector<std::pair<RuleKey, bool>> over;
  for (const auto& [rule, freezing] : turn.tracked.freezes) {
    if (!freezing.thaw_at) continue;
    if (turn.now < *freezing.thaw_at) {
      due(*freezing.thaw_at);
    } else {
      over.emplace_back(rule, freezing.audit);
    }
  }
  for (const auto& [rule, audit] : over) thaw(turn, rule, made_by(rule.policy, rule.rule, audit));
  auto& thawing = turn.tracked.thawing;
  if (!thawing || thawing->in_flight) return;
  if (thawing->next_try && turn.now < *thawing->next_try) return due(*thawing->next_try);
  thawing->in_flight = true;
  out_.push_back(made_by(thawing->policy, thawing->rule, false));
}

void Engine::report_thaw(const Decision& decision, const model::DecisionRecord& record, Tracked& tracked) {
  auto& thawing = tracked.thawing;
  if (!thawing || decision.audit) return;
  if (record.outcome == to_string(model::Outcome::kDone) ||
      record.outcome == to_string(model::Outcome::kVanished)) {
    return thawing.reset();
  }
  thawing->pause =
      thawing->pause.count() == 0 ? kFirstThawPause : std::min(2 * thawing->pause, kLongestThawPause);
  thawing->next_try = decision.decided + thawing->pause;
  thawing->in_flight = false;
  due(*thawing->next_try);
}

}  // namespace plimsoll::policies
