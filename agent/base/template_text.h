// Texts with variables in them: "{{container.name}} at {{memory.usage}}". Pure.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace plimsoll {

struct TemplateVariable {
  std::size_t at = 0;   // of its "{{"
  std::string name;     // without the spaces inside the braces
  bool closed = false;  // false: there is no "}}" behind it, and it is the last
};
// In the order of the text.
std::vector<TemplateVariable> variables_of(std::string_view text);

// The text with each variable replaced by its value; what is never closed stands as it is.
std::string fill_template(std::string_view text,
                          const std::function<std::string(const std::string& name)>& value_of);

}  // namespace plimsoll
