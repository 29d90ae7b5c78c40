// The values that a quantity may have, from an end to an end, and arithmetic with them.
#pragma once

#include <limits>

namespace plimsoll::policies {

struct Interval {
  double low, high;
  bool low_open = false, high_open = false;  // without the end itself
  bool empty() const { return low > high || (low == high && (low_open || high_open)); }
};
inline constexpr double kInfinite = std::numeric_limits<double>::infinity();
inline constexpr Interval kAnything{-kInfinite, kInfinite};

Interval meet(const Interval& a, const Interval& b);
// These take ends as closed: what they give may be too wide, never too narrow.
Interval sum_of(const Interval& a, const Interval& b);
Interval minus(const Interval& a);
Interval product_of(const Interval& a, const Interval& b);
Interval quotient_of(const Interval& a, const Interval& b);

}  // namespace plimsoll::policies
