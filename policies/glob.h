// Patterns of `select`: "*" and "?"; in cgroup paths neither crosses a "/", and "**" does.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace plimsoll::policies {

class Glob {
 public:
  enum class Kind { kText, kPath };
  // Errors (kInvalid): empty, longer than 256 bytes, character classes, a path that starts neither with "/"
  // nor with "**".
  static Result<Glob> parse(std::string_view pattern, Kind kind);
  bool matches(std::string_view text) const;
  const std::string& pattern() const { return pattern_; }

 private:
  Glob(std::string pattern, Kind kind) : pattern_(std::move(pattern)), kind_(kind) {}
  std::string pattern_;
  Kind kind_;
};

}  // namespace plimsoll::policies
