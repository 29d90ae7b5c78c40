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

// In the order of the fields, as the kernel wants some written before others. Few: a search is a walk.
class Engine::Wishes {
 public:
  struct Entry {
    FieldKey field;
    Wanted want;
  };
  void clear() { entries_.clear(); }
  const Wanted* find(const FieldKey& field) const {
    const auto at = place(field);
    return at != entries_.end() && at->field == field ? &at->want : nullptr;
  }
  void put(const FieldKey& field, const Wanted& want) {
    const auto at = place(field);
    if (at != entries_.end() && at->field == field) {
      entries_[static_cast<std::size_t>(at - entries_.begin())].want = want;
    } else {
      entries_.insert(at, {field, want});
    }
  }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

 private:
  std::vector<Entry>::const_iterator place(const FieldKey& field) const {
    return std::ranges::lower_bound(entries_, field, {}, &Entry::field);
  }
  std::vector<Entry> entries_;
};

template <typename Visit>
void Engine::each_wish(const Tracked& tracked, Visit visit) const {
  auto run = tracked.runs.begin();
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
      const RuleRun& ran = **run++;
      for (const auto& [field, value] : ran.overlay)
        visit(Wish{*policy, &rule, &ran, nullptr, FieldKey(field), value});
    }
  }
}

// Equal for rules whose state may be kept: the same text in the same mode.
inline std::string state_key(const Policy& policy, const Rule& rule) {
  return std::string(to_string(policy.mode)) + " " + rule.fingerprint;
}

}  // namespace plimsoll::policies
