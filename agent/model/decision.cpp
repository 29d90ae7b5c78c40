#include "agent/model/decision.h"

#include <array>
#include <string_view>

namespace plimsoll::model {

std::string_view action_name(const Action& action) {
  static constexpr std::array<std::string_view, std::variant_size_v<Action>> kNames = {
      "set", "freeze", "thaw", "kill", "notify", "reclaim", "stop", "restart"};
  return kNames[action.index()];
}

std::string words_of(const Notify& notify) {
  std::string words = (notify.resolved ? "resolved: " : "") + notify.text;
  for (std::size_t i = 0; i < notify.to.size(); ++i) words += (i == 0 ? " (to " : ", ") + notify.to[i];
  return words + (notify.to.empty() ? "" : ")");
}

std::string_view to_string(Severity severity) {
  static constexpr std::array<std::string_view, 3> kNames = {"info", "warning", "critical"};
  return kNames[static_cast<std::size_t>(severity)];
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
