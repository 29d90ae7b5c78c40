// A rule's notifications, and targets for them.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "agent/notify/notification.h"
#include "agent/notify/outbox.h"

namespace plimsoll::notify {

inline constexpr WallTime kBegan{std::chrono::seconds(1'800'000'000)};  // 2027-01-15T08:00:00Z

inline std::shared_ptr<const model::ContainerRef> web() {
  auto ref = std::make_shared<model::ContainerRef>();
  ref->id = {7};
  ref->cgroup = "/plimsoll/4f1c";
  ref->runtime = model::Runtime::kPlimsoll;
  ref->container_id = "4f1c2a99";
  ref->name = "web";
  ref->image = "registry.local/web:1";
  ref->labels = {{"app", "web"}};
  return ref;
}

inline Notification firing(const std::string& text = "web at 90MiB", const std::string& rule = "squeeze") {
  return {.policy = "leaky",
          .rule = rule,
          .text = text,
          .severity = model::Severity::kCritical,
          .container = web(),
          .seen = {{"memory.usage", "90MiB"}, {"memory.pressure.some.10s", "12%"}},
          .began = kBegan,
          .decision = 17};
}

inline Notification resolved(Notification what, Nanoseconds after = std::chrono::minutes(2)) {
  what.ended = what.began + after;
  what.decision = 18;
  return what;
}

inline model::NotifyTarget webhook(const std::string& name = "oncall") {
  return {.name = name, .to = model::Webhook{.url = "https://hooks.example.com/secret"}};
}

inline model::NotifyTarget alertmanager(std::vector<std::string> urls = {"http://am:9093"}) {
  return {.name = "ops", .to = model::Alertmanager{.urls = std::move(urls)}};
}

}  // namespace plimsoll::notify
