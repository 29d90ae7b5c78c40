// Parses `kind: NotifyTarget`: where notifications are sent.
#pragma once

#include "policies/document.h"
#include "policies/step_parser.h"

namespace plimsoll::policies {

void parse_target_spec(const YamlNode& node, const ParseContext& context, Target& target);

// The map form of `notify`.
std::optional<NotifyStep> parse_notify(const YamlNode& node, const ParseContext& context);

// Names in `notify.to` that no document of the set has; `outs` are the diagnostics of the policies' files.
void check_targets(const PolicySet& set, std::span<Diagnostics> outs);

}  // namespace plimsoll::policies
