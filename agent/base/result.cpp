#include "agent/base/result.h"

#include <cstring>

namespace plimsoll {

Error Error::from_errno(std::string_view doing, int number) {
  Error error(std::string(doing) + ": " + std::strerror(number),
              number == ENOENT || number == ENODEV ? ErrorKind::kNotFound : ErrorKind::kSystem);
  error.number_ = number;
  return error;
}

Error Error::in(std::string_view context) && {
  message_.insert(0, std::string(context) + ": ");
  return std::move(*this);
}

}  // namespace plimsoll
