// Puts an expression together, children before their parents. Knows nothing of grammar or types.
#pragma once

#include <string_view>

#include "policies/expression.h"

namespace plimsoll::policies {

class ExpressionBuilder {
 public:
  using Op = Expression::Op;
  explicit ExpressionBuilder(std::string_view text) { out_.text_ = text; }

  // Each gives the node that it made.
  std::uint16_t number(double value);
  std::uint16_t signal(SignalId signal);
  std::uint16_t window(Function function, SignalId signal, Nanoseconds length);
  std::uint16_t join(Op op, std::uint16_t left, std::uint16_t right);
  // A `for` behind `inner`; `at` and `size` are its part of the text.
  std::uint16_t hold(std::uint16_t inner, std::size_t at, std::size_t size, Nanoseconds length);

  void reads(SignalId signal);  // alone or in a window
  void compares(std::uint16_t node, std::size_t at, std::size_t size, Unit unit);

  bool overflown() const { return overflown_; }  // more than 512 nodes were asked for
  Expression finish(std::uint16_t root) &&;

 private:
  std::uint16_t add(Expression::Node node);
  Expression out_;
  bool overflown_ = false;
};

}  // namespace plimsoll::policies
