#include "agent/base/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace plimsoll {
namespace {

struct Suffix {
  std::string_view text;
  double factor;
};

constexpr double kKi = 1024.0;
constexpr std::array kByteSuffixes = {
    Suffix{"", 1},
    Suffix{"B", 1},
    Suffix{"kB", 1e3},
    Suffix{"MB", 1e6},
    Suffix{"GB", 1e9},
    Suffix{"TB", 1e12},
    Suffix{"KiB", kKi},
    Suffix{"MiB", kKi* kKi},
    Suffix{"GiB", kKi* kKi* kKi},
    Suffix{"TiB", kKi* kKi* kKi* kKi},
    Suffix{"k", kKi},
    Suffix{"m", kKi* kKi},
    Suffix{"g", kKi* kKi* kKi},
    Suffix{"t", kKi* kKi* kKi* kKi},
    Suffix{"K", kKi},
    Suffix{"M", kKi* kKi},
    Suffix{"G", kKi* kKi* kKi},
    Suffix{"T", kKi* kKi* kKi* kKi},
};
constexpr std::array kTimeSuffixes = {
    Suffix{"ns", 1},   Suffix{"us", 1e3},   Suffix{"ms", 1e6},    Suffix{"s", 1e9},
    Suffix{"m", 60e9}, Suffix{"h", 3600e9}, Suffix{"d", 86400e9},
};

// The length of the decimal number that `text` begins with, or 0.
std::size_t number_length(std::string_view text) {
  std::size_t length = 0;
  bool point = false;
  bool digit = false;
  for (; length < text.size(); ++length) {
    const char c = text[length];
    if (c >= '0' && c <= '9') {
      digit = true;
    } else if (c == '.' && !point) {
      point = true;
    } else {
      break;
    }
  }
  return digit ? length : 0;
}

std::string trimmed(double value) {
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.4g", value);
  return buffer.data();
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  const std::string_view digits = negative ? text.substr(1) : text;
  if (digits.empty() || number_length(digits) != digits.size()) return std::nullopt;
  double value = 0;
  const auto [end, code] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed);
  if (code != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return negative ? -value : value;
}

std::optional<std::uint64_t> parse_u64(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

Result<Bytes> parse_bytes(std::string_view text) {
  const std::size_t length = number_length(text);
  const auto number = parse_number(text.substr(0, length));
  std::string_view suffix = text.substr(length);
  if (suffix.starts_with(' ')) suffix.remove_prefix(1);
  if (number) {
    for (const Suffix& known : kByteSuffixes) {
      if (known.text != suffix) continue;
      const double value = *number * known.factor;
      if (value > 9223372036854775808.0)
        return invalid("'" + std::string(text) + "' is more bytes than a machine can hold");
      if (known.factor == 1 && text.find('.') == std::string_view::npos) {
        if (const auto exact = parse_u64(text.substr(0, length))) return Bytes{*exact};
      }
      return Bytes{static_cast<std::uint64_t>(std::llround(value))};
    }
  }
  return invalid("'" + std::string(text) +
                 "' is not a size: expected a number of bytes such as 256MiB, 1.5GB or 512k");
}

Result<Nanoseconds> parse_duration(std::string_view text) {
  double total = 0;
  std::string_view rest = text;
  bool good = !rest.empty();
  while (good && !rest.empty()) {
    const std::size_t length = number_length(rest);
    const auto number = parse_number(rest.substr(0, length));
    rest.remove_prefix(length);
    std::size_t letters = 0;
    while (letters < rest.size() && rest[letters] >= 'a' && rest[letters] <= 'z') ++letters;
    good = false;
    for (const Suffix& known : kTimeSuffixes) {
      if (number && known.text == rest.substr(0, letters)) {
        total += *number * known.factor;
        good = total < 9.2e18;
      }
    }
    rest.remove_prefix(letters);
  }
  if (good) return Nanoseconds(std::llround(total));
  return invalid("'" + std::string(text) +
                 "' is not a duration: expected one such as 20ms, 10s, 1m30s or 48h");
}

std::string format_bytes(Bytes bytes) {
  static constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes.value);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return trimmed(value) + std::string(kUnits[unit]);
}

std::string format_duration(Nanoseconds duration) {
  const auto count = static_cast<double>(duration.count());
  if (count < 0) return "-" + format_duration(-duration);
  if (count == 0) return "0s";
  if (count < 1e3) return trimmed(count) + "ns";
  if (count < 1e6) return trimmed(count / 1e3) + "us";
  if (count < 1e9) return trimmed(count / 1e6) + "ms";
  if (count < 60e9) return trimmed(count / 1e9) + "s";
  const auto seconds = static_cast<std::uint64_t>(count / 1e9);
  std::string out;
  if (seconds >= 86400) {
    out = std::to_string(seconds / 86400) + "d";
    if (const auto hours = seconds % 86400 / 3600) out += std::to_string(hours) + "h";
  } else if (seconds >= 3600) {
    out = std::to_string(seconds / 3600) + "h";
    if (const auto minutes = seconds % 3600 / 60) out += std::to_string(minutes) + "m";
  } else {
    out = std::to_string(seconds / 60) + "m";
    if (const auto rest = seconds % 60) out += std::to_string(rest) + "s";
  }
  return out;
}

}  // namespace plimsoll
