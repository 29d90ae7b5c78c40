// Units of the policy language, checked when a policy is loaded.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace plimsoll::policies {

// Values are doubles in the unit's base: bytes, seconds, cores; a share is 0..1 ("40%" is 0.4).
enum class Unit {
  kNumber,
  kCount,
  kShare,
  kCores,
  kBytes,
  kBytesPerSecond,
  kSeconds,
  kPerSecond,
  kCoresPerSecond,
};
std::string_view describe(Unit unit);  // "bytes", "bytes a second", "a share (percent)"
std::string_view example(Unit unit);   // "256MiB", "40%": what an error says was expected

// A value's type. A literal adapts: "2" to cores or a count, "1MiB" to bytes a second; 0 to anything.
struct Type {
  Unit unit = Unit::kNumber;
  bool literal = false;
  bool zero = false;
};
bool comparable(Type a, Type b);
std::optional<Type> sum(Type a, Type b);           // a + b, a - b
std::optional<Type> product(Type a, Type b);       // a * b
std::optional<Type> quotient(Type a, Type b);      // a / b
std::optional<Unit> change_per_second(Unit unit);  // rate()

struct Quantity {
  double value = 0;
  Type type;
};
// "256MiB", "1MiB/s", "1.5", "20ms", "40%". "10m" is ten minutes, never MiB.
Result<Quantity> parse_quantity(std::string_view text);

// As people read it: "104.9MiB", "40.2%", "1.25 cores", "12s", "3".
std::string format_quantity(double value, Unit unit);
std::string format_number(double value);  // at most 4 significant digits, no exponent below 1e15

}  // namespace plimsoll::policies
