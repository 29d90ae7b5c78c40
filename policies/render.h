// The policy engine's knowledge as text for people and JSON for programs. Pure and thread-safe; texts end
// with a newline, JSON is one object or array without one.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "agent/model/sample.h"
#include "policies/document.h"
#include "policies/explanation.h"

namespace plimsoll::policies {

// `plimsoll policy explain CONTAINER`. Take the Explanation on the engine's own thread; rendering it may
// happen on any.
std::string explain_text(const Explanation& told);
std::string explain_json(const Explanation& told);

// `plimsoll policy list`: one row a policy, highest priority first.
struct PolicySummary {
  std::string name, kind, mode;  // kind "Policy" | "HostPolicy"
  std::int64_t priority = 0;
  std::size_t selected = 0;  // containers; of a HostPolicy: those that it may choose as victims
  std::size_t limits = 0, rules = 0;
  std::string file, description;
  Place place;
};
std::vector<PolicySummary> summaries(const PolicySet& set,
                                     std::span<const model::ContainerSample> containers);
std::string list_text(std::span<const PolicySummary> policies);
std::string list_json(std::span<const PolicySummary> policies);

// Where notifications may be sent, behind that list; "" where there is nowhere. JSON: [{name, kind, where,
// file, line, description}].
std::string targets_text(const PolicySet& set);
std::string targets_json(const PolicySet& set);

// `plimsoll policy check FILE...`: a line a diagnostic, then one that counts. JSON: {"good", "errors",
// "warnings", "policies", "diagnostics": [{file, line, column, severity, message}]}; line and column are 0
// for a whole file.
std::string check_text(const LoadOutcome& outcome);
std::string check_json(const LoadOutcome& outcome);
std::string diagnostics_json(std::span<const Diagnostic> diagnostics);  // that member alone
// 0: good, warnings or not; 1: an error, or with `strict` a warning. (2 stays for files that cannot be read.)
int check_status(const LoadOutcome& outcome, bool strict = false);

// A limit's value as people read it: "50000 100000" of cpu.max is "0.5 cores", "134217728" of memory.max
// "128MiB".
std::string field_words(std::string_view field, const std::string& text);

}  // namespace plimsoll::policies
