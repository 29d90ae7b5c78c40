// `spec.limits`: what is held continuously.
#pragma once

#include <vector>

#include "policies/document.h"
#include "policies/step_parser.h"

namespace plimsoll::policies {

// Appends to `limits`; errors are told, also of limits that contradict each other.
void parse_limits(const YamlNode& node, const ParseContext& context, std::vector<LimitValue>& limits);

}  // namespace plimsoll::policies
