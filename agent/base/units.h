// Quantities as types, and their text as people write it in policies, flags and tables.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace plimsoll {

struct Bytes {
  std::uint64_t value = 0;
  auto operator<=>(const Bytes&) const = default;
};

// CPU time a second of wall time: 1.5 is one and a half cores.
struct CpuCores {
  double value = 0;
  auto operator<=>(const CpuCores&) const = default;
};

using Nanoseconds = std::chrono::nanoseconds;
using Microseconds = std::chrono::microseconds;

constexpr double to_seconds(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

// "256MiB", "1.5GB", "4096", Docker's "256m" (binary, as Docker's). Suffixes: B, kB/MB/GB/TB (decimal),
// KiB/MiB/GiB/TiB and k/m/g/t, K/M/G/T (binary).
Result<Bytes> parse_bytes(std::string_view text);
// "20ms", "1.5s", "10s", "1m", "1h30m", "250us", "48h", "7d".
Result<Nanoseconds> parse_duration(std::string_view text);
// A decimal number with nothing behind it; nullopt otherwise. Accepts neither "inf" nor "nan" nor
// hexadecimal.
std::optional<double> parse_number(std::string_view text);
std::optional<std::uint64_t> parse_u64(std::string_view text);

// "256MiB", "1.5GiB", "512B": the largest binary unit that leaves 1 or more, at most 4 significant digits, as
// Docker's tables.
std::string format_bytes(Bytes bytes);
// "20ms", "1.5s", "2m30s", "3h2m".
std::string format_duration(Nanoseconds duration);

}  // namespace plimsoll
