#include "policies/checks.h"

#include <algorithm>

namespace plimsoll::policies {
namespace {

const LimitValue* limit_of(const std::vector<LimitValue>& limits, std::string_view name) {
  const auto found = std::ranges::find_if(
      limits, [&](const LimitValue& limit) { return fields()[limit.field].name == name; });
  return found == limits.end() ? nullptr : &*found;
}

bool selects_alike(const Selector& a, const Selector& b) {
  // Selections are taken as overlapping unless one label key asks for different fixed values.
  for (const auto& [key, globs] : a.labels) {
    const auto other = b.labels.find(key);
    if (other == b.labels.end()) continue;
    const bool meet = std::ranges::any_of(globs, [&](const Glob& one) {
      return std::ranges::any_of(other->second, [&](const Glob& two) {
        return one.matches(two.pattern()) || two.matches(one.pattern());
      });
    });
    if (!meet) return false;
  }
  return true;
}

void check_change(const Policy& policy, const SetStep& set, Diagnostics& out) {
  const FieldInfo& field = fields()[set.field];
  const std::string name(field.name);
  const LimitValue* base = limit_of(policy.limits, name);
  const auto number = base == nullptr ? std::nullopt : number_of(field, base->text);
  const std::string bound = *set.change > 0 ? "'up to " : "'down to ";
  if (base != nullptr && !number) {
    out.error(set.place, "set." + name + ": a share of what there is, but spec.limits sets it to max");
  } else if (base == nullptr) {
    out.warning(set.place, "set." + name +
                               ": a share of what there is; refused for a container that has no " + name +
                               ", expected it in spec.limits too");
  }
  if (!set.bound) {
    out.warning(set.place, "set." + name +
                               ": a change without a bound goes on each time the rule fires, expected " +
                               bound + std::string(example(unit_of(field))) + "'");
  } else if (number && (*set.change > 0 ? *set.bound <= *number : *set.bound >= *number)) {
    out.error(set.place,
              "set." + name + ": the bound is passed already by spec.limits, so that nothing would change");
  }
}

}  // namespace

void check_limits(const std::vector<LimitValue>& limits, Diagnostics& out) {
  const LimitValue* idle = limit_of(limits, "cpu.idle");
  const LimitValue* weight = limit_of(limits, "cpu.weight");
  if (idle != nullptr && idle->text == "1" && weight != nullptr) {
    out.error(weight->place,
              "spec.limits.cpu.weight: an idle cgroup has no weight, expected cpu.idle or cpu.weight");
  }
  const LimitValue* burst = limit_of(limits, "cpu.burst");
  const LimitValue* max = limit_of(limits, "cpu.max");
  if (burst == nullptr || max == nullptr) return;
  const auto quota = quota_of(max->text);
  const auto saved = number_of(fields()[burst->field], burst->text);
  if (quota && saved && *saved > *quota) {
    out.error(burst->place,
              "spec.limits.cpu.burst: more than the quota of cpu.max in one period, expected at most " +
                  format_quantity(*quota, Unit::kSeconds));
  }
}

void check_changes(const Policy& policy, const Rule& rule, Diagnostics& out) {
  for (const Step& step : rule.then) {
    const auto* set = std::get_if<SetStep>(&step);
    if (set != nullptr && set->change) check_change(policy, *set, out);
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

void warn_of_ties(const std::vector<Policy>& policies, std::vector<Diagnostic>& out) {
  for (std::size_t i = 0; i < policies.size(); ++i) {
    for (std::size_t j = i + 1; j < policies.size(); ++j) {
      const Policy& a = policies[i];
      const Policy& b = policies[j];
      if (a.priority != b.priority || a.host || b.host || !selects_alike(a.select, b.select)) continue;
      for (const LimitValue& limit : a.limits) {
        const auto twin = std::ranges::find_if(b.limits, [&](const LimitValue& other) {
          return other.field == limit.field && other.device == limit.device;
        });
        if (twin == b.limits.end() || twin->text == limit.text) continue;
        out.push_back({b.file, twin->place,
                       "policies '" + a.name + "' and '" + b.name + "' have the same priority and both set " +
                           std::string(fields()[limit.field].name) + "; '" + std::min(a.name, b.name) +
                           "' wins where both select a container",
                       true});
      }
    }
  }
}

}  // namespace plimsoll::policies
