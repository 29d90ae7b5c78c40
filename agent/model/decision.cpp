#include "agent/model/decision.h"

#include <array>
#include <string_view>

namespace plimsoll::model {

std::string_view action_name(const Action& action) {
  static constexpr std::array<std::string_view, std::variant_size_v<Action>> kNames = {
      "set", "freeze", "thaw", "kill", "notify", "reclaim", "stop", "restart"};
  return kNames[action.index()];
}

std::string_view to_string(Cause cause) {
  static constexpr std::array<std::string_view, 5> kNames = {"limit", "drift", "rule", "until", "autosize"};
  return kNames[static_cast<std::size_t>(cause)];
}

std::string_view to_string(Outcome outcome) {
  static constexpr std::array<std::string_view, 5> kNames = {"done", "audited", "vanished", "refused",
                                                             "failed"};
  return kNames[static_cast<std::size_t>(outcome)];
}

}  // namespace plimsoll::model
