#include "policies/rule_checks.h"

#include <algorithm>
#include <array>

#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

constexpr std::array<std::string_view, 3> kEnds = {"kill", "stop", "restart"};
// What still has a meaning when the container is gone, or is about to be: a frozen one does not see a TERM.
constexpr std::array<std::string_view, 3> kAfterEnd = {"notify", "wait", "thaw"};

std::string_view action_of(const YamlNode& step) {
  if (step.kind == YamlNode::Kind::kMap && step.keys.size() == 1) return step.keys[0].text;
  return step.kind == YamlNode::Kind::kScalar ? std::string_view(step.text) : "";
}

bool is_in(std::string_view word, std::span<const std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

bool has(const YamlNode& then, std::string_view action) {
  return std::ranges::any_of(then.items, [&](const YamlNode& step) { return action_of(step) == action; });
}

}  // namespace

void check_ladder(const YamlNode& then, const ParseContext& context) {
  if (then.kind != YamlNode::Kind::kList || then.items.empty()) return;
  const auto waits = [](const YamlNode& step) { return action_of(step) == "wait"; };
  if (std::ranges::all_of(then.items, waits)) {
    return context.out.error(then.place, "then: only waits, expected an action such as notify behind them");
  }
  if (waits(then.items.back())) {
    context.out.warning(then.items.back().place, "wait: nothing stands behind it that it would put off");
  }
  // The victim of a HostPolicy is gone, the host is not.
  if (context.host) return;
  std::string_view end;
  for (const YamlNode& step : then.items) {
    const std::string_view action = action_of(step);
    if (!end.empty() && !is_in(action, kAfterEnd)) {
      return context.out.error(step.place, std::string(action) + ": never reached, as the " +
                                               std::string(end) + " before it ends the container, expected " +
                                               one_of(kAfterEnd) + " behind it");
    }
    if (is_in(action, kEnds)) end = action;
  }
}

void check_thaws(const std::vector<const YamlNode*>& ladders, const ParseContext& context) {
  if (std::ranges::any_of(ladders, [](const YamlNode* then) { return has(*then, "freeze"); })) return;
  for (const YamlNode* then : ladders) {
    for (const YamlNode& step : then->items) {
      if (action_of(step) != "thaw") continue;
      context.out.error(step.place, "thaw: nothing in this policy freezes, expected a 'freeze' before it");
    }
  }
}

void check_freezes(const Rule& rule, Diagnostics& out) {
  if (rule.until) return;
  const FreezeStep* open = nullptr;
  for (const Step& step : rule.then) {
    const auto* freeze = std::get_if<FreezeStep>(&step);
    if (freeze != nullptr && !freeze->duration) open = freeze;
    if (std::holds_alternative<ThawStep>(step)) open = nullptr;
  }
  if (open == nullptr) return;
  out.error(
      open->place,
      "freeze: nothing ends it, expected a duration such as 'freeze: 10s', a later 'thaw' or the rule's "
      "'until'");
}

}  // namespace plimsoll::policies
