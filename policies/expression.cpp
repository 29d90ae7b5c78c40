#include "policies/expression.h"

#include <array>

namespace plimsoll::policies {

std::string_view to_string(Truth truth) {
  static constexpr std::array<std::string_view, 3> kText = {"false", "true", "unknown"};
  return kText[static_cast<std::size_t>(truth)];
}

struct Expression::Testing {
  const SignalSource& source;
  BootTime now;
  std::vector<HoldTimer>& timers;
  Reading* why;
};

Reading Expression::number_at(std::uint16_t index, const SignalSource& source) const {
  const Node& node = nodes_[index];
  switch (node.op) {
    case Op::kNumber:
      return {node.number, Unknown::kKnown, 0};
    case Op::kSignal:
      return source.value(node.signal);
    case Op::kWindow:
      return source.window(node.function, node.signal, node.duration);
    default:
      break;
  }
  Reading left = number_at(node.left, source);
  if (!left.known()) return left;
  if (node.op == Op::kNegate) return {-left.value, Unknown::kKnown, 0};
  const Reading right = number_at(node.right, source);
  if (!right.known()) return right;
  switch (node.op) {
    case Op::kAdd:
      left.value += right.value;
      break;
    case Op::kSubtract:
      left.value -= right.value;
      break;
    case Op::kMultiply:
      left.value *= right.value;
      break;
    default:
      if (right.value == 0) return {0, Unknown::kZeroDivisor, 0};
      left.value /= right.value;
  }
  return left;
}

Truth Expression::compare(const Node& node, const SignalSource& source, Reading* why) const {
  const Reading left = number_at(node.left, source);
  const Reading right = left.known() ? number_at(node.right, source) : left;
  if (!left.known() || !right.known()) {
    if (why != nullptr && why->known()) *why = right;
    return Truth::kUnknown;
  }
  const auto holds = [&] {
    switch (node.op) {
      case Op::kLess:
        return left.value < right.value;
      case Op::kLessEqual:
        return left.value <= right.value;
      case Op::kGreater:
        return left.value > right.value;
      case Op::kGreaterEqual:
        return left.value >= right.value;
      case Op::kEqual:
        return left.value == right.value;
      default:
        return left.value != right.value;
    }
  };
  return holds() ? Truth::kTrue : Truth::kFalse;
}

// Both sides are always visited, as every timer must see every sample.
Truth Expression::test_at(std::uint16_t index, const Testing& testing) const {
  const Node& node = nodes_[index];
  switch (node.op) {
    case Op::kAnd:
    case Op::kOr: {
      const Truth left = test_at(node.left, testing);
      const Truth right = test_at(node.right, testing);
      const Truth deciding = node.op == Op::kAnd ? Truth::kFalse : Truth::kTrue;
      if (left == deciding || right == deciding) return deciding;
      return left == Truth::kUnknown ? left : right;
    }
    case Op::kNot: {
      const Truth inner = test_at(node.left, testing);
      if (inner == Truth::kUnknown) return inner;
      return inner == Truth::kTrue ? Truth::kFalse : Truth::kTrue;
    }
    case Op::kFor: {
      const Truth inner = test_at(node.left, testing);
      HoldTimer& timer = testing.timers[node.timer];
      if (inner == Truth::kUnknown) return inner;  // neither clears the timer nor fires by it
      if (inner == Truth::kFalse) {
        timer.since.reset();
        return inner;
      }
      if (!timer.since) timer.since = testing.now;
      return testing.now - *timer.since >= node.duration ? Truth::kTrue : Truth::kFalse;
    }
    default:
      return compare(node, testing.source, testing.why);
  }
}

Truth Expression::test(const SignalSource& source, BootTime now, std::vector<HoldTimer>& timers,
                       Reading* why) const {
  timers.resize(holds_.size());
  return test_at(root_, {source, now, timers, why});
}

BootTime Expression::since(BootTime now, const std::vector<HoldTimer>& timers) const {
  BootTime earliest = now;
  for (const HoldTimer& timer : timers) {
    if (timer.since && *timer.since < earliest) earliest = *timer.since;
  }
  return earliest;
}

std::string_view Expression::op_text(Op op) {
  static constexpr std::array<std::string_view, 6> kText = {"<", "<=", ">", ">=", "==", "!="};
  const auto at = static_cast<std::size_t>(op) - static_cast<std::size_t>(Op::kLess);
  return at < kText.size() ? kText[at] : "";
}

std::vector<Expression::Compared> Expression::comparisons(const SignalSource& source) const {
  std::vector<Compared> out;
  out.reserve(comparisons_.size());
  for (const Comparison& one : comparisons_) {
    const Node& node = nodes_[one.node];
    out.push_back({part(one.at, one.size), op_text(node.op), number_at(node.left, source),
                   number_at(node.right, source), one.unit, compare(node, source, nullptr)});
  }
  return out;
}

Reading Expression::evaluate(const SignalSource& source) const { return number_at(root_, source); }

}  // namespace plimsoll::policies
