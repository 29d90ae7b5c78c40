#include "agent/notify/body.h"

#include <strings.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/base/rfc3339.h"
#include "agent/base/template_text.h"
#include "agent/base/version.h"

namespace plimsoll::notify {
namespace {

using nlohmann::ordered_json;

std::string_view status_of(const Notification& one) { return one.ended ? "resolved" : "firing"; }

ordered_json container_json(const Notification& one) {
  if (one.of_host()) return nullptr;
  const model::ContainerRef& ref = *one.container;
  return {{"name", ref.name},     {"id", ref.container_id},
          {"image", ref.image},   {"runtime", to_string(ref.runtime)},
          {"cgroup", ref.cgroup}, {"labels", ref.labels}};
}

std::string webhook_json(const Notification& one, const std::string& host) {
  ordered_json seen = ordered_json::object();
  for (const auto& [signal, value] : one.seen) seen[signal] = value;
  return json_text(ordered_json{{"version", 1},
                                {"status", status_of(one)},
                                {"text", one.text},
                                {"severity", to_string(one.severity)},
                                {"policy", one.policy},
                                {"rule", one.rule},
                                {"container", container_json(one)},
                                {"host", host},
                                {"seen", std::move(seen)},
                                {"when", format_rfc3339(one.ended.value_or(one.began))},
                                {"began", format_rfc3339(one.began)},
                                {"decision", one.decision}});
}

std::string value_of(std::string_view name, const Notification& one, const std::string& host) {
  if (name == "text") return one.text;
  if (name == "status") return std::string(status_of(one));
  if (name == "severity") return std::string(to_string(one.severity));
  if (name == "policy") return one.policy;
  if (name == "rule") return one.rule;
  if (name == "container.name") return one.container->name;
  if (name == "container.id") return one.container->container_id;
  if (name == "container.image") return one.container->image;
  if (name == "host") return host;
  if (name == "when") return format_rfc3339(one.ended.value_or(one.began));
  return std::to_string(one.decision);
}

// The loader has seen to it that each variable is known and closed. In JSON a value stands inside a string.
std::string filled(const model::Webhook& webhook, const Notification& one, const std::string& host) {
  const bool json = model::sends_json(webhook);
  return fill_template(webhook.body, [&](const std::string& name) {
    const std::string value = value_of(name, one, host);
    if (!json) return value;
    const std::string text = json_text(ordered_json(value));
    return text.substr(1, text.size() - 2);
  });
}

// Alertmanager takes for names what Prometheus does: "memory.usage" becomes memory_usage.
std::string label_name(std::string text) {
  std::ranges::replace(text, '.', '_');
  return text;
}

std::string alert_json(const model::Alertmanager& to, const Notification& one, const std::string& host,
                       WallTime now) {
  ordered_json labels = ordered_json::object();
  const auto label = [&](const char* name, const std::string& value) {
    if (!value.empty()) labels[name] = value;
  };
  label("alertname", one.rule);
  label("policy", one.policy);
  if (!one.of_host()) label("container", one.container->name);
  label("namespace", one.container->kube_namespace);
  label("pod", one.container->pod);
  label("instance", host);
  label("severity", std::string(to_string(one.severity)));
  for (const auto& [name, value] : to.labels) labels[name] = value;
  ordered_json annotations = {{"summary", one.text}};
  for (const auto& [signal, value] : one.seen) annotations[label_name(signal)] = value;
  for (const auto& [name, value] : to.annotations) annotations[name] = value;
  const ordered_json alert = {{"labels", std::move(labels)},
                              {"annotations", std::move(annotations)},
                              {"startsAt", format_rfc3339(one.began)},
                              {"endsAt", format_rfc3339(one.ended.value_or(now + kBelieved))}};
  return json_text(ordered_json::array({alert}));
}

// A URL of the API itself is good as well.
std::string alerts_url(std::string url) {
  constexpr std::string_view kApi = "/api/v2/alerts";
  while (url.ends_with('/')) url.pop_back();
  return url.ends_with(kApi) ? url : url + std::string(kApi);
}

bool has(const Request& request, const char* name) {
  return std::ranges::any_of(request.headers,
                             [&](const auto& one) { return ::strcasecmp(one.first.c_str(), name) == 0; });
}

}  // namespace

Request request_for(const model::NotifyTarget& target, std::size_t index, const Notification& notification,
                    const std::string& host, WallTime now) {
  Request request{.bearer_token_file = target.bearer_token_file, .timeout = target.timeout};
  request.url = model::urls_of(target).at(index);
  if (const auto* webhook = std::get_if<model::Webhook>(&target.to)) {
    request.headers.assign(webhook->headers.begin(), webhook->headers.end());
    request.body =
        webhook->body.empty() ? webhook_json(notification, host) : filled(*webhook, notification, host);
  } else {
    request.url = alerts_url(std::move(request.url));
    request.body = alert_json(std::get<model::Alertmanager>(target.to), notification, host, now);
  }
  if (!has(request, "content-type")) request.headers.emplace_back("Content-Type", "application/json");
  if (!has(request, "user-agent"))
    request.headers.emplace_back("User-Agent", "plimsoll/" + std::string(kVersion));
  return request;
}

}  // namespace plimsoll::notify
