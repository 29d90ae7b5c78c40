// config.json and process.json are what a stranger's bundle brings. Whatever parses is planned, and survives
// the trip through our own writer.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/launch/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace plimsoll;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto spec = oci::parse_spec(text)) {
    (void)launch::make_plan(*spec, {.id = "fuzz", .bundle = "/b"});
    auto again = oci::parse_spec(oci::to_json(*spec));
    if (!again) std::abort();
    again->unsupported = spec->unsupported;  // not written
    if (again->process) again->process->unsupported = spec->process->unsupported;
    if (*again != *spec) std::abort();
  }
  if (const auto process = oci::parse_process(text)) (void)launch::make_process_plan(*process);
  return 0;
}
