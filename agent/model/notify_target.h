// Where notifications are sent, and how that goes.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/units.h"

namespace plimsoll::model {

// One POST a notification.
struct Webhook {
  std::string url;
  std::map<std::string, std::string> headers;
  std::string body;  // a template of kBodyVariables; empty: the JSON that the README documents
};
inline constexpr std::array<std::string_view, 11> kBodyVariables = {
    "text",         "status",          "severity", "policy", "rule",    "container.name",
    "container.id", "container.image", "host",     "when",   "decision"};

// Prometheus' Alertmanager, by its API of version 2. Each of `urls` gets every alert, as members of a cluster
// expect.
struct Alertmanager {
  std::vector<std::string> urls;
  std::map<std::string, std::string> labels, annotations;  // added to each alert
};
// The labels of an alert that are not for a target to set.
inline constexpr std::array<std::string_view, 7> kAlertLabels = {
    "alertname", "policy", "container", "instance", "severity", "namespace", "pod"};

struct NotifyTarget {
  std::string name;
  std::variant<Webhook, Alertmanager> to;
  std::string bearer_token_file;  // read anew for each request; empty: none
  Nanoseconds timeout{std::chrono::seconds(10)};
  // The same step of one rule for one container is told no more often.
  Nanoseconds repeat{std::chrono::minutes(1)};
};

// "webhook" | "alertmanager"
std::string_view kind_of(const NotifyTarget& target);
// Where it is sent: one URL of a webhook, one or more of an Alertmanager.
std::vector<std::string> urls_of(const NotifyTarget& target);
// Scheme and host of a URL: its path and query may be secrets, and so may a user in front of the host.
std::string origin_of(std::string_view url);
std::string origins_of(const NotifyTarget& target);  // with ", " between them
// What is wrong with a URL to send to: "its port is not 1 to 65535"; empty where it is good.
std::string problem_of_url(std::string_view url);
// Whether what is sent is JSON: by its header Content-Type, which is application/json unless it says
// otherwise.
bool sends_json(const Webhook& webhook);

// What became of what was to be sent to one target, since the agent began.
struct TargetState {
  std::string name, kind;
  std::string where;  // as origins_of() gives it
  std::uint64_t sent = 0, retried = 0, failed = 0, suppressed = 0, dropped = 0;
  std::size_t pending = 0;
  std::string last_error;  // empty: the last attempt did, or there was none
  std::optional<WallTime> last_sent, last_failed;
};

}  // namespace plimsoll::model
