#include "policies/expression_builder.h"

#include <algorithm>

namespace plimsoll::policies {
namespace {

constexpr std::size_t kMostNodes = 512;

}  // namespace

std::uint16_t ExpressionBuilder::add(Expression::Node node) {
  if (out_.nodes_.size() >= kMostNodes) {
    overflown_ = true;
    return 0;
  }
  out_.nodes_.push_back(node);
  return static_cast<std::uint16_t>(out_.nodes_.size() - 1);
}

std::uint16_t ExpressionBuilder::number(double value) {
  Expression::Node node;
  node.number = value;
  return add(node);
}

std::uint16_t ExpressionBuilder::signal(SignalId signal) {
  Expression::Node node;
  node.op = Op::kSignal;
  node.signal = signal;
  return add(node);
}

std::uint16_t ExpressionBuilder::window(Function function, SignalId signal, Nanoseconds length) {
  const std::pair asked{signal, length};
  if (std::ranges::find(out_.windows_, asked) == out_.windows_.end()) out_.windows_.push_back(asked);
  Expression::Node node;
  node.op = Op::kWindow;
  node.function = function;
  node.signal = signal;
  node.duration = length;
  return add(node);
}

std::uint16_t ExpressionBuilder::join(Op op, std::uint16_t left, std::uint16_t right) {
  Expression::Node node;
  node.op = op;
  node.left = left;
  node.right = right;
  return add(node);
}

std::uint16_t ExpressionBuilder::hold(std::uint16_t inner, std::size_t at, std::size_t size,
                                      Nanoseconds length) {
  Expression::Node node;
  node.op = Op::kFor;
  node.left = inner;
  node.duration = length;
  node.timer = static_cast<std::uint16_t>(out_.holds_.size());
  out_.holds_.push_back({at, size, length});
  return add(node);
}

void ExpressionBuilder::reads(SignalId signal) {
  if (std::ranges::find(out_.signals_, signal) == out_.signals_.end()) out_.signals_.push_back(signal);
}

void ExpressionBuilder::compares(std::uint16_t node, std::size_t at, std::size_t size, Unit unit) {
  out_.comparisons_.push_back({node, at, size, unit});
}

Expression ExpressionBuilder::finish(std::uint16_t root) && {
  out_.root_ = root;
  return std::move(out_);
}

}  // namespace plimsoll::policies
