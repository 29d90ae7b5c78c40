// Any text is a policy file or gets diagnostics; nothing else happens.
#include <cstdlib>
#include <string_view>

#include "policies/document.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto loaded = plimsoll::policies::load_texts({{"fuzz.yaml", text}},
                                                     plimsoll::policies::HostCpus{.online = 4, .last = 3});
  // Refused means told why.
  if (!loaded.good() && loaded.diagnostics.empty()) std::abort();
  for (const auto& diagnostic : loaded.diagnostics) {
    if (diagnostic.message.empty() || to_string(diagnostic).find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
