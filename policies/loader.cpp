// YAML files -> PolicySet. A set is taken as a whole: one error anywhere, and there is no set.
#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "policies/autosize_parser.h"
#include "policies/checks.h"
#include "policies/condition_checks.h"
#include "policies/document.h"
#include "policies/limits_parser.h"
#include "policies/map_reader.h"
#include "policies/rule_checks.h"
#include "policies/spelling.h"
#include "policies/step_parser.h"

namespace plimsoll::policies {
namespace {

using Kind = YamlNode::Kind;

std::optional<Rule> parse_rule(const YamlNode& node, const ParseContext& context) {
  MapReader reader(node, "a rule", context.out, context.host ? MapId::kHostRule : MapId::kRule);
  const std::string name = reader.text("name");
  if (name.empty()) context.out.error(node.place, "a rule: 'name' is missing");
  const YamlNode* when = reader.require("when");
  const YamlNode* then = reader.require("then");
  const YamlNode* until = reader.find("until");
  const YamlNode* cooldown = reader.find("cooldown");
  std::optional<Expression> condition, back;
  std::vector<Step> steps;
  std::optional<Nanoseconds> pause;
  if (when != nullptr) condition = parse_condition(*when, "when", context);
  if (until != nullptr) back = parse_condition(*until, "until", context);
  if (cooldown != nullptr) pause = parse_positive_duration(*cooldown, "cooldown", context);
  if (then != nullptr) {
    const std::size_t errors = context.out.errors();
    steps = parse_steps(*then, context);
    if (context.out.errors() == errors) check_ladder(*then, context);
  }
  reader.finish();
  if (!condition) return std::nullopt;
  return Rule{name, std::move(*condition), std::move(back), pause, std::move(steps), fingerprint(node)};
}

std::int64_t parse_priority(const YamlNode& node, const ParseContext& context) {
  constexpr double kMost = 1e6;
  const auto number = parse_number(node.text);
  if (number && *number == std::floor(*number) && std::abs(*number) <= kMost) {
    return static_cast<std::int64_t>(*number);
  }
  const bool whole = number && *number == std::floor(*number);
  context.out.error(node.place, "spec.priority: expected a whole number" +
                                    std::string(whole ? " from -1000000 to 1000000" : "") + ", got " +
                                    (node.kind == Kind::kScalar ? policies::quoted(node.text)
                                                                : std::string(kind_name(node.kind))));
  return 0;
}

// "hold", "yield" or "yield after 3".
Drift parse_drift(const YamlNode& node, const ParseContext& context) {
  constexpr std::string_view kAfter = "yield after ";
  constexpr unsigned kMost = 9999;
  if (node.text == "hold") return {};
  if (node.text == "yield") return {.yield_after = 0};
  const auto times =
      node.text.starts_with(kAfter) ? parse_number(node.text.substr(kAfter.size())) : std::nullopt;
  if (times && *times >= 1 && *times <= kMost && *times == std::floor(*times))
    return {.yield_after = static_cast<unsigned>(*times)};
  context.out.error(
      node.place,
      "spec.drift: expected hold, yield or 'yield after N' with a whole number from 1 to 9999, got " +
          (node.kind == Kind::kScalar ? policies::quoted(node.text) : std::string(kind_name(node.kind))));
  return {};
}

void parse_rules(const YamlNode& rules, const ParseContext& context, Policy& policy) {
  if (rules.kind != Kind::kList) {
    return context.out.error(
        rules.place, "spec.rules: expected a list of rules, got " + std::string(kind_name(rules.kind)));
  }
  std::set<std::string> names;
  std::vector<ConditionNodes> conditions;
  std::vector<const YamlNode*> ladders;
  for (const YamlNode& one : rules.items) {
    if (const YamlNode* then = one.value_of("then")) ladders.push_back(then);
    auto rule = parse_rule(one, context);
    if (!rule) continue;
    if (!rule->name.empty() && !names.insert(rule->name).second)
      context.out.error(one.place,
                        "rule " + policies::quoted(rule->name) + ": the name is taken by an earlier rule");
    conditions.push_back({one.value_of("when"), one.value_of("until")});
    check_conditions(*rule, conditions.back(), context);
    check_freezes(*rule, context.out);
    policy.rules.push_back(std::move(*rule));
  }
  check_unlimited(policy, conditions, context);
  check_sets(policy, context.cpus, context.out);
  check_ends(policy, context.out);
  check_thaws(ladders, context);
}

void parse_spec(const YamlNode& node, const ParseContext& context, Policy& policy) {
  MapReader reader(node, "spec", context.out, policy.host ? MapId::kHostSpec : MapId::kSpec);
  if (const YamlNode* priority = reader.find("priority")) {
    policy.priority = parse_priority(*priority, context);
  }
  if (const YamlNode* mode = reader.find("mode")) {
    const auto modes = mode_words();
    const auto found = std::ranges::find(modes, mode->text);
    if (found == modes.end()) {
      context.out.error(mode->place, "spec.mode: " + policies::quoted(mode->text) +
                                         did_you_mean(mode->text, modes) + ", expected " + one_of(modes));
    } else {
      policy.mode = static_cast<Mode>(found - modes.begin());
    }
  }
  if (!policy.host) {
    if (const YamlNode* drift = reader.find("drift")) policy.drift = parse_drift(*drift, context);
    if (const YamlNode* select = reader.require("select"))
      policy.select = parse_selector(*select, "spec.select", context, true);
    if (const YamlNode* limits = reader.find("limits")) parse_limits(*limits, context, policy.limits);
    if (const YamlNode* autosize = reader.find("autosize")) parse_autosize(*autosize, context, policy);
  }
  if (const YamlNode* rules = reader.find("rules")) parse_rules(*rules, context, policy);
  reader.finish();
  const bool sizes = policy.size_cpu || policy.size_memory;
  if (policy.limits.empty() && policy.rules.empty() && !sizes && !context.out.has_errors()) {
    context.out.warning(policy.place,
                        "policy " + policies::quoted(policy.name) + " has neither limits nor rules");
  }
}

std::optional<Policy> parse_document(const YamlNode& node, std::string_view source, const HostCpus* host,
                                     Diagnostics& out) {
  if (node.kind != Kind::kMap) {
    out.error(node.place, "a policy: expected a map with apiVersion, kind, metadata and spec, got " +
                              std::string(kind_name(node.kind)));
    return std::nullopt;
  }
  Policy policy;
  policy.file = out.file();
  policy.place = node.place;
  MapReader reader(node, "a policy", out, MapId::kPolicy);
  const std::string version = reader.text("apiVersion");
  if (version != "plimsoll/v1")
    out.error(reader.place_of("apiVersion"),
              "apiVersion: expected plimsoll/v1, got " + policies::quoted(version));
  const std::string kind = reader.text("kind");
  if (kind != "Policy" && kind != "HostPolicy")
    out.error(reader.place_of("kind"), "kind: expected Policy or HostPolicy, got " + policies::quoted(kind));
  policy.host = kind == "HostPolicy";
  if (const YamlNode* metadata = reader.require("metadata")) {
    MapReader inside(*metadata, "metadata", out, MapId::kMetadata);
    policy.name = inside.text("name");
    policy.description = inside.text("description");
    inside.finish();
    const bool good =
        !policy.name.empty() && policy.name.size() <= 63 &&
        policy.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
            std::string::npos;
    if (!good)
      out.error(metadata->place, "metadata.name: expected 1 to 63 letters, digits, '.', '_' or '-', got " +
                                     policies::quoted(policy.name));
  }
  const ParseContext context{source, out, policy.host, host};
  if (const YamlNode* spec = reader.require("spec")) parse_spec(*spec, context, policy);
  reader.finish();
  return policy;
}

}  // namespace

LoadOutcome load_texts(const std::vector<PolicyFile>& files, const std::optional<HostCpus>& host) {
  LoadOutcome outcome;
  auto set = std::make_shared<PolicySet>();
  bool good = true;
  std::map<std::string, std::string> seen;
  for (const PolicyFile& file : files) {
    Diagnostics out(file.name);
    const auto documents = parse_yaml(file.text, out);
    const auto empty = [](const YamlNode& document) { return document.kind == Kind::kNull; };
    if (std::ranges::all_of(documents, empty) && !out.has_errors()) out.warning({}, "holds no policy");
    for (const YamlNode& document : documents) {
      if (empty(document)) continue;
      auto policy = parse_document(document, file.text, host ? &*host : nullptr, out);
      if (!policy) continue;
      const auto [first, fresh] = seen.emplace(policy->name, file.name);
      if (!fresh)
        out.error(policy->place, "policy " + policies::quoted(policy->name) +
                                     ": the name is taken by one in " + first->second);
      set->policies.push_back(std::move(*policy));
    }
    good = good && !out.has_errors();
    for (Diagnostic& one : std::move(out).take()) outcome.diagnostics.push_back(std::move(one));
  }
  if (!good) return outcome;
  warn_of_ties(set->policies, outcome.diagnostics);
  std::ranges::sort(set->policies, [](const Policy& a, const Policy& b) {
    return a.priority != b.priority ? a.priority < b.priority : a.name > b.name;
  });
  outcome.set = std::move(set);
  return outcome;
}

}  // namespace plimsoll::policies
