// Parses the actions that end a container: kill, stop and restart, and whom a HostPolicy ends.
#pragma once

#include <string_view>
#include <vector>

#include "policies/step_parser.h"

namespace plimsoll::policies {

void parse_kill(const YamlNode& node, const ParseContext& context, std::vector<Step>& steps);
// `name`: "stop" or "restart".
void parse_end(std::string_view name, const YamlNode& node, const ParseContext& context,
               std::vector<Step>& steps);

}  // namespace plimsoll::policies
