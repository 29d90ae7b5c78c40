// A verb that shows what a BPF probe saw, where it has nothing to show: because nothing happened, or because
// nobody looked?
#pragma once

#include <string_view>

#include "agent/cli/connection.h"

namespace plimsoll::cli {

// Says on the standard error that the probe is not up, and why. Nothing where it is, or an agent does not
// say.
void tell_if_down(const Connection& agent, std::string_view probe);

}  // namespace plimsoll::cli
