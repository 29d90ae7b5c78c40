// Notifications to their receivers on a real kernel: a webhook that fails before it takes them, one that is
// told by the next agent, one that refuses, and Prometheus' own Alertmanager.
#include <atomic>
#include <cstdlib>

#include "tests/one_answer_server.h"
#include "tests/vm/agent_fixture.h"

namespace plimsoll {
namespace {

class NotifyVm : public AgentVm {
 protected:
  // A rule for the container "crowd" while it has more than five processes.
  static std::string rule(const std::string& name, const std::string& to,
                          const std::string& mode = "enforce") {
    return "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: " + name + "}\nspec:\n  mode: " + mode +
           "\n  select: {names: [crowd]}\n  rules:\n    - name: crowded\n      when: pids.count > 5\n"
           "      then:\n        - notify: {text: \"{{container.name}} is full\", to: " +
           to + ", severity: critical}\n      until: pids.count < 4\n";
  }
  static std::string target(const std::string& name, const std::string& spec) {
    return "---\napiVersion: plimsoll/v1\nkind: NotifyTarget\nmetadata: {name: " + name + "}\nspec:\n" + spec;
  }
  static std::string webhook(const std::string& name, const std::string& url) {
    return target(name, "  webhook: {url: \"" + url + "\"}\n");
  }
  // Eight processes beside its first, until there is a file /end.
  static void crowd() {
    run("--name crowd",
        "for i in $(seq 8); do sleep 100000 & all=\"$all $!\"; done; until [ -e /end ]; do sleep 1; done; "
        "kill $all; wait; sleep 100000");
  }
  static void disperse() {
    const Answer told = sh("exec crowd touch /end");
    ASSERT_EQ(told.status, 0) << told.text;
  }
  static json body_of(const std::string& request) {
    return json::parse(request.substr(request.find("\r\n\r\n") + 4), nullptr, false);
  }
  static double count(const std::string& name, const std::string& outcome) {
    return metric("plimsoll_notifications_total{outcome=\"" + outcome + "\",target=\"" + name + "\"}")
        .value_or(metric("plimsoll_notifications_total{target=\"" + name + "\",outcome=\"" + outcome + "\"}")
                      .value_or(-1));
  }
};

TEST_F(NotifyVm, TriesAgainUntilTheWebhookTakesIt) {
  OneAnswerServer server([](std::size_t number) {
    return number < 2 ? OneAnswerServer::say("503 Busy", "not now", number == 0 ? "Retry-After: 1\r\n" : "")
                      : OneAnswerServer::say("200 OK");
  });
  policy("loud", rule("loud", "oncall") + webhook("oncall", server.url("/services/T0")));
  crowd();
  ASSERT_TRUE(until([&] { return server.asked().size() >= 3; }));
  const auto asked = server.asked();
  EXPECT_TRUE(asked[0].starts_with("POST /services/T0 HTTP/1.1\r\n")) << asked[0];
  const json body = body_of(asked[2]);
  EXPECT_EQ(body, body_of(asked[0]));
  EXPECT_EQ(body["status"], "firing") << asked[2];
  EXPECT_EQ(body["text"], "crowd is full");
  EXPECT_EQ(body["severity"], "critical");
  EXPECT_EQ(body["policy"], "loud");
  EXPECT_EQ(body["rule"], "crowded");
  EXPECT_EQ(body["container"]["name"], "crowd");
  EXPECT_EQ(body["container"]["id"], inspect("crowd")["Id"]);
  EXPECT_GT(std::stoi(body["seen"]["pids.count"].get<std::string>()), 5);
  const auto rows = decisions("policy=loud");
  ASSERT_FALSE(rows.empty());
  EXPECT_EQ(rows[0]["id"], body["decision"]);
  EXPECT_EQ(rows[0]["detail"], "crowd is full (to oncall)");
  EXPECT_TRUE(until([&] { return count("oncall", "sent") == 1; }));
  EXPECT_EQ(count("oncall", "retried"), 2);
  EXPECT_EQ(metric("plimsoll_notifications_pending{target=\"oncall\"}"), 0);
  EXPECT_NE(sh("policy explain crowd").text.find("notifies oncall: told, and not yet that it is over"),
            std::string::npos);
  disperse();
  ASSERT_TRUE(until([&] { return server.asked().size() >= 4; }));
  const json end = body_of(server.asked()[3]);
  EXPECT_EQ(end["status"], "resolved");
  EXPECT_EQ(end["began"], body["when"]);
  EXPECT_GT(end["decision"], body["decision"]);
  const auto all = decisions("policy=loud");
  EXPECT_EQ(all.back()["cause"], "until");
  EXPECT_EQ(all.back()["detail"], "resolved: crowd is full (to oncall)");
}

TEST_F(NotifyVm, WhatWaitsOutlivesTheAgent) {
  std::atomic<bool> up = false;
  OneAnswerServer server([&](std::size_t) { return OneAnswerServer::say(up ? "200 OK" : "500 Broken"); });
  policy("loud", rule("loud", "oncall") + webhook("oncall", server.url()));
  crowd();
  ASSERT_TRUE(until([&] { return !server.asked().empty(); }));
  ASSERT_TRUE(until([&] {
    return read_text(std::string(GuestAgent::kState) + "/notifications.json").find("crowd is full") !=
           std::string::npos;
  }));
  agent_.kill();
  const std::size_t before = server.asked().size();
  up = true;
  start_agent();
  ASSERT_TRUE(until([&] { return server.asked().size() > before; }));
  EXPECT_EQ(body_of(server.asked().back())["status"], "firing");
  EXPECT_TRUE(until([&] { return count("oncall", "sent") == 1; }));
  agent_.kill();
  fs::remove(std::string(GuestAgent::kPolicies) + "/loud.yaml");
  policy("quiet", rule("quiet", "oncall", "audit") + webhook("oncall", server.url()));
  start_agent();
  ASSERT_TRUE(until([&] { return body_of(server.asked().back())["status"] == "resolved"; }));
  ASSERT_TRUE(until([&] { return !decisions("policy=quiet").empty(); }));
  EXPECT_EQ(decisions("policy=quiet")[0]["outcome"], "audited");
  EXPECT_TRUE(until([&] { return count("oncall", "sent") == 1; }));
  EXPECT_EQ(body_of(server.asked().back())["policy"], "loud") << "an audit sends nothing";
}

TEST_F(NotifyVm, WhatIsRefusedIsSaid) {
  OneAnswerServer server([](std::size_t) { return OneAnswerServer::say("404 Not Found", "no_service"); });
  policy("loud", rule("loud", "oncall") + webhook("oncall", server.url("/secret")));
  crowd();
  const auto failed = [] {
    for (const json& one : decisions("policy=loud")) {
      if (one["outcome"] == "failed") return one["detail"].get<std::string>();
    }
    return std::string();
  };
  ASSERT_TRUE(until([&] { return !failed().empty(); }));
  EXPECT_EQ(failed(), "crowd is full (to oncall): answered 404: no_service");
  const std::string told = sh("doctor").text;
  EXPECT_NE(told.find("target oncall"), std::string::npos) << told;
  EXPECT_NE(told.find("the last try failed: answered 404: no_service"), std::string::npos) << told;
  EXPECT_EQ((told + GuestAgent::take_log()).find("secret"), std::string::npos);
  EXPECT_NE(sh("policy list").text.find("oncall"), std::string::npos);
}

// The real one, on loopback, for as long as the test.
class AlertmanagerVm : public NotifyVm {
 protected:
  static constexpr const char* kAlertmanager = "tcp://127.0.0.1:19093";

