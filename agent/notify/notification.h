// What one target is told: of a rule that fired, or that this is over.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/model/container_ref.h"
#include "agent/model/decision.h"

namespace plimsoll::notify {

// What a notification is about: those of two steps of one rule are two, as the second says something else.
struct Subject {
  std::string policy, rule, cgroup;
  std::size_t step = 0;
  auto operator<=>(const Subject&) const = default;
  bool of_rule(const Subject& other) const {
    return policy == other.policy && rule == other.rule && cgroup == other.cgroup;
  }
};

struct Notification {
  std::string policy, rule;
  std::size_t step = 0;
  std::string text;
  model::Severity severity = model::Severity::kWarning;
  std::shared_ptr<const model::ContainerRef> container;  // of a HostPolicy: the root cgroup, "/"
  std::vector<std::pair<std::string, std::string>> seen;
  WallTime began;                 // when its rule fired
  std::optional<WallTime> ended;  // it is over: "resolved"
  std::int64_t decision = 0;      // the audit log's id

  Subject subject() const { return {policy, rule, container->cgroup, step}; }
  bool of_host() const { return container->cgroup == "/"; }
};

// `record` is what came of `decision`, whose action is a model::Notify.
Notification notification_of(const model::Decision& decision, const model::DecisionRecord& record);

// As it is kept over a restart.
nlohmann::json to_json(const Notification& notification);
// Throws nlohmann's exceptions where it is not what to_json() gave.
Notification notification_from(const nlohmann::json& saved);

// What the audit log says of one that `target` could not be told.
model::DecisionRecord record_of_failure(const Notification& notification, const std::string& target,
                                        const std::string& why, WallTime now);

}  // namespace plimsoll::notify
