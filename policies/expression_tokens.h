// The words of an expression's text.
#pragma once

#include <optional>
#include <string_view>

#include "policies/expression.h"

namespace plimsoll::policies {

struct Token {
  enum class Kind { kEnd, kNumber, kWord, kSymbol };  // "80%", "1MiB/s"; "memory.usage"; "<="
  Kind kind = Kind::kEnd;
  std::size_t at = 0;
  std::string_view text;  // of the expression
};

class TokenReader {
 public:
  explicit TokenReader(std::string_view text) : text_(text) {}
  const Token& token() const { return token_; }
  std::size_t last_end() const { return last_end_; }  // of the token before token()
  // Goes on to the next one. Gives what is wrong with a character that begins none.
  std::optional<ExpressionError> next();
  void stop() { token_ = {Token::Kind::kEnd, text_.size(), {}}; }

 private:
  Token::Kind read(char first);
  std::string_view text_;
  std::size_t at_ = 0, last_end_ = 0;
  Token token_;
};

}  // namespace plimsoll::policies