  void SetUp() override {
    const char* cache = std::getenv("PLIMSOLL_CACHE");
    const std::string tree =
        std::string(cache != nullptr ? cache : "/var/cache/plimsoll") + "/alertmanager/usr";
    const std::string program = tree + "/bin/prometheus-alertmanager";
    ASSERT_TRUE(fs::exists(program)) << program << ": agent/install-dependencies vm brings it";
    // Debian's looks for its templates where the package would put them; the guest forgets the link.
    const fs::path templates = "/usr/share/prometheus/alertmanager";
    fs::create_directories(templates.parent_path());
    if (!fs::exists(templates))
      fs::create_directory_symlink(tree + "/share/prometheus/alertmanager", templates);
    std::ofstream("/tmp/alertmanager.yml") << "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";
    pid_ = ::fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
      const int log = ::open("/tmp/alertmanager.log", O_WRONLY | O_CREAT | O_TRUNC, 0600);
      ::dup2(log, STDOUT_FILENO);
      ::dup2(log, STDERR_FILENO);
      vm_test::become({program, "--config.file=/tmp/alertmanager.yml", "--storage.path=/tmp/alertmanager",
                       "--web.listen-address=127.0.0.1:19093", "--cluster.listen-address="});
    }
    ASSERT_TRUE(until([] { return GuestAgent::ask("/-/ready", kAlertmanager).status == 200; }))
        << vm_test::text_of("/tmp/alertmanager.log");
    NotifyVm::SetUp();
  }
  void TearDown() override {
    NotifyVm::TearDown();
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    if (HasFailure())
      std::printf("Alertmanager's log:\n%s\n", vm_test::text_of("/tmp/alertmanager.log").c_str());
  }
  static json alerts() {
    const Answer answer = ask("/api/v2/alerts", kAlertmanager);
    return answer.status == 200 ? json::parse(answer.text, nullptr, false) : json();
  }

