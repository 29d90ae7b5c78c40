// Moments of history that are not as they were written: malformed, never more.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/history/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view left(reinterpret_cast<const char*>(data), size);
  plimsoll::history::Decoder decoder;
  while (!left.empty()) {
    const auto moment = decoder.decode(left);
    if (!moment) return 0;
    if (moment->snapshot == nullptr) __builtin_trap();
  }
  return 0;
}
