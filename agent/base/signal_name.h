// Signals by name, as people, Docker and OCI bundles write them.
#pragma once

#include <optional>
#include <string_view>

namespace plimsoll {

// "SIGTERM", "TERM", "term", "15", "RTMIN+3", "RTMAX-2" (systemd in a container wants to be stopped with
// those) -> its number on this machine, 1 to 64; nullopt for anything else.
std::optional<int> parse_signal(std::string_view text);

}  // namespace plimsoll
