// The policy loader takes any text and ends in a set or in diagnostics.
#include <cstdint>
#include <string>

#include "policies/document.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto outcome =
      plimsoll::policies::load_texts({{"fuzz.yaml", std::string(reinterpret_cast<const char*>(data), size)}});
  if (!outcome.good() && outcome.diagnostics.empty()) __builtin_trap();
  return 0;
}
