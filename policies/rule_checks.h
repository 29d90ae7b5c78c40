// Action lists that can never end, or never do anything.
#pragma once

#include <vector>

#include "policies/document.h"
#include "policies/step_parser.h"

namespace plimsoll::policies {

// What is written in one `then`: steps that wait for nothing, and those behind the container's end.
void check_ladder(const YamlNode& then, const ParseContext& context);
// A `thaw` in a policy without a `freeze`; `ladders` are the `then` of its rules.
void check_thaws(const std::vector<const YamlNode*>& ladders, const ParseContext& context);
// A `freeze` that nothing in its rule ends.
void check_freezes(const Rule& rule, Diagnostics& out);

}  // namespace plimsoll::policies
