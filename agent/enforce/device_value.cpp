#include "agent/enforce/device_value.h"

#include <sstream>
#include <vector>

namespace plimsoll::enforce {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::vector<std::string> line_of(const std::string& text, const std::string& disk) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    auto words = words_of(line);
    if (!words.empty() && words[0] == disk) return words;
  }
  return {};
}

// "rbps=1048576" of the line that begins so; "rbps=max" where there is none.
std::string knob(const std::vector<std::string>& line, std::string_view asked) {
  const std::string key(asked.substr(0, asked.find('=') + 1));
  for (const std::string& word : line) {
    if (word.starts_with(key)) return word;
  }
  return key + "max";
}

}  // namespace

std::string value_shown(std::string_view file, std::string_view asked, std::string text) {
  while (text.ends_with('\n') || text.ends_with(' ')) text.pop_back();
  const auto words = words_of(asked);
  if ((file != "io.max" && file != "io.weight") || words.size() < 2) return text;
  const auto line = line_of(text, words[0]);
  std::string out = words[0];
  if (file == "io.weight") return out + " " + (line.size() > 1 ? line[1] : "default");
  for (std::size_t i = 1; i < words.size(); ++i) out += " " + knob(line, words[i]);
  return out;
}

}  // namespace plimsoll::enforce
