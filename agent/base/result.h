// Failure as a value. Recoverable failure is a Result<T>; an Error says operation, object and cause in one
// line. The types of agent/base live in `plimsoll` itself: every other folder's namespace may use them
// unqualified.
#pragma once

#include <cerrno>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace plimsoll {

// What the caller can do about it; the API maps it to an HTTP status, the CLI to an exit code.
enum class ErrorKind {
  kSystem,       // the kernel or a library said no (500)
  kInvalid,      // what was asked is malformed (400)
  kNotFound,     // the named object is not there (404)
  kConflict,     // the object is in a state that forbids it (409)
  kUnsupported,  // this host or kernel cannot do it (501)
};

class [[nodiscard]] Error {
 public:
  explicit Error(std::string message, ErrorKind kind = ErrorKind::kSystem)
      : message_(std::move(message)), kind_(kind) {}

  // `doing` names operation and object ("write memory.max of web-1"); errno's text becomes the cause. ENOENT
  // and ENODEV give kNotFound, all others kSystem.
  static Error from_errno(std::string_view doing, int number = errno);

  const std::string& message() const { return message_; }
  ErrorKind kind() const { return kind_; }
  int number() const { return number_; }  // errno, or 0 where the cause was not the kernel

  // The same failure, told from one layer up: "context: message".
  Error in(std::string_view context) &&;
  Error as(ErrorKind kind) && {
    kind_ = kind;
    return std::move(*this);
  }

 private:
  std::string message_;
  ErrorKind kind_ = ErrorKind::kSystem;
  int number_ = 0;
};

template <typename T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(std::string message, ErrorKind kind = ErrorKind::kSystem) {
  return std::unexpected(Error(std::move(message), kind));
}
inline std::unexpected<Error> invalid(std::string message) {
  return fail(std::move(message), ErrorKind::kInvalid);
}
inline std::unexpected<Error> fail_errno(std::string_view doing, int number = errno) {
  return std::unexpected(Error::from_errno(doing, number));
}

// Passes a failure up: PLIMSOLL_TRY(step()); or, with a value, PLIMSOLL_ASSIGN(auto fd, open_it());
#define PLIMSOLL_TRY(expression)                                      \
  do {                                                                \
    if (auto plimsoll_result = (expression); !plimsoll_result)        \
      return ::std::unexpected(::std::move(plimsoll_result).error()); \
  } while (false)
#define PLIMSOLL_CONCAT_(a, b) a##b
#define PLIMSOLL_CONCAT(a, b) PLIMSOLL_CONCAT_(a, b)
#define PLIMSOLL_ASSIGN(target, expression) \
  PLIMSOLL_ASSIGN_(PLIMSOLL_CONCAT(result_, __LINE__), target, expression)
#define PLIMSOLL_ASSIGN_(name, target, expression)                \
  auto name = (expression);                                       \
  if (!name) return ::std::unexpected(::std::move(name).error()); \
  target = ::std::move(*name)

}  // namespace plimsoll
