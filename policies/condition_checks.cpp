#include "policies/condition_checks.h"

#include <algorithm>
#include <cmath>

#include "policies/reasoning.h"
#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

// One condition of a rule, and how it is spoken of.
struct Condition {
  std::string what;  // "when" | "until"
  const Expression& expression;
  const YamlNode& node;
};

Place place_of(const Condition& one, std::size_t at, const ParseContext& context) {
  return place_in_scalar(context.source, one.node, at);
}

// "memory.pressure.full.10s is never above 100%".
std::string reach(const std::vector<SignalId>& read) {
  if (read.size() != 1) return "";
  const SignalInfo& signal = signals()[read[0]];
  const Interval range = range_of(signal);
  if (!std::isfinite(range.low)) return "";
  std::string out =
      ": " + std::string(signal.name) + " is never below " + format_quantity(range.low, signal.unit);
  if (std::isfinite(range.high))
    out +=
        (range.high_open ? ", and always below " : " or above ") + format_quantity(range.high, signal.unit);
  return out;
}

// Whether a comparison alone told all there is to tell.
bool check_comparisons(const Condition& one, const ParseContext& context) {
  bool told = false;
  for (const Reasoning::Comparison& part : Reasoning(one.expression).comparisons()) {
    if (part.holds == Holds::kSometimes) continue;
    const std::string said = one.what + ": " + policies::quoted(part.text);
    const Place place = place_of(one, part.at, context);
    told = true;
    const bool never = part.holds == Holds::kNever;
    if (part.signals.empty()) {
      context.out.error(place, said + (never ? " never holds" : " always holds") +
                                   ", expected a comparison with a signal such as memory.usage");
    } else if (never) {
      context.out.error(place, said + " can never hold" + reach(part.signals));
    } else {
      context.out.warning(place, said + " always holds" + reach(part.signals));
    }
  }
  return told;
}

void check_condition(const Condition& one, const ParseContext& context) {
  if (check_comparisons(one, context)) return;
  const Reasoning reasoning(one.expression);
  const Holds holds = reasoning.whole();
  if (holds == Holds::kNever) {
    const std::string signal = reasoning.contradiction();
    context.out.error(one.node.place,
                      one.what + ": can never hold: its parts contradict each other" +
                          (signal.empty() ? "" : " in what they ask of " + signal) +
                          (one.what == "until" ? ", so that what the rule set would stay for ever" : ""));
  } else if (holds == Holds::kAlways) {
    context.out.warning(one.node.place, one.what + ": always holds where its signals are known");
  }
}

void check_until(const Rule& rule, const Condition& until, const ParseContext& context) {
  const Reasoning when(rule.when), back(*rule.until);
  if (when.whole() != Holds::kSometimes || back.whole() != Holds::kSometimes) return;
  if (!back.follows_from(when)) return;
  if (rule.until->timers() == 0) {
    context.out.error(
        until.node.place,
        "until: holds whenever 'when' does, so that the rule would end as it begins, expected a "
        "condition that is false then, such as a lower line");
  } else {
    context.out.warning(until.node.place,
                        "until: holds whenever 'when' does, so that the rule ends while its reason lasts");
  }
}

// The field that a signal tells of: memory.swap.max is what `memory.swap` sets.
std::optional<FieldId> field_of(SignalId signal) {
  for (FieldId id = 0; id < fields().size(); ++id) {
    if (!fields()[id].per_device && fields()[id].file == signals()[signal].name) return id;
  }
  return std::nullopt;
}

bool sets(const Rule& rule, FieldId field) {
  return std::ranges::any_of(rule.then, [&](const Step& step) {
    const auto* set = std::get_if<SetStep>(&step);
    return set != nullptr && set->field == field && (set->value || set->change);
  });
}

// Whether this policy sees to it that the field has no value.
bool unlimited(const Policy& policy, FieldId field) {
  const bool max = std::ranges::any_of(policy.limits, [&](const LimitValue& limit) {
    return limit.field == field && limit.text == field_max_text(fields()[field]);
  });
  return max && std::ranges::none_of(policy.rules, [&](const Rule& rule) { return sets(rule, field); });
}

void check_unlimited(const Policy& policy, const Condition& one, const ParseContext& context) {
  for (const Reasoning::Comparison& part : Reasoning(one.expression).comparisons()) {
    for (const SignalId signal : part.signals) {
      const auto field = field_of(signal);
      if (!field || !fields()[*field].may_be_max || !unlimited(policy, *field)) continue;
      context.out.error(place_of(one, part.at, context),
                        one.what + ": " + policies::quoted(part.text) + " can never hold: " +
                            std::string(signals()[signal].name) + " has no value, as spec.limits sets " +
                            std::string(fields()[*field].name) + " to max");
    }
  }
}

}  // namespace

void check_conditions(const Rule& rule, const ConditionNodes& nodes, const ParseContext& context) {
  check_condition({"when", rule.when, *nodes.when}, context);
  if (!rule.until || nodes.until == nullptr) return;
  const Condition until{"until", *rule.until, *nodes.until};
  check_condition(until, context);
  check_until(rule, until, context);
}

void check_unlimited(const Policy& policy, const std::vector<ConditionNodes>& nodes,
                     const ParseContext& context) {
  for (std::size_t i = 0; i < policy.rules.size() && i < nodes.size(); ++i) {
    const Rule& rule = policy.rules[i];
    check_unlimited(policy, {"when", rule.when, *nodes[i].when}, context);
    if (rule.until && nodes[i].until != nullptr)
      check_unlimited(policy, {"until", *rule.until, *nodes[i].until}, context);
  }
}

}  // namespace plimsoll::policies
