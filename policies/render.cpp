#include "policies/render.h"

#include <algorithm>
#include <ranges>

namespace plimsoll::policies {
namespace {

bool may_hit(const Policy& policy, const model::ContainerRef& ref) {
  if (policy.mode == Mode::kOff) return false;
  if (!policy.host) return policy.select.matches(ref);
  return std::ranges::any_of(policy.rules, [&](const Rule& rule) {
    return std::ranges::any_of(rule.then, [&](const Step& step) {
      const Victim* whom = victim_of(step);
      return whom != nullptr && whom->among.matches(ref);
    });
  });
}

}  // namespace

std::vector<PolicySummary> summaries(const PolicySet& set,
                                     std::span<const model::ContainerSample> containers) {
  std::vector<PolicySummary> out;
  for (const Policy& policy : set.policies | std::views::reverse) {
    PolicySummary& row = out.emplace_back();
    row.name = policy.name;
    row.kind = policy.host ? "HostPolicy" : "Policy";
    row.mode = to_string(policy.mode);
    row.priority = policy.priority;
    row.selected = static_cast<std::size_t>(std::ranges::count_if(
        containers, [&](const model::ContainerSample& one) { return may_hit(policy, *one.ref); }));
    row.limits = policy.limits.size();
    row.rules = policy.rules.size();
    row.file = policy.file;
    row.description = policy.description;
    row.place = policy.place;
  }
  return out;
}

int check_status(const LoadOutcome& outcome, bool strict) {
  if (!outcome.good()) return 1;
  return strict && std::ranges::any_of(outcome.diagnostics, &Diagnostic::warning) ? 1 : 0;
}

std::string field_words(std::string_view field, const std::string& text) {
  const auto id = find_field(field);
  if (!id || text.empty() || text == "default") return text;
  const FieldInfo& info = fields()[*id];
  if (info.kind == FieldKind::kFlag) return text == "1" ? "true" : "false";
  if (info.kind == FieldKind::kCpuList) return text;
  const auto number = number_of(info, text);
  return number ? format_quantity(*number, unit_of(info)) : "max";
}

}  // namespace plimsoll::policies
