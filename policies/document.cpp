#include "policies/document.h"

#include <algorithm>
#include <set>

#include "policies/grammar.h"

namespace plimsoll::policies {

std::string_view to_string(Mode mode) { return mode_words()[static_cast<std::size_t>(mode)]; }

std::string_view to_string(SizeMode mode) { return size_mode_words()[static_cast<std::size_t>(mode)]; }

const Victim* victim_of(const Step& step) {
  const std::optional<Victim>* victim = nullptr;
  if (const auto* kill = std::get_if<KillStep>(&step)) victim = &kill->victim;
  if (const auto* end = std::get_if<EndStep>(&step)) victim = &end->victim;
  return victim != nullptr && victim->has_value() ? &**victim : nullptr;
}

const Expression* expression_of(const Step& step) {
  if (const auto* less = std::get_if<ReclaimStep>(&step)) return &less->amount;
  const auto* set = std::get_if<SetStep>(&step);
  return set != nullptr && set->value ? &*set->value : nullptr;
}

bool guards_memory(const PolicySet& set) {
  const auto reads = [](const Rule& rule) {
    return std::ranges::any_of(rule.when.signals(), [](SignalId id) {
      return signals()[id].name == "host.memory.available" || signals()[id].name == "host.memory.free";
    });
  };
  return std::ranges::any_of(set.policies, [&](const Policy& policy) {
    return policy.host && policy.mode != Mode::kOff && std::ranges::any_of(policy.rules, reads);
  });
}

std::vector<std::string> devices_of(const PolicySet& set) {
  std::set<std::string> devices;
  for (const Policy& policy : set.policies) {
    for (const LimitValue& limit : policy.limits) {
      if (!limit.device.empty()) devices.insert(limit.device);
    }
  }
  return {devices.begin(), devices.end()};
}

}  // namespace plimsoll::policies
