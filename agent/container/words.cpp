// The words of Docker's interface: signals, restart policies.
#include "agent/base/signal_name.h"
#include "agent/base/units.h"
#include "agent/container/config_json.h"

namespace plimsoll::container {
Result<int> signal_from(const std::string& text) {
  if (const auto number = parse_signal(text)) return *number;
  return invalid("invalid signal: " + text);
}

std::string_view to_string(RestartKind kind) {
  switch (kind) {
    case RestartKind::kOnFailure:
      return "on-failure";
    case RestartKind::kAlways:
      return "always";
    case RestartKind::kUnlessStopped:
      return "unless-stopped";
    case RestartKind::kNo:
      break;
  }
  return "no";
}

Result<RestartPolicy> parse_restart_policy(const std::string& text) {
  const auto colon = text.find(':');
  const std::string name = text.substr(0, colon);
  RestartPolicy policy;
  if (colon != std::string::npos) {
    const auto retries = parse_u64(text.substr(colon + 1));
    if (name != "on-failure" || !retries || *retries > 1'000'000) {
      return invalid("invalid restart policy '" + text + "': only on-failure takes a number of retries");
    }
    policy.maximum_retries = static_cast<int>(*retries);
  }
  for (const RestartKind kind :
       {RestartKind::kNo, RestartKind::kOnFailure, RestartKind::kAlways, RestartKind::kUnlessStopped}) {
    if (name == to_string(kind)) {
      policy.kind = kind;
      return policy;
    }
  }
  return invalid("unknown restart policy '" + text + "'; want no, on-failure[:N], always or unless-stopped");
}

}  // namespace plimsoll::container
