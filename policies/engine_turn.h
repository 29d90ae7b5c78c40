// Private to the engine's sources: what one evaluation of one container works on.
#pragma once

#include <set>

#include "policies/engine.h"

namespace plimsoll::policies {

// What expressions read of one container.
class Engine::View final : public SignalSource {
 public:
  View(const SignalInputs& inputs, const History& own, const History& host)
      : inputs_(inputs), own_(own), host_(host) {}
  Reading value(SignalId signal) const override {
    if (inputs_.sample == nullptr && !signals()[signal].host) return {0, Unknown::kNotThere, signal};
    return read_signal(signal, inputs_);
  }
  Reading window(Function function, SignalId signal, Nanoseconds length) const override {
    return (signals()[signal].host ? host_ : own_).window(function, signal, length);
  }

 private:
  const SignalInputs& inputs_;
  const History& own_;
  const History& host_;
};

struct Engine::Turn {
  Tracked& tracked;
  std::shared_ptr<const model::ContainerRef> ref;
  const model::Sample* sample;  // null: the host
  const model::Snapshot& snapshot;
  BootTime now;  // when the values were sampled: timers run by it
  const View& view;
  std::set<FieldKey> released;  // by an `until` in this turn
};

template <typename Visit>
void Engine::each_wish(const Tracked& tracked, Visit visit) const {
  for (const Policy* policy : tracked.selected) {
    for (const SizeWish& size : tracked.size_wishes) {
      if (size.policy == policy) visit(Wish{*policy, nullptr, nullptr, &size, size.field, size.value});
    }
    for (const LimitValue& limit : policy->limits) {
      const auto disk = limit.device.empty() ? disks_.end() : disks_.find(limit.device);
      const bool known = disk != disks_.end() && !disk->second.number.empty();
      visit(Wish{*policy, nullptr, nullptr, nullptr,
                 FieldKey(limit.field, known ? disk->second.number : limit.device), limit.text});
    }
    for (const Rule& rule : policy->rules) {
      const auto run = tracked.rules.find(RuleName(*policy, rule));
      if (run == tracked.rules.end()) continue;
      for (const auto& [field, value] : run->second.overlay)
        visit(Wish{*policy, &rule, &run->second, nullptr, FieldKey(field), value});
    }
  }
}

// Equal for rules whose state may be kept: the same text in the same mode.
inline std::string state_key(const Policy& policy, const Rule& rule) {
  return std::string(to_string(policy.mode)) + " " + rule.fingerprint;
}

}  // namespace plimsoll::policies
