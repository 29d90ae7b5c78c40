// The picture that `plimsoll top` draws: each container against its load line. Pure: state in, text out.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/cli/terminal.h"

namespace plimsoll::cli {

enum class TopOrder { kLoad, kCpu, kMemory, kName };

// `state` is the reply of GET /plimsoll/v1/containers. `color`: ANSI colours for what is near its limit. At
// most size.rows lines, each cut at size.columns.
std::string render_top(const nlohmann::json& state, TerminalSize size, TopOrder order, bool color);

}  // namespace plimsoll::cli
