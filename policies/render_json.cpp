// The same facts as render_text.cpp, for programs. Durations are nanoseconds, as in decisions.
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "policies/render.h"

namespace plimsoll::policies {
namespace {

using nlohmann::ordered_json;

ordered_json nanoseconds(const std::optional<Nanoseconds>& time) {
  return time ? ordered_json(time->count()) : ordered_json(nullptr);
}

ordered_json condition(const ConditionState& state) {
  ordered_json comparisons = ordered_json::array();
  for (const ComparisonState& one : state.comparisons) {
    comparisons.push_back({{"text", one.text},
                           {"left", one.left},
                           {"operator", one.op},
                           {"right", one.right},
                           {"truth", to_string(one.truth)},
                           {"why_unknown", one.why_unknown}});
  }
  ordered_json holds = ordered_json::array();
  for (const HoldState& one : state.holds) {
    holds.push_back(
        {{"text", one.text}, {"needed_ns", one.needed.count()}, {"held_ns", nanoseconds(one.held)}});
  }
  return {{"text", state.text},
          {"truth", to_string(state.truth)},
          {"why_unknown", state.why_unknown},
          {"comparisons", std::move(comparisons)},
          {"holds", std::move(holds)}};
}

ordered_json rule(const RuleState& state) {
  return {{"policy", state.policy},
          {"rule", state.rule},
          {"audit", state.audit},
          {"phase", to_string(state.phase)},
          {"when", condition(state.when)},
          {"until", state.until ? condition(*state.until) : ordered_json(nullptr)},
          {"active", state.active},
          {"step", state.step},
          {"steps", state.steps},
          {"notifies", state.notifies},
          {"told", state.told},
          {"wait_left_ns", nanoseconds(state.wait_left)},
          {"cooldown_left_ns", state.cooldown_left.count()},
          {"fired_ago_ns", nanoseconds(state.fired_ago)},
          {"seen", state.seen}};
}

ordered_json field(const FieldState& state) {
  ordered_json overruled = ordered_json::array();
  for (const FieldState::Overruled& one : state.overruled) {
    overruled.push_back({{"policy", one.policy}, {"rule", one.rule}, {"wanted", one.wanted}});
  }
  return {{"field", state.field},
          {"device", state.device},
          {"now", state.now},
          {"wanted", state.wanted},
          {"original", state.original},
          {"policy", state.policy},
          {"rule", state.rule},
          {"audit", state.audit},
          {"held", state.held},
          {"problem", state.problem},
          {"retry_in_ns", state.retry_in.count()},
          {"overruled", std::move(overruled)}};
}

ordered_json policy(const PolicyState& state) {
  return {{"name", state.name},         {"kind", state.host ? "HostPolicy" : "Policy"},
          {"file", state.file},         {"line", state.place.line},
          {"priority", state.priority}, {"mode", to_string(state.mode)},
          {"applies", state.applies},   {"why_not", state.why_not}};
}

ordered_json missing_probe(const MissingProbe& one) {
  return {{"probe", one.probe}, {"why", one.why}, {"signals", one.signals}};
}

ordered_json diagnostic(const Diagnostic& one) {
  return {{"file", one.file},
          {"line", one.place.line},
          {"column", one.place.column},
          {"severity", one.warning ? "warning" : "error"},
          {"message", one.message}};
}

template <typename Range, typename Make>
ordered_json list(const Range& range, Make make) {
  ordered_json out = ordered_json::array();
  for (const auto& one : range) out.push_back(make(one));
  return out;
}

}  // namespace

std::string explain_json(const Explanation& told) {
  return json_text(ordered_json{{"container", told.container},
                                {"container_id", told.container_id},
                                {"cgroup", told.cgroup},
                                {"known", told.known},
                                {"untouchable", told.untouchable},
                                {"paused", told.paused},
                                {"thaw_in_ns", nanoseconds(told.thaw_in)},
                                {"frozen_by", told.frozen_by},
                                {"missing_probes", list(told.missing_probes, missing_probe)},
                                {"policies", list(told.policies, policy)},
                                {"limits", list(told.fields, field)},
                                {"rules", list(told.rules, rule)}});
}

std::string list_json(std::span<const PolicySummary> policies) {
  return json_text(list(policies, [](const PolicySummary& one) -> ordered_json {
    return {{"name", one.name},         {"kind", one.kind},
            {"mode", one.mode},         {"priority", one.priority},
            {"selected", one.selected}, {"limits", one.limits},
            {"rules", one.rules},       {"file", one.file},
            {"line", one.place.line},   {"description", one.description}};
  }));
}

std::string targets_json(const PolicySet& set) {
  return json_text(list(set.targets, [](const Target& one) -> ordered_json {
    return {{"name", one.sends.name}, {"kind", kind_of(one.sends)}, {"where", model::origins_of(one.sends)},
            {"file", one.file},       {"line", one.place.line},     {"description", one.description}};
  }));
}

std::string diagnostics_json(std::span<const Diagnostic> diagnostics) {
  return json_text(list(diagnostics, diagnostic));
}

std::string check_json(const LoadOutcome& outcome) {
  const std::size_t errors = count_errors(outcome.diagnostics);
  return json_text(ordered_json{{"good", outcome.good()},
                                {"errors", errors},
                                {"warnings", outcome.diagnostics.size() - errors},
                                {"policies", outcome.set ? outcome.set->policies.size() : 0},
                                {"targets", outcome.set ? outcome.set->targets.size() : 0},
                                {"diagnostics", list(outcome.diagnostics, diagnostic)}});
}

}  // namespace plimsoll::policies
