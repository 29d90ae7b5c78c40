#include "policies/missing_probes.h"

#include <algorithm>
#include <set>

namespace plimsoll::policies {
namespace {

// Of its conditions, its values and the choice of its victim.
std::set<SignalId> signals_of(const Rule& rule) {
  std::set<SignalId> read;
  const auto add = [&](const Expression& one) { read.insert(one.signals().begin(), one.signals().end()); };
  add(rule.when);
  if (rule.until) add(*rule.until);
  for (const Step& step : rule.then) {
    if (const Expression* value = expression_of(step)) add(*value);
    if (const Victim* whom = victim_of(step)) read.insert(whom->by);
  }
  return read;
}

// Empty: it is up.
std::string why_down(std::string_view probe, const std::vector<model::ProbeState>& states) {
  if (states.empty()) return "the agent was told to do without all probes";
  const auto found = std::ranges::find(states, probe, &model::ProbeState::name);
  if (found == states.end()) return "this agent has no such probe";
  return found->up ? "" : found->why;
}

}  // namespace

void add_missing_probes(const Rule& rule, const model::Snapshot* snapshot, std::vector<MissingProbe>& told) {
  if (snapshot == nullptr) return;
  for (const SignalId id : signals_of(rule)) {
    const SignalInfo& signal = signals()[id];
    if (signal.probe.empty()) continue;
    const std::string why = why_down(signal.probe, snapshot->probes);
    if (why.empty()) continue;
    auto one = std::ranges::find(told, signal.probe, &MissingProbe::probe);
    if (one == told.end()) one = told.insert(told.end(), {std::string(signal.probe), why, {}});
    if (std::ranges::find(one->signals, signal.name) == one->signals.end())
      one->signals.emplace_back(signal.name);
  }
}

}  // namespace plimsoll::policies
