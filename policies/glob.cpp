#include "policies/glob.h"

#include <vector>

#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

constexpr std::size_t kLongest = 256;

}  // namespace

Result<Glob> Glob::parse(std::string_view pattern, Kind kind) {
  if (pattern.empty()) return invalid("the pattern is empty, expected a name or a glob such as \"web-*\"");
  if (pattern.size() > kLongest) return invalid("the pattern is longer than 256 bytes");
  if (pattern.find_first_of("[]{}\\") != std::string_view::npos) {
    return invalid("bad glob " + quoted(pattern) +
                   ": expected only *, ? and ** (no character classes, braces or escapes)");
  }
  if (kind == Kind::kPath && !pattern.starts_with('/') && !pattern.starts_with("**")) {
    return invalid("bad cgroup glob " + quoted(pattern) +
                   ": expected a path below the cgroup root such as \"/system.slice/*.service\"");
  }
  return Glob(std::string(pattern), kind);
}

// Row by row over the pattern, so that the time is bounded by pattern x text whatever stars there are.
bool Glob::matches(std::string_view text) const {
  std::vector<char> reach(text.size() + 1, 0);
  reach[0] = 1;
  for (std::size_t p = 0; p < pattern_.size(); ++p) {
    const char c = pattern_[p];
    if (c == '*') {
      bool crosses = kind_ == Kind::kText;
      for (; p + 1 < pattern_.size() && pattern_[p + 1] == '*'; ++p) crosses = true;
      for (std::size_t t = 0; t < text.size(); ++t) {
        if (reach[t] && (crosses || text[t] != '/')) reach[t + 1] = 1;
      }
      continue;
    }
    for (std::size_t t = text.size(); t > 0; --t) {
      const bool same = c == '?' ? (kind_ == Kind::kText || text[t - 1] != '/') : c == text[t - 1];
      reach[t] = static_cast<char>(reach[t - 1] && same);
    }
    reach[0] = 0;
  }
  return reach[text.size()] != 0;
}

}  // namespace plimsoll::policies
