// Recursive descent over tokens; each rule of the grammar in expression.h is one function. Types are checked
// on the way, so that an error names the place of the operator that joins what cannot be joined.
#include <algorithm>
#include <array>

#include "policies/expression_builder.h"
#include "policies/expression_tokens.h"
#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

constexpr std::size_t kLongestText = 4096;
constexpr int kDeepest = 64;
constexpr Nanoseconds kLongestWindow = std::chrono::hours(1);
constexpr Nanoseconds kLongestHold = std::chrono::hours(365 * 24);  // since plus it stays a time

constexpr std::array<std::string_view, 7> kFunctions = {"avg", "max", "min", "rate", "p50", "p95", "p99"};

class ExpressionParser {
 public:
  using Error = ExpressionError;
  ExpressionParser(std::string_view text, Expression::Options options)
      : text_(text), options_(options), tokens_(text), builder_(text) {}

  std::expected<Expression, Error> condition() {
    if (start()) {
      const Part part = any();
      if (!error_ && !part.truth)
        complain(0, "this is " + of(part.type) +
                        ", expected a condition such as memory.usage > 80% of memory.max");
      finish(part);
    }
    return result();
  }

  std::expected<Expression, Error> value(Unit wanted) {
    if (start()) {
      const Part part = any();
      if (!error_ && part.truth) {
        complain(0, "this is a condition, expected " + std::string(describe(wanted)));
      } else if (!error_ && !fits(part.type, wanted)) {
        complain(0, "this is " + of(part.type) + ", expected " + std::string(describe(wanted)) + " such as " +
                        std::string(example(wanted)));
      }
      finish(part);
    }
    return result();
  }

 private:
  using Op = ExpressionBuilder::Op;
  // What a rule gave: a node, and either a truth or a value of a type.
  struct Part {
    std::uint16_t node = 0;
    bool truth = false;
    Type type;
    std::size_t at = 0;
  };

  static std::string of(Type type) { return std::string(describe(type.unit)); }
  static bool fits(Type type, Unit wanted) {
    if (type.unit == Unit::kBytesPerSecond && wanted == Unit::kBytes) return false;
    return comparable(type, {wanted, false, false});
  }

  bool start() {
    if (text_.size() > kLongestText) {
      complain(0, "longer than 4096 bytes");
      return false;
    }
    next();
    return !error_;
  }
  void finish(const Part& part) {
    if (!error_ && here().kind != Token::Kind::kEnd) {
      complain(here().at, "unexpected " + shown() + ", expected an operator, and, or, for, or the end");
    }
    root_ = part.node;
  }
  std::expected<Expression, Error> result() {
    if (error_) return std::unexpected(*error_);
    return std::move(builder_).finish(root_);
  }

  // Only the first error of an expression is told: what follows it is mostly its echo.
  void complain(std::size_t at, std::string message) {
    if (!error_) error_ = Error{at, std::move(message)};
    tokens_.stop();
  }
  std::string shown() const { return here().kind == Token::Kind::kEnd ? "end" : quoted(here().text); }

  void next() {
    if (error_) return;
    if (auto error = tokens_.next()) complain(error->at, std::move(error->message));
  }

  const Token& here() const { return tokens_.token(); }

  bool take(std::string_view text) {
    if (here().kind == Token::Kind::kEnd || here().text != text) return false;
    next();
    return true;
  }
  void expect(std::string_view text) {
    if (!error_ && !take(text)) {
      complain(here().at, "unexpected " + shown() + ", expected '" + std::string(text) + "'");
    }
  }

  std::uint16_t checked(std::uint16_t node) {
    if (builder_.overflown()) complain(here().at, "more than 512 parts in one expression");
    return node;
  }
  std::uint16_t join(Op op, std::uint16_t left, std::uint16_t right = 0) {
    return checked(builder_.join(op, left, right));
  }

  // Counts the nesting for as long as it lives.
  struct Deeper {
    explicit Deeper(ExpressionParser& parser) : parser_(parser) {
      if (++parser_.depth_ > kDeepest) parser_.complain(parser_.here().at, "nested deeper than 64 levels");
    }
    ~Deeper() { --parser_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    ExpressionParser& parser_;
  };

  Part any() {
    return joined("or", Op::kOr, [this] { return all(); });
  }
  Part all() {
    return joined("and", Op::kAnd, [this] { return negated(); });
  }

