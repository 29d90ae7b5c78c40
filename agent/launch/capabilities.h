// Capability names of OCI ("CAP_CHOWN") as bit sets, bit N being capability N of capabilities(7). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/oci/spec.h"

namespace plimsoll::launch {

struct CapabilitySets {
  std::uint64_t bounding = 0, effective = 0, inheritable = 0, permitted = 0, ambient = 0;
  bool operator==(const CapabilitySets&) const = default;
};

// Case does not matter, "CAP_" may be left out. kInvalid names what is unknown.
Result<std::uint64_t> capability_bit(std::string_view name);
// kInvalid where the kernel would refuse the sets: effective beyond permitted, ambient beyond permitted or
// inheritable.
Result<CapabilitySets> capability_sets(const oci::Capabilities& capabilities);

}  // namespace plimsoll::launch
