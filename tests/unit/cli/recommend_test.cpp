// `plimsoll recommend`: the table, and the YAML that it writes.
#include "fake_agent.h"

namespace plimsoll::cli_test {
namespace {

json one(const std::string& name, const std::string& resource, double target) {
  return {{"container",
           {{"id", name + "-id"},
            {"name", name},
            {"image", "img"},
            {"cgroup", "/" + name},
            {"runtime", "docker"},
            {"namespace", ""},
            {"pod", ""},
            {"kube_container", ""},
            {"compose_service", ""}}},
          {"resource", resource},
          {"policy", "fit"},
          {"mode", "recommend"},
          {"seek", "usage"},
          {"audit", false},
          {"limit", nullptr},
          {"used", target / 2},
          {"target", target},
          {"lower", target / 2},
          {"upper", target * 2},
          {"saves", nullptr},
          {"confidence", 0.5},
          {"observed_seconds", 86400.4}};
}

// A web of compose, one in a pod, one whose name needs care.
json all() {
  json web = one("shop_web_1", "memory", 120.3 * (1 << 20));
  web["container"]["compose_service"] = "web";
  web["limit"] = 1 << 30;
  web["saves"] = (1 << 30) - 120.3 * (1 << 20);
  json web_cpu = one("shop_web_1", "cpu", 0.351);
  web_cpu["container"]["compose_service"] = "web";
  web_cpu["limit"] = 0.25;
  web_cpu["saves"] = -0.101;
  // Another of the same service, which needs more.
  json second = one("shop_web_2", "memory", 130.0 * (1 << 20));
  second["container"]["compose_service"] = "web";
  json pod = one("k8s_api", "memory", 200.0 * (1 << 20));
  pod["container"].update({{"namespace", "data"}, {"pod", "api-7d9f-x2x"}, {"kube_container", "api"}});
  pod["confidence"] = 0.875;
  json pod_cpu = one("k8s_api", "cpu", 1.5);
  pod_cpu["container"] = pod["container"];
  json odd = one("odd: \"name\"\n- x", "cpu", 0.01);
  odd["mode"] = "enforce";
  odd["audit"] = true;
  return json::array({web, web_cpu, second, pod, pod_cpu, odd});
}

class Recommend : public testing::Test {
 protected:
  Recommend() { agent_.answer("GET /plimsoll/v1/recommendations", all()); }
  FakeAgent agent_;
};

TEST_F(Recommend, Table) {
  expect_golden(say(agent_, "recommend", {}).out, "recommend.txt");
  EXPECT_EQ(json::parse(say(agent_, "recommend", {"--json", "shop_web_1"}).out), all());
  EXPECT_EQ(agent_.asked().back(), "GET /plimsoll/v1/recommendations?container=shop_web_1");
}

TEST_F(Recommend, PatchesOfEachKind) {
  for (const std::string kind : {"policy", "compose", "kubernetes"})
    expect_golden(say(agent_, "recommend", {"--patch", kind}).out, "recommend-" + kind + ".yaml");
}

TEST_F(Recommend, SaysWhatIsWrong) {
  EXPECT_EQ(say(agent_, "recommend", {"--patch", "helm"}).err,
            "--patch 'helm': expected policy, compose or kubernetes\n");
  EXPECT_EQ(say(agent_, "recommend", {"--patch", "policy", "--json"}).err,
            "--patch: is a format of its own\n");
  FakeAgent idle;
  idle.answer("GET /plimsoll/v1/recommendations", json::array());
  EXPECT_EQ(say(idle, "recommend", {"db"}).status, 1);
  EXPECT_EQ(say(idle, "recommend", {}).status, 0);
  idle.answer("GET /plimsoll/v1/recommendations", json::array({one("db", "memory", 1 << 20)}));
  EXPECT_EQ(say(idle, "recommend", {"--patch", "kubernetes", "db"}).status, 1);
  FakeAgent broken;
  broken.answer("GET /plimsoll/v1/recommendations", json::array({{{"container", 5}}}));
  EXPECT_EQ(say(broken, "recommend", {}).status, 1);
  EXPECT_EQ(say(broken, "recommend", {"--patch", "policy"}).status, 1);
}

}  // namespace
}  // namespace plimsoll::cli_test
