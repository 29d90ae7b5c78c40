// Parses `spec.autosize`: how a policy wants limits found from what is used.
#pragma once

#include "policies/document.h"
#include "policies/step_parser.h"

namespace plimsoll::policies {

// `policy.limits` must be parsed already: a limit that stands there has the last word.
void parse_autosize(const YamlNode& node, const ParseContext& context, Policy& policy);

}  // namespace plimsoll::policies
