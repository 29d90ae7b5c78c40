// "did you mean": the nearest of the words that would have been right.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace plimsoll::policies {

// The nearest known word within 2 edits (a third of a short word); empty where none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);
// " (did you mean 'limits'?)", or "".
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);
// "a, b" and, by `last`, " or c".
template <typename Words>
std::string joined(const Words& words, std::string_view last) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? last : ", ";
    out += words[i];
  }
  return out;
}
// "a, b or c".
std::string one_of(std::span<const std::string_view> words);
// The text in single quotes, shortened and without control characters, for messages.
std::string quoted(std::string_view text);

}  // namespace plimsoll::policies