 private:
  pid_t pid_ = 0;
};

TEST_F(AlertmanagerVm, AnAlertHoldsUntilItsRuleEnds) {
  policy("loud", rule("loud", "[ops]") +
                     target("ops",
                            "  alertmanager:\n    url: http://127.0.0.1:19093\n    labels: {team: ops}\n"
                            "    annotations: {runbook_url: \"https://example.com/crowds\"}\n"));
  crowd();
  ASSERT_TRUE(until([&] { return alerts().size() == 1; })) << alerts();
  const json alert = alerts()[0];
  EXPECT_EQ(alert["labels"]["alertname"], "crowded");
  EXPECT_EQ(alert["labels"]["policy"], "loud");
  EXPECT_EQ(alert["labels"]["container"], "crowd");
  EXPECT_EQ(alert["labels"]["severity"], "critical");
  EXPECT_EQ(alert["labels"]["team"], "ops");
  EXPECT_TRUE(alert["labels"].contains("instance"));
  EXPECT_EQ(alert["annotations"]["summary"], "crowd is full");
  EXPECT_GT(std::stoi(alert["annotations"]["pids_count"].get<std::string>()), 5);
  EXPECT_EQ(alert["annotations"]["runbook_url"], "https://example.com/crowds");
  EXPECT_EQ(alert["status"]["state"], "active");
  EXPECT_TRUE(until([&] { return alerts()[0]["endsAt"] != alert["endsAt"]; })) << "it is not told again";
  EXPECT_EQ(alerts()[0]["startsAt"], alert["startsAt"]);
  disperse();
  ASSERT_TRUE(until([&] { return alerts() == json::array(); })) << alerts();
  EXPECT_EQ(decisions("policy=loud").back()["detail"], "resolved: crowd is full (to ops)");
}

TEST_F(AlertmanagerVm, ItIsOverWhenTheContainerIsGone) {
  policy("loud",
         rule("loud", "[ops]") + target("ops", "  alertmanager: {url: \"http://127.0.0.1:19093/\"}\n"));
  crowd();
  ASSERT_TRUE(until([&] { return alerts().size() == 1; })) << alerts();
  ASSERT_EQ(sh("rm --force crowd").status, 0);
  EXPECT_TRUE(until([&] { return alerts() == json::array(); })) << alerts();
}

}  // namespace
}  // namespace plimsoll
