// Flags as runc takes them: "--name value", "--name=value", "-n value", switches; up to the first word that
// is no flag where `stop_at_word` (the arguments of `exec` belong to its command).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace plimsoll::runtime {

struct Flag {
  std::string_view name;  // "--bundle"
  std::string_view shorter = {};
  bool takes_value = true;
};

class Flags {
 public:
  // kInvalid: an unknown flag, a value missing or too many.
  static Result<Flags> parse(const std::vector<Flag>& known, const std::vector<std::string>& words,
                             bool stop_at_word);

  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::string value(std::string_view name, std::string_view otherwise = {}) const;  // the last one given
  std::vector<std::string> values(std::string_view name) const;
  Result<int> number(std::string_view name, int otherwise) const;  // not negative
  const std::vector<std::string>& words() const { return words_; }

 private:
  struct Given {
    std::string name, value;
  };
  const Given* find(std::string_view name) const;
  std::vector<Given> given_;
  std::vector<std::string> words_;
};

}  // namespace plimsoll::runtime
