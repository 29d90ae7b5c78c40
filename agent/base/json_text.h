// JSON to text that never throws: a string that is not UTF-8 (a file name, an argument, a label of another
// runtime) has its bad bytes replaced by U+FFFD.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace plimsoll {

// In one line; with `indent` of 0 or more, over several.
template <typename Json>
std::string json_text(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace plimsoll
