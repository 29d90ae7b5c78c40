// What can be told of a condition without ever seeing a value: that it never holds, always does, or holds
// whenever another one does. Simple reasoning over intervals: what it cannot prove it calls possible.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "policies/expression.h"
#include "policies/interval.h"

namespace plimsoll::policies {

Interval range_of(const SignalInfo& signal);

enum class Holds : std::uint8_t { kSometimes, kNever, kAlways };

class Reasoning {
 public:
  // Of a condition, which must outlive this.
  explicit Reasoning(const Expression& condition) : of_(condition) {}

  // The `for` of the whole is left aside: what holds always has held for any time.
  Holds whole() const;
  // Where its parts are possible alone and not together: of what signal they ask too much. "" where unknown.
  std::string contradiction() const;

  struct Comparison {
    std::size_t at = 0;  // in the text
    std::string_view text;
    Holds holds = Holds::kSometimes;
    std::vector<SignalId> signals;  // that it reads; empty: it compares numbers only
  };
  std::vector<Comparison> comparisons() const;

  // Whether it can be proven that this holds whenever `when` does, the `for` of the whole aside.
  bool follows_from(const Reasoning& when) const;

 private:
  using Op = Expression::Op;
  // factor * what is named by key; key "" is 1.
  struct Linear {
    double factor = 0;
    std::string key;
    Interval range{0, 0};  // of what is named
  };
  // What must be true together: `first` OP bound * `second` of each pair.
  using Facts = std::map<std::pair<std::string, std::string>, Interval>;
  using Worlds = std::vector<Facts>;  // one of them; none: impossible

  std::uint16_t root() const;  // without the `for` of the whole
  std::optional<Linear> linear(std::uint16_t index) const;
  std::optional<Linear> joined(const Expression::Node& node) const;
  Interval range(std::uint16_t index) const;
  std::optional<Worlds> worlds(std::uint16_t index, bool positive, std::string* clash) const;
  static std::optional<Worlds> both(const Worlds& left, const Worlds& right, std::string* clash);
  Worlds compared(const Expression::Node& node, bool positive) const;
  static Worlds bounded(const Linear& one, Op op, double bound, const Linear* other);
  void collect(std::uint16_t index, std::vector<SignalId>& signals) const;

  friend std::optional<double> multiple_of(const Expression& value, std::string_view signal);

  const Expression& of_;
};

// The number that a value without signals is; nullopt where it reads one.
std::optional<double> constant_of(const Expression& value);
// 0.9 of "90% of memory.max"; nullopt where the value is not simply a multiple of that signal.
std::optional<double> multiple_of(const Expression& value, std::string_view signal);

}  // namespace plimsoll::policies
