// Conditions that cannot be meant: constant, impossible, or ended by what began them.
#pragma once

#include "policies/document.h"
#include "policies/step_parser.h"

namespace plimsoll::policies {

// Where a rule's conditions stand in the file; `until` is null where there is none.
struct ConditionNodes {
  const YamlNode* when = nullptr;
  const YamlNode* until = nullptr;
};

// Of one rule: comparisons and wholes that never or always hold, and an `until` that holds whenever `when`
// does.
void check_conditions(const Rule& rule, const ConditionNodes& nodes, const ParseContext& context);
// Comparisons with a limit that this policy sets to max: such a signal has no value. All rules are known.
void check_unlimited(const Policy& policy, const std::vector<ConditionNodes>& nodes,
                     const ParseContext& context);

}  // namespace plimsoll::policies
