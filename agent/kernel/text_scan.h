// Cutting the text of kernel files into lines and words without copying.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace plimsoll::kernel {

// Cuts the part before the next `separator` off the front of `rest` (all of it where there is none).
inline std::string_view cut(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return part;
}

// The next word of `rest`, words being separated by any number of blanks; empty at the end.
inline std::string_view next_word(std::string_view& rest) {
  while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
  std::size_t length = 0;
  while (length < rest.size() && rest[length] != ' ' && rest[length] != '\t') ++length;
  const std::string_view word = rest.substr(0, length);
  rest.remove_prefix(length);
  return word;
}

// Decimal digits and nothing else.
inline std::optional<std::uint64_t> digits(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

inline std::string_view without_newline(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

// "cpu.stat: malformed line 'usage_usec x'"; the offending text is shortened.
inline std::unexpected<Error> malformed(std::string_view file, std::string_view text) {
  return invalid(std::string(file) + ": malformed line '" + std::string(text.substr(0, 60)) + "'");
}

// Calls take(key, value) for each "key value" line; take returns false where the value is malformed.
template <typename Take>
Result<> each_pair(std::string_view text, std::string_view file, Take&& take) {
  while (!text.empty()) {
    const std::string_view line = cut(text, '\n');
    std::string_view value = line;
    const std::string_view key = cut(value, ' ');
    if (key.size() == line.size() || !take(key, value)) return malformed(file, line);
  }
  return {};
}

}  // namespace plimsoll::kernel
