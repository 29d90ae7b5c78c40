// The flags of one verb, declared once and used for parsing and for the help text. Parsing is getopt_long's:
// "-it",
// "-m256m", "--memory=256m", "--memory 256m", unambiguous abbreviations.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace plimsoll::cli {

// How many words a verb takes that are no flags.
struct WordCount {
  std::size_t least = 0;
  std::size_t most = SIZE_MAX;
};

class Flags {
 public:
  // Where the first word that is no flag ends the flags (run, exec: what follows belongs to the container) or
  // not.
  enum class Order { kAnywhere, kBeforeWords };

  // `usage` is what stands behind "plimsoll": "run [FLAGS] IMAGE [COMMAND] [ARG...]".
  Flags(std::string usage, std::string summary, std::string example, Order order = Order::kAnywhere);

  // `letter` is 0 where there is only the long name. Targets outlive the parsing.
  Flags& flag(char letter, std::string name, bool& target, std::string help);
  Flags& value(char letter, std::string name, std::string& target, std::string placeholder, std::string help);
  Flags& value(char letter, std::string name, std::optional<std::string>& target, std::string placeholder,
               std::string help);
  Flags& list(char letter, std::string name, std::vector<std::string>& target, std::string placeholder,
              std::string help);

  // The words that are no flags; nullopt where help was asked for, which has been printed. `args` does not
  // hold the verb. An unknown or incomplete flag, and words that are too few or too many, are kInvalid, one
  // line; `expected` says what the words are to be.
  Result<std::optional<std::vector<std::string>>> take(const std::vector<std::string>& args, WordCount count,
                                                       std::string_view expected);
  // The same in steps.
  Result<std::vector<std::string>> parse(const std::vector<std::string>& args);
  bool help_asked() const { return help_asked_; }
  std::string help() const;
  // "run: expected an image; see plimsoll run --help", for words that are too few or too many.
  Error misuse(std::string_view expected) const;

 private:
  struct Option {
    char letter;
    std::string name;
    std::string placeholder;  // empty: takes no value
    std::string help;
    std::function<void(const char*)> set;
  };
  Flags& add(Option option);
  const Option* find(int code) const;
  std::string verb() const { return usage_.substr(0, usage_.find(' ')); }

  std::string usage_;
  std::string summary_;
  std::string example_;
  Order order_;
  std::vector<Option> options_;
  bool help_asked_ = false;
};

}  // namespace plimsoll::cli
