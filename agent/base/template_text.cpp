#include "agent/base/template_text.h"

namespace plimsoll {

std::vector<TemplateVariable> variables_of(std::string_view text) {
  std::vector<TemplateVariable> found;
  std::size_t close = 0;
  for (auto open = text.find("{{"); open != std::string_view::npos; open = text.find("{{", close)) {
    TemplateVariable& one = found.emplace_back(open);
    close = text.find("}}", open);
    if (close == std::string_view::npos) break;
    one.closed = true;
    one.name = text.substr(open + 2, close - open - 2);
    std::erase(one.name, ' ');
    close += 2;
  }
  return found;
}

std::string fill_template(std::string_view text,
                          const std::function<std::string(const std::string& name)>& value_of) {
  std::string out;
  std::size_t at = 0;
  for (const TemplateVariable& one : variables_of(text)) {
    if (!one.closed) break;
    out += text.substr(at, one.at - at);
    out += value_of(one.name);
    at = text.find("}}", one.at) + 2;
  }
  out += text.substr(at);
  return out;
}

}  // namespace plimsoll