  template <typename Rule>
  Part joined(std::string_view word, Op op, Rule rule) {
    Part left = rule();
    while (!error_ && here().kind == Token::Kind::kWord && here().text == word) {
      want_truth(left);
      next();
      const Part right = rule();
      want_truth(right);
      left.node = join(op, left.node, right.node);
    }
    return left;
  }
  void want_truth(const Part& part) {
    if (!error_ && !part.truth) {
      complain(part.at, "this is " + of(part.type) + ", expected a comparison beside and, or, not");
    }
  }

  Part negated() {
    const Deeper deeper(*this);
    const std::size_t at = here().at;
    if (!error_ && here().kind == Token::Kind::kWord && take("not")) {
      const Part inner = negated();
      want_truth(inner);
      return {join(Op::kNot, inner.node), true, {}, at};
    }
    return held();
  }

  Part held() {
    Part part = comparison();
    if (error_ || here().kind != Token::Kind::kWord || here().text != "for") return part;
    if (!part.truth) complain(here().at, "'for' stands behind a comparison, not behind " + of(part.type));
    next();
    const Nanoseconds length = duration("for");
    part.node = checked(builder_.hold(part.node, part.at, tokens_.last_end() - part.at, length));
    return part;
  }

  Nanoseconds duration(std::string_view what) {
    const Token token = here();
    next();
    if (token.kind == Token::Kind::kNumber) {
      const auto parsed = parse_duration(token.text);
      if (parsed && parsed->count() > 0 && *parsed <= kLongestHold) return *parsed;
      if (parsed) {
        complain(token.at, quoted(token.text) + " behind '" + std::string(what) + "', expected a duration " +
                               (parsed->count() > 0 ? "of at most 8760h" : "above 0 such as 10s"));
        return {};
      }
    }
    complain(token.at, (token.kind == Token::Kind::kEnd ? "end" : quoted(token.text)) + " behind '" +
                           std::string(what) + "', expected a duration such as 10s");
    return {};
  }

  static std::optional<Op> comparison_op(const Token& token) {
    if (token.kind != Token::Kind::kSymbol) return std::nullopt;
    if (token.text == "<") return Op::kLess;
    if (token.text == "<=") return Op::kLessEqual;
    if (token.text == ">") return Op::kGreater;
    if (token.text == ">=") return Op::kGreaterEqual;
    if (token.text == "==") return Op::kEqual;
    if (token.text == "!=") return Op::kNotEqual;
    return std::nullopt;
  }

  Part comparison() {
    const Part left = additive();
    const Token operation = here();
    const auto op = comparison_op(operation);
    if (error_ || !op) return left;
    next();
    const Part right = additive();
    const std::size_t right_end = tokens_.last_end();
    if (error_) return left;
    if (left.truth || right.truth) {
      complain(operation.at, "a comparison stands beside " + quoted(operation.text) + ", expected a value");
    } else if (!comparable(left.type, right.type)) {
      complain(operation.at, "compares " + of(left.type) + " with " + of(right.type) + hint(left, right));
    } else if (comparison_op(here())) {
      complain(here().at, "a second comparison in a row, expected and, or, for, or the end");
    }
    const std::uint16_t node = join(*op, left.node, right.node);
    builder_.compares(node, left.at, right_end - left.at, (left.type.literal ? right : left).type.unit);
    return {node, true, {}, left.at};
  }
  // What was probably meant, from the side that is not a literal.
  static std::string hint(const Part& left, const Part& right) {
    const Part& known = left.type.literal ? right : left;
    const Part& other = left.type.literal ? left : right;
    if (!other.type.literal) return "";
    std::string out = ", expected " + std::string(describe(known.type.unit)) + " such as " +
                      std::string(example(known.type.unit));
    if (other.type.unit == Unit::kShare) out += " (or a percentage of something: 80% of memory.max)";
    return out;
  }

  Part additive() {
    return arithmetic("+", "-", Op::kAdd, Op::kSubtract, [this] { return multiplicative(); }, sum, sum);
  }
  Part multiplicative() {
    return arithmetic("*", "/", Op::kMultiply, Op::kDivide, [this] { return factor(); }, product, quotient);
  }
  template <typename Rule, typename First, typename Second>
  Part arithmetic(std::string_view first, std::string_view second, Op first_op, Op second_op, Rule rule,
                  First first_type, Second second_type) {
    Part left = rule();
    while (!error_ && here().kind == Token::Kind::kSymbol &&
           (here().text == first || here().text == second)) {
      const Token operation = here();
      next();
      const Part right = rule();
      if (error_) break;
      const bool is_first = operation.text == first;
      const auto type = left.truth || right.truth ? std::nullopt
                                                  : (is_first ? first_type(left.type, right.type)
                                                              : second_type(left.type, right.type));
      if (!type) {
        complain(operation.at,
                 quoted(operation.text) + " joins " + (left.truth ? "a condition" : of(left.type)) + " and " +
                     (right.truth ? "a condition" : of(right.type)) + ", expected units that go together");
        break;
      }
      left = {join(is_first ? first_op : second_op, left.node, right.node), false, *type, left.at};
    }
    return left;
  }

