// Capabilities, devices, seccomp: what a container may do.
#pragma once

#include "agent/base/result.h"
#include "agent/container/config.h"
#include "agent/oci/spec.h"

namespace plimsoll::container {

// Changes Docker's defaults in `spec` to what `config` asks for. kInvalid names an unknown capability or
// device.
Result<> set_privileges(const Config& config, oci::Spec& spec);

}  // namespace plimsoll::container
