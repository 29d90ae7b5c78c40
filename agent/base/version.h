// Plimsoll's own version, as CMakeLists.txt has it.
#pragma once

#include <string_view>

namespace plimsoll {

inline constexpr std::string_view kVersion = PLIMSOLL_VERSION;

}  // namespace plimsoll