  Part factor() {
    const Deeper deeper(*this);
    if (error_) return {};
    const Token token = here();
    if (token.kind == Token::Kind::kNumber) return quantity();
    if (token.kind == Token::Kind::kWord) return word();
    if (take("-")) {
      const Part inner = factor();
      if (inner.truth) complain(token.at, "'-' stands before a condition, expected a value");
      return {join(Op::kNegate, inner.node), false, inner.type, token.at};
    }
    if (take("(")) {
      Part inner = any();
      expect(")");
      inner.at = token.at;
      return inner;
    }
    complain(token.at, "unexpected " + shown() + ", expected a signal or a quantity");
    return {};
  }

  Part quantity() {
    const Token token = here();
    const auto parsed = parse_quantity(token.text);
    if (!parsed) {
      complain(token.at, parsed.error().message());
      return {};
    }
    next();
    const Part number{checked(builder_.number(parsed->value)), false, parsed->type, token.at};
    if (parsed->type.unit != Unit::kShare || here().kind != Token::Kind::kWord || !take("of")) return number;
    const Part whole = factor();
    if (whole.truth) complain(whole.at, "a condition stands behind 'of', expected a value");
    return {join(Op::kMultiply, number.node, whole.node), false, whole.type, token.at};
  }

  Part word() {
    const Token token = here();
    if (token.text == "of" || token.text == "for" || token.text == "and" || token.text == "or" ||
        token.text == "not") {
      complain(token.at, "unexpected " + shown() + ", expected a signal or a quantity");
      return {};
    }
    next();
    if (here().kind == Token::Kind::kSymbol && here().text == "(") return window(token);
    const auto signal = signal_of(token);
    if (!signal) return {};
    return {checked(builder_.signal(*signal)), false, {signals()[*signal].unit, false, false}, token.at};
  }

  std::optional<SignalId> signal_of(const Token& token) {
    const auto found = token.kind == Token::Kind::kWord ? find_signal(token.text) : std::nullopt;
    const std::string name = token.kind == Token::Kind::kEnd ? "end" : quoted(token.text);
    if (!found) {
      complain(token.at, "unknown signal " + name + ", expected one such as memory.usage" +
                             did_you_mean(token.text, signal_names(options_.host_only)));
      return std::nullopt;
    }
    if (options_.host_only && !signals()[*found].host) {
      complain(token.at, name + " is a signal of one container, expected a host.* signal in a HostPolicy");
      return std::nullopt;
    }
    builder_.reads(*found);
    return found;
  }

  Part window(const Token& name) {
    const auto found = std::ranges::find(kFunctions, name.text);
    if (found == kFunctions.end()) {
      complain(name.at, "unknown function " + quoted(name.text) + ", expected " + one_of(kFunctions) +
                            did_you_mean(name.text, kFunctions));
      return {};
    }
    next();
    const Token signal_token = here();
    const auto signal = signal_of(signal_token);
    next();
    expect(",");
    const std::size_t duration_at = here().at;
    const Nanoseconds length = duration(",");
    expect(")");
    if (error_ || !signal) return {};
    if (length > kLongestWindow)
      complain(duration_at, "a window of more than 1h, expected one of 1h at most");
    Type type{signals()[*signal].unit, false, false};
    const auto function = static_cast<Function>(found - kFunctions.begin());
    if (function == Function::kRate) {
      const auto changed = change_per_second(type.unit);
      if (!changed) {
        complain(signal_token.at,
                 quoted(signal_token.text) + " is " + of(type) + " already, expected avg() of it");
        return {};
      }
      type.unit = *changed;
    }
    return {checked(builder_.window(function, *signal, length)), false, type, name.at};
  }

  std::string_view text_;
  Expression::Options options_;
  TokenReader tokens_;
  ExpressionBuilder builder_;
  std::uint16_t root_ = 0;
  int depth_ = 0;
  std::optional<Error> error_;
};

}  // namespace

std::expected<Expression, ExpressionError> Expression::condition(std::string_view text, Options options) {
  return ExpressionParser(text, options).condition();
}

std::expected<Expression, ExpressionError> Expression::value(std::string_view text, Unit wanted,
                                                             Options options) {
  return ExpressionParser(text, options).value(wanted);
}

}  // namespace plimsoll::policies
