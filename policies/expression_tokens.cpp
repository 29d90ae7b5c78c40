#include "policies/expression_tokens.h"

#include <cctype>

#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

bool word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

bool symbol(std::string_view two) {
  return two[0] == '<' || two[0] == '>' || two == "==" || two == "!=" ||
         std::string_view("()+-*/,").find(two[0]) != std::string_view::npos;
}

// "1MiB/s", but not the division in "1MiB/swap".
bool rate_suffix(std::string_view rest) {
  return rest.starts_with("/s") && (rest.size() == 2 || !word_char(rest[2]));
}

}  // namespace

Token::Kind TokenReader::read(char first) {
  const auto skip_word = [this] {
    while (at_ < text_.size() && word_char(text_[at_])) ++at_;
  };
  if (digit(first) || (first == '.' && at_ + 1 < text_.size() && digit(text_[at_ + 1]))) {
    skip_word();
    if (at_ < text_.size() && text_[at_] == '%') {
      ++at_;
    } else if (rate_suffix(text_.substr(at_))) {
      at_ += 2;
    }
    return Token::Kind::kNumber;
  }
  if (word_char(first)) {
    skip_word();
    return Token::Kind::kWord;
  }
  const std::string_view two = text_.substr(at_, 2);
  at_ += two == "<=" || two == ">=" || two == "==" || two == "!=" ? 2 : 1;
  return Token::Kind::kSymbol;
}

std::optional<ExpressionError> TokenReader::next() {
  last_end_ = token_.at + token_.text.size();
  while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  const std::size_t begin = at_;
  if (begin == text_.size()) {
    stop();
    return std::nullopt;
  }
  const Token::Kind kind = read(text_[begin]);
  if (kind == Token::Kind::kSymbol && !symbol(text_.substr(begin, 2))) {
    return ExpressionError{begin, text_[begin] == '=' ? "unexpected '=', expected == for a comparison"
                                                      : "unexpected " + quoted(text_.substr(begin, 1)) +
                                                            ", expected a signal, a quantity or an operator"};
  }
  token_ = {kind, begin, text_.substr(begin, at_ - begin)};
  return std::nullopt;
}

}  // namespace plimsoll::policies
