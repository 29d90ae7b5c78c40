// What is sent, to the byte.
#include "agent/notify/body.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/notify/notify_fixture.h"

namespace plimsoll::notify {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string header(const Request& request, const std::string& name) {
  for (const auto& [key, value] : request.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(Body, AWebhookGetsOneObject) {
  const Request request = request_for(webhook(), 0, firing(), "node-1", kBegan);
  EXPECT_EQ(request.url, "https://hooks.example.com/secret");
  EXPECT_EQ(header(request, "Content-Type"), "application/json");
  EXPECT_EQ(
      request.body,
      R"({"version":1,"status":"firing","text":"web at 90MiB","severity":"critical","policy":"leaky","rule":"squeeze",)"
      R"("container":{"name":"web","id":"4f1c2a99","image":"registry.local/web:1","runtime":"plimsoll",)"
      R"("cgroup":"/plimsoll/4f1c","labels":{"app":"web"}},"host":"node-1",)"
      R"("seen":{"memory.usage":"90MiB","memory.pressure.some.10s":"12%"},)"
      R"("when":"2027-01-15T08:00:00.000000000Z","began":"2027-01-15T08:00:00.000000000Z","decision":17})");
}

TEST(Body, AWebhookIsToldOfTheEnd) {
  const json body = json::parse(request_for(webhook(), 0, resolved(firing()), "node-1", kBegan).body);
  EXPECT_EQ(body["status"], "resolved");
  EXPECT_EQ(body["when"], "2027-01-15T08:02:00.000000000Z");
  EXPECT_EQ(body["began"], "2027-01-15T08:00:00.000000000Z");
  EXPECT_EQ(body["decision"], 18);
}

TEST(Body, TheHostIsNoContainer) {
  Notification one = firing();
  auto host = std::make_shared<model::ContainerRef>();
  host->cgroup = "/";
  host->name = "host";
  one.container = host;
  EXPECT_EQ(json::parse(request_for(webhook(), 0, one, "node-1", kBegan).body)["container"], nullptr);
  EXPECT_FALSE(json::parse(request_for(alertmanager(), 0, one, "node-1", kBegan).body)[0]["labels"].contains(
      "container"));
}

TEST(Body, ATemplateOfJsonStaysJson) {
  model::NotifyTarget target = webhook();
  auto& to = std::get<model::Webhook>(target.to);
  to.body =
      R"j({"text": "{{severity}} {{ status }} on {{host}}: {{text}} ({{container.name}} {{decision}})"})j";
  const Request request = request_for(target, 0, firing("a \"b\"\n\\ {{text}} \xff"), "node-1", kBegan);
  EXPECT_EQ(json::parse(request.body)["text"],
            "critical firing on node-1: a \"b\"\n\\ {{text}} \xef\xbf\xbd (web 17)");
}

TEST(Body, ATemplateOfTextIsTakenAsItIs) {
  model::NotifyTarget target = webhook();
  auto& to = std::get<model::Webhook>(target.to);
  to.headers = {{"content-type", "text/plain"}, {"User-Agent", "us"}};
  to.body = "{{policy}}/{{rule}}: {{text}} of {{container.image}} {{container.id}} at {{when}}";
  const Request request = request_for(target, 0, firing("a \"b\""), "node-1", kBegan);
  EXPECT_EQ(request.body,
            "leaky/squeeze: a \"b\" of registry.local/web:1 4f1c2a99 at 2027-01-15T08:00:00.000000000Z");
  EXPECT_EQ(header(request, "Content-Type"), "");
  EXPECT_EQ(header(request, "User-Agent"), "us");
}

TEST(Body, AnAlertmanagerGetsAnAlert) {
  model::NotifyTarget target = alertmanager({"http://am-1:9093", "http://am-2:9093/prefix/"});
  auto& to = std::get<model::Alertmanager>(target.to);
  to.labels = {{"team", "ops"}};
  to.annotations = {{"runbook_url", "https://example.com"}};
  const Request request = request_for(target, 1, firing(), "node-1", kBegan + 30s);
  EXPECT_EQ(request.url, "http://am-2:9093/prefix/api/v2/alerts");
  EXPECT_EQ(
      request.body,
      R"([{"labels":{"alertname":"squeeze","policy":"leaky","container":"web","instance":"node-1",)"
      R"("severity":"critical","team":"ops"},"annotations":{"summary":"web at 90MiB","memory_usage":"90MiB",)"
      R"("memory_pressure_some_10s":"12%","runbook_url":"https://example.com"},)"
      R"("startsAt":"2027-01-15T08:00:00.000000000Z","endsAt":"2027-01-15T08:05:30.000000000Z"}])");
}

TEST(Body, TheEndOfAnAlertIsWhenItEnded) {
  const json body = json::parse(request_for(alertmanager(), 0, resolved(firing()), "n", kBegan + 1h).body);
  EXPECT_EQ(body[0]["startsAt"], "2027-01-15T08:00:00.000000000Z");
  EXPECT_EQ(body[0]["endsAt"], "2027-01-15T08:02:00.000000000Z");
}

TEST(Body, APodIsNamed) {
  Notification one = firing();
  auto ref = std::make_shared<model::ContainerRef>(*one.container);
  ref->pod = "web-0";
  ref->kube_namespace = "shop";
  one.container = ref;
  const json labels = json::parse(request_for(alertmanager(), 0, one, "n", kBegan).body)[0]["labels"];
  EXPECT_EQ(labels["pod"], "web-0");
  EXPECT_EQ(labels["namespace"], "shop");
}

TEST(Body, TheUrlOfTheApiItselfIsGood) {
  const Request request = request_for(alertmanager({"http://am/api/v2/alerts"}), 0, firing(), "n", kBegan);
  EXPECT_EQ(request.url, "http://am/api/v2/alerts");
}

}  // namespace
}  // namespace plimsoll::notify
