#include "policies/checks.h"

#include <algorithm>
#include <array>

#include "policies/reasoning.h"
#include "policies/spelling.h"
#include "policies/step_parser.h"

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

constexpr std::array<std::string_view, 3> kWithinMax = {"memory.high", "memory.low", "memory.min"};

void check_memory(const std::vector<LimitValue>& limits, Diagnostics& out) {
  const auto bytes = [&](std::string_view name) {
    const LimitValue* limit = limit_of(limits, name);
    return limit == nullptr ? std::nullopt : number_of(fields()[limit->field], limit->text);
  };
  const auto what = [](std::string_view name) { return "spec.limits." + std::string(name) + ": "; };
  const auto max = bytes("memory.max");
  if (max == 0.0) {
    out.error(limit_of(limits, "memory.max")->place,
              what("memory.max") + "nothing runs in no memory at all, expected bytes such as 256MiB, or max");
  }
  for (const std::string_view name : kWithinMax) {
    const auto value = bytes(name);
    if (!value || !max || *max == 0 || *value <= *max) continue;
    out.error(limit_of(limits, name)->place,
              what(name) + "above memory.max, expected at most " + format_quantity(*max, Unit::kBytes));
  }
  const auto low = bytes("memory.low"), min = bytes("memory.min");
  if (low && min && *low < *min) {
    out.warning(limit_of(limits, "memory.low")->place,
                what("memory.low") + "below memory.min, which protects that much already");
  }
}

// A number that a `set` writes whatever happens; nullopt where it depends on signals, or is max.
std::optional<double> constant_of_step(const SetStep& set) {
  return set.value ? constant_of(*set.value) : std::nullopt;
}

bool changes(const Rule& rule, std::string_view field) {
  return std::ranges::any_of(rule.then, [&](const Step& step) {
    const auto* set = std::get_if<SetStep>(&step);
    return set != nullptr && fields()[set->field].name == field;
  });
}

std::optional<double> lasting_memory_max(const Policy& policy) {
  const LimitValue* max = limit_of(policy.limits, "memory.max");
  if (max == nullptr) return std::nullopt;
  const auto changed = [](const Rule& rule) { return changes(rule, "memory.max"); };
  if (std::ranges::any_of(policy.rules, changed)) return std::nullopt;
  return number_of(fields()[max->field], max->text);
}

// high, low and min against memory.max: `most`, where it is known and no rule changes it.
void check_below_max(const SetStep& set, std::optional<double> most, Diagnostics& out) {
  const FieldInfo& field = fields()[set.field];
  if (!set.value || std::ranges::find(kWithinMax, field.name) == kWithinMax.end()) return;
  const std::string what = "set." + std::string(field.name) + ": above memory.max, expected at most ";
  if (const auto share = multiple_of(*set.value, "memory.max"); share && *share > 1) {
    return out.error(set.place, what + "100% of it");
  }
  const auto value = constant_of_step(set);
  if (most && value && *value > *most) {
    out.error(set.place, what + format_quantity(*most, Unit::kBytes));
  }
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
  check_memory(limits, out);
  const LimitValue* burst = limit_of(limits, "cpu.burst");
  const LimitValue* max = limit_of(limits, "cpu.max");
  if (burst == nullptr || max == nullptr) return;
  if (!quota_of(max->text) && burst->text != "0") {
    out.warning(burst->place,
                "spec.limits.cpu.burst: without a quota in cpu.max there is nothing to save up");
  }
  const auto quota = quota_of(max->text);
  const auto saved = number_of(fields()[burst->field], burst->text);
  if (quota && saved && *saved > *quota) {
    out.error(burst->place,
              "spec.limits.cpu.burst: more than the quota of cpu.max in one period, expected at most " +
                  format_quantity(*quota, Unit::kSeconds));
  }
}

void check_ends(const Policy& policy, Diagnostics& out) {
  for (const Rule& rule : policy.rules) {
    for (const Step& step : rule.then) {
      const auto* end = std::get_if<EndStep>(&step);
      if (end == nullptr) continue;
      const auto& runtimes = end->victim ? end->victim->among.runtimes : policy.select.runtimes;
      const auto own = std::ranges::find(runtimes, model::Runtime::kPlimsoll);
      const auto other =
          std::ranges::find_if(runtimes, [](model::Runtime one) { return one != model::Runtime::kPlimsoll; });
      if (other == runtimes.end()) continue;
      const std::string what = end->restart ? "restart" : "stop";
      const std::string said = what + ": only for Plimsoll's own containers, and this selects those of " +
                               std::string(to_string(*other));
      own == runtimes.end() ? out.error(end->place, said + ", expected 'kill'")
                            : out.warning(end->place, said + " too, for which it is refused");
    }
  }
}

void check_sets(const Policy& policy, const HostCpus* host, Diagnostics& out) {
  const auto most = lasting_memory_max(policy);
  for (const Rule& rule : policy.rules) {
    for (const Step& step : rule.then) {
      const auto* set = std::get_if<SetStep>(&step);
      if (set == nullptr) continue;
      if (set->change) check_change(policy, *set, out);
      check_below_max(*set, most, out);
      const FieldInfo& field = fields()[set->field];
      const auto value = constant_of_step(*set);
      const std::string wanted = value ? wanted_of_number(field, *value, host) : "";
      if (wanted.empty()) continue;
      out.error(set->place, "set." + std::string(field.name) + ": expected " + wanted + ", got " +
                                policies::quoted(set->value->text()));
    }
  }
}

namespace {

// The fields that its rules write, and the resources that it sizes, with where each stands.
std::map<std::string, Place> written_by(const Policy& policy) {
  std::map<std::string, Place> out;
  for (const Rule& rule : policy.rules) {
    for (const Step& step : rule.then) {
      if (const auto* set = std::get_if<SetStep>(&step))
        out.emplace("rules that set " + std::string(fields()[set->field].name), set->place);
    }
  }
  if (policy.size_cpu) out.emplace("autosize.cpu", policy.size_cpu->place);
  if (policy.size_memory) out.emplace("autosize.memory", policy.size_memory->place);
  return out;
}

void tie(const Policy& a, const Policy& b, const std::string& both, Place place,
         std::vector<Diagnostic>& out) {
  out.push_back({b.file, place,
                 "policies '" + a.name + "' and '" + b.name + "' have the same priority and both " + both +
                     "; '" + std::min(a.name, b.name) + "' wins where both select a container",
                 true});
}

}  // namespace

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
        tie(a, b, "set " + std::string(fields()[limit.field].name), twin->place, out);
      }
      const auto of_a = written_by(a);
      for (const auto& [what, place] : written_by(b)) {
        if (of_a.contains(what)) tie(a, b, "have " + what, place, out);
      }
    }
  }
}

}  // namespace plimsoll::policies
