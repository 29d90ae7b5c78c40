#include <algorithm>

#include "policies/render.h"
#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

using Row = std::vector<std::string>;

// Columns two spaces apart, as wide as their widest cell; the last is not filled up.
std::string aligned(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] + 2 - row[i].size(), ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string or_dash(std::string text) { return text.empty() ? "-" : std::move(text); }

std::string plural(std::size_t count, const std::string& one) {
  return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

// A duration as an explanation tells it: nobody acts on the microseconds of a rule's state.
std::string span(Nanoseconds time) {
  return format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(time));
}

std::string place(const std::string& file, Place at) {
  return at.line > 0 ? file + ":" + std::to_string(at.line) : file;
}

std::string policies_text(const Explanation& told) {
  if (told.policies.empty()) return "No policies are loaded.\n";
  std::vector<Row> rows = {{"POLICY", "PRIORITY", "MODE", "APPLIES", "FROM", "WHY NOT"}};
  for (const PolicyState& one : told.policies) {
    const std::string applies = one.host && one.applies && told.cgroup != "/" ? "as a victim"
                                : one.applies                                 ? "yes"
                                                                              : "no";
    rows.push_back({one.name, std::to_string(one.priority), std::string(to_string(one.mode)), applies,
                    place(one.file, one.place), one.why_not});
  }
  return aligned(rows);
}

bool unset(const FieldState& field) {
  const auto id = find_field(field.field);
  if (!id || field.now.empty()) return true;
  return field.now.substr(0, field.now.find(' ')) == fields()[*id].unset;
}

std::string field_state(const FieldState& field) {
  if (field.wanted.empty()) return "";
  if (field.audit) return "audit: only reported";
  std::string retry = field.retry_in.count() > 0 ? "; tried again in " + span(field.retry_in) : "";
  if (!field.problem.empty()) return field.problem + retry;
  return field.held ? "held" : "being written";
}

std::string fields_text(const Explanation& told) {
  if (told.fields.empty()) return "Its limits have not been read yet.\n";
  std::vector<Row> rows = {{"LIMIT", "NOW", "WANTED", "SET BY", "BEFORE", "STATE"}};
  for (const FieldState& field : told.fields) {
    if (field.wanted.empty() && unset(field)) continue;
    const auto words = [&](const std::string& text) { return or_dash(field_words(field.field, text)); };
    rows.push_back({field.field + (field.device.empty() ? "" : " " + field.device), words(field.now),
                    words(field.wanted), field.policy.empty() ? "-" : field.policy + "/" + field.rule,
                    words(field.original), field_state(field)});
    for (const FieldState::Overruled& one : field.overruled) {
      rows.push_back(
          {"", "", field_words(field.field, one.wanted), one.policy + "/" + one.rule, "", "overruled"});
    }
  }
  return rows.size() == 1 ? "No limits are set.\n" : aligned(rows);
}

std::string phase_words(const RuleState& rule) {
  switch (rule.phase) {
    case RulePhase::kUnseen:
      return "not evaluated yet";
    case RulePhase::kIdle:
      return "idle: its condition is false";
    case RulePhase::kUnknown:
      return "unknown: " + rule.when.why_unknown;
    case RulePhase::kHolding:
      return "holding: a 'for' has not passed";
    case RulePhase::kFired:
      return rule.step < rule.steps ? "fired, its steps go on"
             : rule.until           ? "fired, until its 'until' holds"
                                    : "fired";
    case RulePhase::kWaiting:
      return "waiting: the next step in " + span(*rule.wait_left);
    case RulePhase::kCooling:
      return "cooling down for " + span(rule.cooldown_left);
    case RulePhase::kSpent:
      return "spent: has fired, and fires again once its condition was false in between";
    case RulePhase::kPaused:
      return "would fire, but enforcement is paused";
  }
  return "";
}

std::string condition_text(const std::string& word, const ConditionState& state, bool timed) {
  std::string out = "  " + word + " " + state.text + "\n";
  std::vector<Row> rows;
  for (const ComparisonState& one : state.comparisons) {
    const std::string told = one.truth == Truth::kUnknown ? "unknown: " + one.why_unknown
                                                          : std::string(to_string(one.truth)) + ": " +
                                                                one.left + " " + one.op + " " + one.right;
    rows.push_back({"    " + one.text, told});
  }
  for (const HoldState& one : state.holds) {
    if (!timed) continue;
    rows.push_back(
        {"    for " + span(one.needed), one.held ? "held for " + span(*one.held) : "does not hold"});
  }
  return out + aligned(rows);
}

