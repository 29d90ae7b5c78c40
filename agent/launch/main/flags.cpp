#include "agent/launch/main/flags.h"

#include <climits>
#include <optional>

#include "agent/base/units.h"

namespace plimsoll::runtime {
namespace {

const Flag* known_flag(const std::vector<Flag>& known, std::string_view name) {
  for (const Flag& flag : known) {
    if (flag.name == name || (!flag.shorter.empty() && flag.shorter == name)) return &flag;
  }
  return nullptr;
}

}  // namespace

Result<Flags> Flags::parse(const std::vector<Flag>& known, const std::vector<std::string>& words,
                           bool stop_at_word) {
  Flags out;
  std::size_t at = 0;
  for (; at < words.size(); ++at) {
    const std::string& word = words[at];
    if (word == "--") {
      ++at;
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      if (stop_at_word) break;
      out.words_.push_back(word);
      continue;
    }
    const std::size_t equals = word.find('=');
    // runc's parser takes one dash for two.
    std::string name = word.substr(0, equals);
    if (name.size() > 2 && name[1] != '-') name.insert(0, "-");
    const Flag* flag = known_flag(known, name);
    if (flag == nullptr) return invalid("unknown flag " + name);
    if (!flag->takes_value) {
      if (equals == std::string::npos || word.substr(equals + 1) == "true") {
        out.given_.push_back({std::string(flag->name), "true"});
      } else if (word.substr(equals + 1) != "false") {
        return invalid("flag " + name + " takes no value");
      }
      continue;
    }
    if (equals == std::string::npos && at + 1 == words.size())
      return invalid("flag " + name + " wants a value");
    out.given_.push_back(
        {std::string(flag->name), equals == std::string::npos ? words[++at] : word.substr(equals + 1)});
  }
  out.words_.insert(out.words_.end(), words.begin() + static_cast<std::ptrdiff_t>(at), words.end());
  return out;
}

const Flags::Given* Flags::find(std::string_view name) const {
  for (auto given = given_.rbegin(); given != given_.rend(); ++given) {
    if (given->name == name) return &*given;
  }
  return nullptr;
}

std::string Flags::value(std::string_view name, std::string_view otherwise) const {
  const Given* given = find(name);
  return given != nullptr ? given->value : std::string(otherwise);
}

std::vector<std::string> Flags::values(std::string_view name) const {
  std::vector<std::string> out;
  for (const Given& given : given_) {
    if (given.name == name) out.push_back(given.value);
  }
  return out;
}

Result<int> Flags::number(std::string_view name, int otherwise) const {
  const Given* given = find(name);
  if (given == nullptr) return otherwise;
  const auto number = parse_u64(given->value);
  if (!number || *number > INT_MAX) {
    return invalid("flag " + std::string(name) + ": expected a number, got '" + given->value + "'");
  }
  return static_cast<int>(*number);
}

}  // namespace plimsoll::runtime
