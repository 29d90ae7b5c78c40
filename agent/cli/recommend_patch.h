// Recommendations as YAML to paste into a policy, a compose file or a Kubernetes manifest. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/base/result.h"

namespace plimsoll::cli {

// `recommendations`: what /plimsoll/v1/recommendations answers; `kind`: "policy", "compose" or "kubernetes".
// Memory in whole MiB, CPU in hundredths of a core, both rounded up. kInvalid: another kind, or a Kubernetes
// patch of what is in no pod.
Result<std::string> recommend_patch(const nlohmann::json& recommendations, const std::string& kind);

}  // namespace plimsoll::cli
