#include "policies/interval.h"

#include <algorithm>
#include <cmath>

namespace plimsoll::policies {
namespace {

// Infinity times 0 is 0 here: no value is infinite, it only has no known end.
double times(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

// Numbers that are too large for a double make ends that are no numbers.
Interval sane(const Interval& interval) {
  return std::isnan(interval.low) || std::isnan(interval.high) ? kAnything : interval;
}

}  // namespace

Interval meet(const Interval& a, const Interval& b) {
  Interval out = a;
  if (b.low > out.low || (b.low == out.low && b.low_open)) {
    out.low = b.low;
    out.low_open = b.low_open;
  }
  if (b.high < out.high || (b.high == out.high && b.high_open)) {
    out.high = b.high;
    out.high_open = b.high_open;
  }
  return out;
}

Interval sum_of(const Interval& a, const Interval& b) { return sane({a.low + b.low, a.high + b.high}); }

Interval minus(const Interval& a) { return {-a.high, -a.low}; }

Interval product_of(const Interval& a, const Interval& b) {
  const double ends[] = {times(a.low, b.low), times(a.low, b.high), times(a.high, b.low),
                         times(a.high, b.high)};
  const bool broken = std::ranges::any_of(ends, [](double end) { return std::isnan(end); });
  return broken ? kAnything : Interval{*std::ranges::min_element(ends), *std::ranges::max_element(ends)};
}

Interval quotient_of(const Interval& a, const Interval& b) {
  if (b.low > 0 || b.high < 0) return product_of(a, {1 / b.high, 1 / b.low});
  return a.low >= 0 && b.low >= 0 ? Interval{0, kInfinite} : kAnything;
}

}  // namespace plimsoll::policies
