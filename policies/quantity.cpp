#include "policies/quantity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "agent/base/units.h"
#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

bool dimensionless(Unit unit) {
  return unit == Unit::kNumber || unit == Unit::kCount || unit == Unit::kShare;
}

// Whether a value of type `from` may stand where `to` is wanted.
bool adapts(Type from, Type to) {
  if (from.unit == to.unit || (from.literal && from.zero)) return true;
  if (from.unit == Unit::kNumber) {
    if (!from.literal) return to.unit == Unit::kShare || to.unit == Unit::kCount;
    return to.unit == Unit::kCount || to.unit == Unit::kCores || to.unit == Unit::kPerSecond ||
           to.unit == Unit::kCoresPerSecond;
  }
  return from.literal && from.unit == Unit::kBytes && to.unit == Unit::kBytesPerSecond;
}

}  // namespace

std::string_view describe(Unit unit) {
  static constexpr std::array<std::string_view, 9> kText = {
      "a number",       "a count", "a share (percent)", "cores",         "bytes",
      "bytes a second", "seconds", "a count a second",  "cores a second"};
  return kText[static_cast<std::size_t>(unit)];
}

std::string_view example(Unit unit) {
  static constexpr std::array<std::string_view, 9> kText = {"2",       "100",  "40%", "1.5", "256MiB",
                                                            "10MiB/s", "20ms", "100", "0.5"};
  return kText[static_cast<std::size_t>(unit)];
}

bool comparable(Type a, Type b) { return adapts(a, b) || adapts(b, a); }

std::optional<Type> sum(Type a, Type b) {
  const bool literal = a.literal && b.literal;
  const bool zero = literal && a.zero && b.zero;
  if (adapts(b, a) && !(a.literal && !b.literal)) return Type{a.unit, literal, zero};
  if (adapts(a, b)) return Type{b.unit, literal, zero};
  if (adapts(b, a)) return Type{a.unit, literal, zero};
  return std::nullopt;
}

std::optional<Type> product(Type a, Type b) {
  const bool literal = a.literal && b.literal;
  const bool zero = a.zero || b.zero;
  if (dimensionless(a.unit) && dimensionless(b.unit)) {
    const bool shares = a.unit == Unit::kShare && b.unit == Unit::kShare;
    return Type{shares ? Unit::kShare : a.unit == Unit::kShare ? b.unit : a.unit, literal, zero};
  }
  if (dimensionless(a.unit)) return Type{b.unit, literal, zero};
  if (dimensionless(b.unit)) return Type{a.unit, literal, zero};
  if (a.unit != Unit::kSeconds && b.unit != Unit::kSeconds) return std::nullopt;
  switch (a.unit == Unit::kSeconds ? b.unit : a.unit) {
    case Unit::kBytesPerSecond:
      return Type{Unit::kBytes, literal, zero};
    case Unit::kPerSecond:
      return Type{Unit::kNumber, literal, zero};
    case Unit::kCoresPerSecond:
      return Type{Unit::kCores, literal, zero};
    default:
      return std::nullopt;
  }
}

std::optional<Type> quotient(Type a, Type b) {
  const bool literal = a.literal && b.literal;
  if (a.unit == b.unit || (dimensionless(a.unit) && dimensionless(b.unit))) {
    return Type{Unit::kNumber, literal, a.zero};
  }
  if (dimensionless(b.unit)) return Type{a.unit, literal, a.zero};
  if (a.unit == Unit::kBytes && b.unit == Unit::kBytesPerSecond) return Type{Unit::kSeconds, literal, a.zero};
  if (a.unit == Unit::kBytes && b.unit == Unit::kSeconds) return Type{Unit::kBytesPerSecond, literal, a.zero};
  if (a.unit == Unit::kCores && b.unit == Unit::kSeconds) return Type{Unit::kCoresPerSecond, literal, a.zero};
  if (dimensionless(a.unit) && b.unit == Unit::kSeconds) return Type{Unit::kPerSecond, literal, a.zero};
  // A number of cores divided by a literal number and the like: cores / cores is covered above.
  if (b.literal && adapts(b, a)) return Type{Unit::kNumber, literal, a.zero};
  return std::nullopt;
}

std::optional<Unit> change_per_second(Unit unit) {
  switch (unit) {
    case Unit::kBytes:
      return Unit::kBytesPerSecond;
    case Unit::kCores:
      return Unit::kCoresPerSecond;
    case Unit::kSeconds:
      return Unit::kNumber;
    case Unit::kNumber:
    case Unit::kCount:
    case Unit::kShare:
      return Unit::kPerSecond;
    default:
      return std::nullopt;
  }
}

Result<Quantity> parse_quantity(std::string_view text) {
  if (const auto number = parse_number(text)) return Quantity{*number, {Unit::kNumber, true, *number == 0}};
  if (text.ends_with('%')) {
    if (const auto number = parse_number(text.substr(0, text.size() - 1))) {
      return Quantity{*number / 100, {Unit::kShare, true, *number == 0}};
    }
  }
  if (const auto duration = parse_duration(text)) {
    const double seconds = std::chrono::duration<double>(*duration).count();
    return Quantity{seconds, {Unit::kSeconds, true, seconds == 0}};
  }
  const bool rate = text.ends_with("/s");
  if (const auto bytes = parse_bytes(rate ? text.substr(0, text.size() - 2) : text)) {
    const auto value = static_cast<double>(bytes->value);
    return Quantity{value, {rate ? Unit::kBytesPerSecond : Unit::kBytes, true, value == 0}};
  }
  return invalid(quoted(text) +
                 " is not a quantity, expected a number with a unit such as 256MiB, 1.5, 20ms or 40%");
}

std::string format_number(double value) {
  std::array<char, 64> buffer{};
  if (std::abs(value) >= 1000 && std::abs(value) < 1e15) {
    std::snprintf(buffer.data(), buffer.size(), "%.0f", value);
  } else {
    std::snprintf(buffer.data(), buffer.size(), "%.4g", value);
  }
  return buffer.data();
}

std::string format_quantity(double value, Unit unit) {
  constexpr double kMostBytes = 9.2e18;
  const std::string sign = value < 0 ? "-" : "";
  const double size = std::min(std::abs(value), kMostBytes);
  switch (unit) {
    case Unit::kBytes:
      return sign + format_bytes(Bytes{static_cast<std::uint64_t>(std::llround(size))});
    case Unit::kBytesPerSecond:
      return sign + format_bytes(Bytes{static_cast<std::uint64_t>(std::llround(size))}) + "/s";
    case Unit::kSeconds:
      return sign + format_duration(Nanoseconds(std::llround(std::min(size * 1e9, kMostBytes))));
    case Unit::kShare:
      return format_number(value * 100) + "%";
    case Unit::kCores:
      return format_number(value) + (value == 1 ? " core" : " cores");
    case Unit::kCoresPerSecond:
      return format_number(value) + " cores/s";
    case Unit::kPerSecond:
      return format_number(value) + "/s";
    case Unit::kNumber:
    case Unit::kCount:
      break;
  }
  return format_number(value);
}

}  // namespace plimsoll::policies
