// What the outbox keeps over a restart. Ages rather than times: clocks since boot begin anew, and a wall
// clock may be set.
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/notify/outbox.h"

namespace plimsoll::notify {

using nlohmann::json;

std::string Outbox::save(const Moment& now) const {
  json targets = json::object();
  for (const auto& [name, target] : targets_) {
    json lanes = json::array(), alerts = json::array();
    for (const Lane& lane : target.lanes) {
      json& entries = lanes.emplace_back(json::array());
      for (const Entry& one : lane.queue) {
        if (one.again) continue;
        entries.push_back({{"what", to_json(*one.what)}, {"age_ns", (now.boot - one.since).count()}});
      }
    }
    for (const auto& [subject, alert] : target.alerts)
      alerts.push_back({{"firing", to_json(*alert.firing)}, {"told", alert.told}});
    targets[name] = {{"lanes", std::move(lanes)}, {"alerts", std::move(alerts)}};
  }
  return json_text(json{{"version", 1}, {"targets", std::move(targets)}});
}

Result<> Outbox::restore(const std::string& text, const Moment& now) {
  std::map<std::string, Target> restored = targets_;
  try {
    const json state = json::parse(text);
    for (const auto& [name, saved] : state.at("targets").items()) {
      const auto target = restored.find(name);
      if (target == restored.end()) continue;
      const json& lanes = saved.at("lanes");
      for (std::size_t i = 0; i < std::min(lanes.size(), target->second.lanes.size()); ++i) {
        for (const json& one : lanes[i]) {
          target->second.lanes[i].queue.push_back(
              {.what = std::make_shared<const Notification>(notification_from(one.at("what"))),
               .since = now.boot + Nanoseconds(-one.at("age_ns").get<std::int64_t>())});
        }
      }
      for (const json& one : saved.at("alerts")) {
        auto firing = std::make_shared<const Notification>(notification_from(one.at("firing")));
        const bool told = one.at("told");
        Alert alert{.firing = firing, .told = told};
        if (!told || target->second.is_alertmanager()) alert.due = now.boot;
        target->second.alerts[firing->subject()] = std::move(alert);
      }
    }
  } catch (const json::exception& error) {
    return invalid(std::string("saved notifications: ") + error.what());
  }
  targets_ = std::move(restored);
  return {};
}

}  // namespace plimsoll::notify
