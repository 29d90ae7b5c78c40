#include "agent/notify/notification.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace plimsoll::notify {
namespace {

using nlohmann::json;

std::int64_t count(WallTime when) { return when.time_since_epoch().count(); }
WallTime moment(const json& saved) { return WallTime(Nanoseconds(saved.get<std::int64_t>())); }

}  // namespace

Notification notification_of(const model::Decision& decision, const model::DecisionRecord& record) {
  const auto& notify = std::get<model::Notify>(decision.action);
  return {.policy = decision.policy,
          .rule = decision.rule,
          .step = decision.step,
          .text = notify.text,
          .severity = notify.severity,
          .container = decision.container,
          .seen = decision.seen,
          .began = record.when,
          .ended = notify.resolved ? std::optional(record.when) : std::nullopt,
          .decision = record.id};
}

json to_json(const Notification& notification) {
  const model::ContainerRef& ref = *notification.container;
  return {{"policy", notification.policy},
          {"rule", notification.rule},
          {"step", notification.step},
          {"text", notification.text},
          {"severity", static_cast<int>(notification.severity)},
          {"seen", notification.seen},
          {"began", count(notification.began)},
          {"ended", notification.ended ? json(count(*notification.ended)) : json()},
          {"decision", notification.decision},
          {"cgroup", ref.cgroup},
          {"runtime", to_string(ref.runtime)},
          {"id", ref.container_id},
          {"name", ref.name},
          {"image", ref.image},
          {"pod", ref.pod},
          {"namespace", ref.kube_namespace},
          {"labels", ref.labels}};
}

Notification notification_from(const json& saved) {
  auto ref = std::make_shared<model::ContainerRef>();
  ref->cgroup = saved.at("cgroup");
  ref->runtime = model::runtime_from(saved.at("runtime").get<std::string>()).value_or(model::Runtime::kOther);
  ref->container_id = saved.at("id");
  ref->name = saved.at("name");
  ref->image = saved.at("image");
  ref->pod = saved.at("pod");
  ref->kube_namespace = saved.at("namespace");
  saved.at("labels").get_to(ref->labels);
  Notification out{
      .policy = saved.at("policy"),
      .rule = saved.at("rule"),
      .step = saved.at("step"),
      .text = saved.at("text"),
      .severity = static_cast<model::Severity>(std::clamp(saved.at("severity").get<int>(), 0, 2)),
      .container = std::move(ref),
      .began = moment(saved.at("began")),
      .decision = saved.at("decision")};
  saved.at("seen").get_to(out.seen);
  if (!saved.at("ended").is_null()) out.ended = moment(saved.at("ended"));
  return out;
}

model::DecisionRecord record_of_failure(const Notification& notification, const std::string& target,
                                        const std::string& why, WallTime now) {
  const model::Notify said{
      .text = notification.text, .to = {target}, .resolved = notification.ended.has_value()};
  model::DecisionRecord record;
  record.when = now;
  record.policy = notification.policy;
  record.rule = notification.rule;
  record.cause = to_string(said.resolved ? model::Cause::kUntil : model::Cause::kRule);
  record.action = "notify";
  record.outcome = to_string(model::Outcome::kFailed);
  record.container = notification.container->name;
  record.container_id = notification.container->container_id;
  record.cgroup = notification.container->cgroup;
  record.detail = words_of(said) + ": " + why;
  record.seen = notification.seen;
  record.breach_to_effect = std::max(Nanoseconds(0), now - notification.ended.value_or(notification.began));
  return record;
}

}  // namespace plimsoll::notify
