#include "policies/reasoning.h"

#include <algorithm>
#include <cmath>

#include "policies/expression_builder.h"

namespace plimsoll::policies {
namespace {

using Op = ExpressionBuilder::Op;

// More alternatives than that are not reasoned about: conditions of people have a handful.
constexpr std::size_t kMostWorlds = 64;
constexpr std::size_t kMostPairs = 1024;

// Of a ratio whose second part may be 0: 0 >= 5 * 0 and 0 <= 3 * 0 both hold, so one end must be open.
bool impossible(const Interval& interval, bool ratio) {
  return interval.empty() && (!ratio || interval.low_open || interval.high_open);
}

Op opposite(Op op) {
  switch (op) {
    case Op::kLess:
      return Op::kGreaterEqual;
    case Op::kLessEqual:
      return Op::kGreater;
    case Op::kGreater:
      return Op::kLessEqual;
    case Op::kGreaterEqual:
      return Op::kLess;
    default:
      return op == Op::kEqual ? Op::kNotEqual : Op::kEqual;
  }
}

// a < b is b > a.
Op turned(Op op) {
  switch (op) {
    case Op::kLess:
      return Op::kGreater;
    case Op::kLessEqual:
      return Op::kGreaterEqual;
    case Op::kGreater:
      return Op::kLess;
    case Op::kGreaterEqual:
      return Op::kLessEqual;
    default:
      return op;
  }
}

// By where both sides can be at all.
bool may_hold(Op op, const Interval& a, const Interval& b) {
  switch (op) {
    case Op::kLess:
      return a.low < b.high;
    case Op::kLessEqual:
      return a.low <= b.high;
    case Op::kGreater:
      return a.high > b.low;
    case Op::kGreaterEqual:
      return a.high >= b.low;
    case Op::kEqual:
      return a.low <= b.high && b.low <= a.high;
    default:
      return a.low != a.high || b.low != b.high || a.low != b.low;
  }
}

class NoSignals final : public SignalSource {
 public:
  Reading value(SignalId signal) const override { return {0, Unknown::kNotThere, signal}; }
  Reading window(Function /*function*/, SignalId signal, Nanoseconds /*window*/) const override {
    return {0, Unknown::kNotThere, signal};
  }
};

}  // namespace

Interval range_of(const SignalInfo& signal) {
  if (signal.name == "memory.growth") return kAnything;
  if (signal.name == "host.time.utc") return {0, 24 * 3600, false, true};
  if (signal.name == "host.time.weekday") return {1, 7};
  return {0, signal.unit == Unit::kShare ? 1 : kInfinite};
}

std::optional<Reasoning::Linear> Reasoning::linear(std::uint16_t index) const {
  const Expression::Node& node = of_.nodes_[index];
  switch (node.op) {
    case Op::kNumber:
      return Linear{node.number, "", {1, 1}};
    case Op::kSignal:
      return Linear{1, std::string(signals()[node.signal].name), range_of(signals()[node.signal])};
    case Op::kWindow: {
      const std::string key = std::to_string(static_cast<int>(node.function)) + "(" +
                              std::string(signals()[node.signal].name) + "," +
                              std::to_string(node.duration.count());
      return Linear{1, key, range(index)};
    }
    case Op::kNegate: {
      auto inner = linear(node.left);
      if (inner) inner->factor = -inner->factor;
      return inner;
    }
    default:
      return joined(node);
  }
}

std::optional<Reasoning::Linear> Reasoning::joined(const Expression::Node& node) const {
  auto left = linear(node.left);
  auto right = linear(node.right);
  if (!left || !right) return std::nullopt;
  switch (node.op) {
    case Op::kAdd:
    case Op::kSubtract:
      if (left->key != right->key) return std::nullopt;
      left->factor += node.op == Op::kAdd ? right->factor : -right->factor;
      return left;
    case Op::kMultiply:
      if (left->key.empty()) std::swap(left, right);
      if (!right->key.empty()) return std::nullopt;
      left->factor *= right->factor;
      return left;
    default:
      if (!right->key.empty() || right->factor == 0) return std::nullopt;
      left->factor /= right->factor;
      return left;
  }
}

Interval Reasoning::range(std::uint16_t index) const {
  const Expression::Node& node = of_.nodes_[index];
  switch (node.op) {
    case Op::kNumber:
      return {node.number, node.number};
    case Op::kSignal:
      return range_of(signals()[node.signal]);
    case Op::kWindow:
      return node.function == Function::kRate ? kAnything : range_of(signals()[node.signal]);
    default:
      break;
  }
  const Interval left = range(node.left);
  if (node.op == Op::kNegate) return minus(left);
  const Interval right = range(node.right);
  switch (node.op) {
    case Op::kAdd:
      return sum_of(left, right);
    case Op::kSubtract:
      return sum_of(left, minus(right));
    case Op::kMultiply:
      return product_of(left, right);
    default:
      return quotient_of(left, right);
  }
}

// `one` OP bound, or `one` OP bound * `other`.
Reasoning::Worlds Reasoning::bounded(const Linear& one, Op op, double bound, const Linear* other) {
  Interval asked = kAnything;
  if (op == Op::kLess || op == Op::kLessEqual || op == Op::kEqual) {
    asked.high = bound;
    asked.high_open = op == Op::kLess;
  }
  if (op == Op::kGreater || op == Op::kGreaterEqual || op == Op::kEqual) {
    asked.low = bound;
    asked.low_open = op == Op::kGreater;
  }
  const Interval found = meet(other != nullptr ? Interval{0, kInfinite} : one.range, asked);
  if (impossible(found, other != nullptr)) return {};
  return {{{{one.key, other != nullptr ? other->key : ""}, found}}};
}

Reasoning::Worlds Reasoning::compared(const Expression::Node& node, bool positive) const {
  Op op = positive ? node.op : opposite(node.op);
  if (!may_hold(op, range(node.left), range(node.right))) return {};
  auto left = linear(node.left), right = linear(node.right);
  if (!left || !right) return {{}};
  if (std::isnan(left->factor) || std::isnan(right->factor)) return {{}};
  if (left->key == right->key && !left->key.empty()) {
    left->factor -= right->factor;
    right = Linear{0, "", {1, 1}};
    if (left->factor == 0) {
      left->key = "";
      const bool true_of_0 = op == Op::kLessEqual || op == Op::kGreaterEqual || op == Op::kEqual;
      return true_of_0 ? Worlds{{}} : Worlds{};
    }
  }
  if (left->key < right->key) {
    std::swap(left, right);
    op = turned(op);
  }
  if (left->key.empty() || left->factor == 0) return {{}};  // numbers only: the ranges told all
  if (left->factor < 0) op = turned(op);
  const double bound = right->factor / left->factor;
  if (std::isnan(bound)) return {{}};
  if (right->key.empty()) return bounded(*left, op, bound, nullptr);
  if (left->factor < 0 || right->factor < 0 || left->range.low < 0 || right->range.low < 0) return {{}};
  return bounded(*left, op, bound, &*right);
}

std::optional<Reasoning::Worlds> Reasoning::both(const Worlds& left, const Worlds& right,
                                                 std::string* clash) {
  if (left.size() * right.size() > kMostPairs) return std::nullopt;
  Worlds out;
  for (const Facts& a : left) {
    for (const Facts& b : right) {
      Facts together = a;
      bool possible = true;
      for (const auto& [key, interval] : b) {
        const auto [known, fresh] = together.emplace(key, interval);
        if (fresh) continue;
        known->second = meet(known->second, interval);
        if (!impossible(known->second, !key.second.empty())) continue;
        possible = false;
        if (clash != nullptr) *clash = key.first;
      }
      if (possible) out.push_back(std::move(together));
      if (out.size() > kMostWorlds) return std::nullopt;
    }
  }
  return out;
}

// nullopt: too many to tell.
std::optional<Reasoning::Worlds> Reasoning::worlds(std::uint16_t index, bool positive,
                                                   std::string* clash) const {
  const Expression::Node& node = of_.nodes_[index];
  if (node.op == Op::kNot) return worlds(node.left, !positive, clash);
  // What has not held for long may hold now, or not.
  if (node.op == Op::kFor) return positive ? worlds(node.left, true, clash) : Worlds{{}};
  if (node.op != Op::kAnd && node.op != Op::kOr) return compared(node, positive);
  auto left = worlds(node.left, positive, clash);
  const auto right = worlds(node.right, positive, clash);
  if (!left || !right) return std::nullopt;
  if ((node.op == Op::kAnd) == positive) return both(*left, *right, clash);
  left->insert(left->end(), right->begin(), right->end());
  return left->size() > kMostWorlds ? std::nullopt : left;
}

std::uint16_t Reasoning::root() const {
  std::uint16_t index = of_.root_;
  while (of_.nodes_[index].op == Op::kFor) index = of_.nodes_[index].left;
  return index;
}

Holds Reasoning::whole() const {
  const auto may = worlds(root(), true, nullptr);
  if (may && may->empty()) return Holds::kNever;
  const auto may_not = worlds(root(), false, nullptr);
  return may_not && may_not->empty() ? Holds::kAlways : Holds::kSometimes;
}

std::string Reasoning::contradiction() const {
  std::string clash;
  worlds(root(), true, &clash);
  // "0(memory.usage,1000" is a window.
  const auto open = clash.find('(');
  return open == std::string::npos ? clash : clash.substr(open + 1, clash.find(',') - open - 1);
}

void Reasoning::collect(std::uint16_t index, std::vector<SignalId>& signals) const {
  const Expression::Node& node = of_.nodes_[index];
  if (node.op == Op::kNumber) return;
  if (node.op == Op::kSignal || node.op == Op::kWindow) return signals.push_back(node.signal);
  collect(node.left, signals);
  if (node.op != Op::kNegate) collect(node.right, signals);
}

std::vector<Reasoning::Comparison> Reasoning::comparisons() const {
  std::vector<Comparison> out;
  for (const Expression::Comparison& one : of_.comparisons_) {
    const Expression::Node& node = of_.nodes_[one.node];
    Comparison& told = out.emplace_back();
    told.at = one.at;
    told.text = of_.part(one.at, one.size);
    collect(node.left, told.signals);
    collect(node.right, told.signals);
    if (compared(node, true).empty()) told.holds = Holds::kNever;
    if (compared(node, false).empty()) told.holds = Holds::kAlways;
  }
  return out;
}

bool Reasoning::follows_from(const Reasoning& when) const {
  const auto fires = when.worlds(when.root(), true, nullptr);
  const auto stays = worlds(root(), false, nullptr);
  if (!fires || !stays) return false;
  const auto together = both(*fires, *stays, nullptr);
  return together && together->empty();
}

std::optional<double> constant_of(const Expression& value) {
  if (!value.signals().empty()) return std::nullopt;
  const Reading reading = value.evaluate(NoSignals());
  return reading.known() ? std::optional(reading.value) : std::nullopt;
}

std::optional<double> multiple_of(const Expression& value, std::string_view signal) {
  const auto linear = Reasoning(value).linear(value.root_);
  return linear && linear->key == signal ? std::optional(linear->factor) : std::nullopt;
}

}  // namespace plimsoll::policies