// "a, b and c"
std::string listed(const std::vector<std::string>& names) { return joined(names, " and "); }

std::string rule_text(const RuleState& rule) {
  std::string out =
      rule.policy + "/" + rule.rule + (rule.audit ? " (audit)" : "") + ": " + phase_words(rule) + "\n";
  out += condition_text("when", rule.when, rule.phase != RulePhase::kUnseen);
  if (rule.until) out += condition_text("until", *rule.until, rule.active);
  if (rule.active && rule.steps > 1) {
    out += "  " + std::to_string(rule.step) + " of " + plural(rule.steps, "step") + " taken\n";
  }
  if (!rule.notifies.empty()) {
    out += "  notifies " + listed(rule.notifies) + (rule.told ? ": told, and not yet that it is over" : "") +
           "\n";
  }
  if (rule.fired_ago) {
    out += "  fired " + span(*rule.fired_ago) + " ago";
    for (std::size_t i = 0; i < rule.seen.size(); ++i) {
      out += (i == 0 ? " at " : ", ") + rule.seen[i].first + "=" + rule.seen[i].second;
    }
    out += "\n";
  }
  return out;
}

}  // namespace

std::string explain_text(const Explanation& told) {
  std::string out = told.container;
  if (!told.container_id.empty()) out += " (" + told.container_id.substr(0, 12) + ")";
  out += told.cgroup == "/" ? "\n" : " in " + told.cgroup + "\n";
  if (!told.untouchable.empty()) out += "Untouchable: " + told.untouchable + ".\n";
  if (told.paused) out += "All enforcement is paused.\n";
  if (!told.known) out += "Not evaluated yet.\n";
  if (!told.frozen_by.empty()) {
    const std::string end = told.thaw_in ? "in " + span(*told.thaw_in) : "when the rule ends";
    out += "Frozen by " + told.frozen_by + ", thawed " + end + ".\n";
  }
  for (const MissingProbe& one : told.missing_probes)
    out += "The BPF probe " + one.probe + ", which counts " + listed(one.signals) +
           ", is not up: " + one.why + ".\n";
  out += "\n" + policies_text(told);
  if (told.cgroup != "/") out += "\n" + fields_text(told);
  for (const RuleState& rule : told.rules) out += "\n" + rule_text(rule);
  return out;
}

std::string list_text(std::span<const PolicySummary> policies) {
  std::vector<Row> rows = {{"NAME", "KIND", "MODE", "PRIORITY", "CONTAINERS", "LIMITS", "RULES", "FILE"}};
  for (const PolicySummary& one : policies) {
    rows.push_back({one.name, one.kind, one.mode, std::to_string(one.priority), std::to_string(one.selected),
                    std::to_string(one.limits), std::to_string(one.rules), place(one.file, one.place)});
  }
  return aligned(rows);
}

std::string targets_text(const PolicySet& set) {
  if (set.targets.empty()) return "";
  std::vector<Row> rows = {{"TARGET", "KIND", "WHERE", "FILE"}};
  for (const Target& one : set.targets) {
    rows.push_back({one.sends.name, std::string(kind_of(one.sends)), model::origins_of(one.sends),
                    place(one.file, one.place)});
  }
  return "\n" + aligned(rows);
}

std::string check_text(const LoadOutcome& outcome) {
  std::string out;
  std::size_t warnings = 0;
  for (const Diagnostic& one : outcome.diagnostics) {
    out += to_string(one) + "\n";
    warnings += one.warning ? 1 : 0;
  }
  const std::size_t errors = outcome.diagnostics.size() - warnings;
  if (!outcome.good()) return out + plural(errors, "error") + ", " + plural(warnings, "warning") + "\n";
  const std::size_t count = outcome.set->policies.size();
  const std::size_t targets = outcome.set->targets.size();
  return out + std::to_string(count) + (count == 1 ? " policy" : " policies") + ", " +
         (targets == 0 ? "" : plural(targets, "target") + ", ") + plural(warnings, "warning") + "\n";
}

}  // namespace plimsoll::policies
