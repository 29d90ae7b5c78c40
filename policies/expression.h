// Conditions and values of the language: text -> typed expression -> value. Grammar:
//
//   condition  := any ; any := all ("or" all)* ; all := no ("and" no)* ; no := "not" no | held
//   held       := (value OP value | "(" condition ")") ["for" DURATION]      OP: < <= > >= == !=
//   value      := term (("+" | "-") term)* ; term := factor (("*" | "/") factor)*
//   factor     := "-" factor | "(" value ")" | QUANTITY | PERCENT ["of" factor] | SIGNAL
//               | ("avg"|"max"|"min"|"rate"|"p50"|"p95"|"p99") "(" SIGNAL "," DURATION ")"
//
// Bounded against hostile text: 4,096 bytes, 512 nodes, nesting of 64, windows of an hour.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/units.h"
#include "policies/quantity.h"
#include "policies/signal.h"

namespace plimsoll::policies {

enum class Function : std::uint8_t { kAverage, kMax, kMin, kRate, kP50, kP95, kP99 };

enum class Truth : std::uint8_t { kFalse, kTrue, kUnknown };
std::string_view to_string(Truth truth);  // "false" | "true" | "unknown"

// What an expression reads; the engine's view of one container, or of the host.
class SignalSource {
 public:
  virtual ~SignalSource() = default;
  virtual Reading value(SignalId signal) const = 0;
  virtual Reading window(Function function, SignalId signal, Nanoseconds window) const = 0;
};

// A `for`: since when its condition has not been false. An unknown leaves it as it is: a sample that could
// not be had neither fires a rule nor makes it wait anew.
struct HoldTimer {
  std::optional<BootTime> since;
};

struct ExpressionError {
  std::size_t at = 0;  // byte in the text
  std::string message;
};

class Expression {
 public:
  struct Options {
    bool host_only = false;  // HostPolicy: only host.* signals are there
  };
  // A condition (`when`, `until`).
  static std::expected<Expression, ExpressionError> condition(std::string_view text, Options options);
  // A value of unit `wanted` (a `set`).
  static std::expected<Expression, ExpressionError> value(std::string_view text, Unit wanted,
                                                          Options options);

  const std::string& text() const { return text_; }
  std::size_t timers() const { return holds_.size(); }

  // A `for`, in the order of its timer: the part of the text that it ends, and how long that must hold.
  struct Hold {
    std::size_t at = 0, size = 0;
    Nanoseconds duration{0};
  };
  const std::vector<Hold>& holds() const { return holds_; }
  // A comparison, in the order of the text, with what both sides are now.
  struct Compared {
    std::string_view text;  // of text()
    std::string_view op;    // "<="
    Reading left, right;
    Unit unit;
    Truth truth;
  };
  std::vector<Compared> comparisons(const SignalSource& source) const;
  std::string_view part(std::size_t at, std::size_t size) const {
    return std::string_view(text_).substr(at, size);
  }
  // The signals and windows it reads, each once, in the order of the text.
  const std::vector<SignalId>& signals() const { return signals_; }
  const std::vector<std::pair<SignalId, Nanoseconds>>& windows() const { return windows_; }

  // `now` is when the values were sampled; `timers` has timers() entries and is updated. With `why`, the
  // first unknown reading is put there.
  Truth test(const SignalSource& source, BootTime now, std::vector<HoldTimer>& timers, Reading* why) const;
  // Since when the parts that are true now have been: the earliest of its timers, or `now`.
  BootTime since(BootTime now, const std::vector<HoldTimer>& timers) const;
  Reading evaluate(const SignalSource& source) const;

 private:
  enum class Op : std::uint8_t {
    kNumber,
    kSignal,
    kWindow,
    kNegate,
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kEqual,
    kNotEqual,
    kAnd,
    kOr,
    kNot,
    kFor,
  };
  struct Node {
    Op op = Op::kNumber;
    Function function = Function::kAverage;
    SignalId signal = 0;
    std::uint16_t left = 0, right = 0;  // of nodes_; children stand before their parent
    std::uint16_t timer = 0;
    double number = 0;
    Nanoseconds duration{0};
  };
  friend class ExpressionBuilder;
  friend class Reasoning;
  friend std::optional<double> multiple_of(const Expression& value, std::string_view signal);

  Reading number_at(std::uint16_t index, const SignalSource& source) const;
  static std::string_view op_text(Op op);
  Truth compare(const Node& node, const SignalSource& source, Reading* why) const;
  struct Testing;
  Truth test_at(std::uint16_t index, const Testing& testing) const;

  std::string text_;
  std::vector<Node> nodes_;
  std::uint16_t root_ = 0;
  std::vector<Hold> holds_;
  struct Comparison {
    std::uint16_t node = 0;
    std::size_t at = 0, size = 0;
    Unit unit = Unit::kNumber;
  };
  std::vector<Comparison> comparisons_;
  std::vector<SignalId> signals_;
  std::vector<std::pair<SignalId, Nanoseconds>> windows_;
};

}  // namespace plimsoll::policies
