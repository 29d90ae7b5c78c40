// The texts of `notify`: {{container.name}} and {{SIGNAL}} are filled in when it is sent.
#pragma once

#include "policies/step_parser.h"

namespace plimsoll::policies {

// What may stand in {{}} beside the signals; in a HostPolicy, which has no container, none of them.
std::span<const std::string_view> container_variables();

// Unknown variables, and a {{ without its }}.
void check_template(const YamlNode& text, const ParseContext& context);

}  // namespace plimsoll::policies
