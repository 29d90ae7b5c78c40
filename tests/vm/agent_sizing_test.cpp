// `autosize` to its end on a real kernel: what is recommended, what is enforced and given back, and cold
// memory that goes.
#include <cmath>

#include "tests/vm/agent_fixture.h"

namespace plimsoll {
namespace {

class SizingVm : public AgentVm {
 protected:
  static constexpr std::uint64_t kMiB = 1 << 20;
  static std::string document(const std::string& autosize, const std::string& name = "fit") {
    return "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: " + name +
           "}\nspec:\n  select: {names: [web]}\n"
           "  autosize: " +
           autosize + "\n";
  }
  static json recommended(const std::string& resource) {
    for (const json& one : get("/plimsoll/v1/recommendations?container=web")) {
      if (one["resource"] == resource) return one;
    }
    return {};
  }
  static std::uint64_t current() { return std::stoull(file("web", "memory.current")); }
  // Pages that nobody asks for again, and that go to the swap.
  static constexpr const char* kHoldCold = "dd if=/dev/zero of=/cold bs=1M count=96; sleep 100000";
  static void SetUpTestSuite() { swap_ = std::make_unique<CompressedSwap>(); }
  static void TearDownTestSuite() { swap_.reset(); }
  inline static std::unique_ptr<CompressedSwap> swap_;
};

TEST_F(SizingVm, RecommendsAndGoesOnOverARestartOfTheAgent) {
  policy("fit", document("{memory: {mode: recommend}, cpu: {mode: recommend, min: 0.5}}"));
  run("--name web --memory 512m", "sleep 100000");
  ASSERT_TRUE(until([&] { return !recommended("memory").is_null() && !recommended("cpu").is_null(); }));
  const json memory = recommended("memory");
  EXPECT_EQ(memory["limit"], 512 * kMiB);
  EXPECT_GT(memory["saves"], 400.0 * kMiB);
  EXPECT_EQ(recommended("cpu")["target"], 0.5);
  EXPECT_EQ(file("web", "memory.max"), std::to_string(512 * kMiB));
  const Answer table = sh("recommend web");
  EXPECT_NE(table.text.find("512MiB"), std::string::npos) << table.text;
  const Answer patch = sh("recommend web --patch policy");
  EXPECT_EQ(patch.status, 0);
  EXPECT_NE(sh("recommend nobody").status, 0);
  EXPECT_EQ(metric("plimsoll_recommendation_cores{id=\"" + cgroup("web").string().substr(14) +
                   "\",name=\"web\",image=\"demo\",policy=\"fit\",bound=\"target\"}"),
            0.5);
  // What it writes is a policy that is good.
  std::ofstream("/tmp/patch.yaml") << patch.text;
  const Answer checked = sh("policy check --strict /tmp/patch.yaml");
  EXPECT_EQ(checked.status, 0) << checked.text << patch.text;

  const double seen = recommended("memory")["observed_seconds"];
  agent_.stop();
  start_agent();
  ASSERT_TRUE(until([&] { return !recommended("memory").is_null(); }));
  EXPECT_GE(recommended("memory")["observed_seconds"], seen);
}

TEST_F(SizingVm, EnforcesInStepsTakesColdMemoryFirstAndGivesBack) {
  run("--name web --memory 128m --memory-swap 512m", kHoldCold);
  ASSERT_TRUE(until([&] { return current() > 90 * kMiB; }));
  policy("fit", document("{memory: {mode: enforce, max: 64MiB}}"));
  // A fifth less is in the way of what is held: that goes first, and the limit follows.
  const auto set = [] {
    for (const json& one : decisions("policy=fit")) {
      if (one["action"] == "set" && one["outcome"] == "done") return one;
    }
    return json();
  };
  ASSERT_TRUE(until([&] { return !set().is_null(); }));
  EXPECT_EQ(set()["cause"], "autosize");
  EXPECT_EQ(set()["rule"], "autosize");
  const std::string held = file("web", "memory.max");
  EXPECT_LT(std::stoull(held), 128 * kMiB);
  EXPECT_GE(std::stoull(held), 102 * kMiB);
  // Somebody else raises it: drift.
  std::ofstream(cgroup("web") / "memory.max") << "max\n";
  EXPECT_TRUE(until([&] { return file("web", "memory.max") == held; }));
  fs::remove(std::string(GuestAgent::kPolicies) + "/fit.yaml");
  EXPECT_TRUE(until([&] { return file("web", "memory.max") == std::to_string(128 * kMiB); }));
  EXPECT_EQ(row("web")["oom_kills"], 0);
}

TEST_F(SizingVm, PressureModeTakesColdMemoryAway) {
  run("--name web", kHoldCold);
  ASSERT_TRUE(until([&] { return current() > 90 * kMiB; }));
  const std::uint64_t before = current();
  policy("cold", document("{memory: {mode: enforce, seek: pressure, pressure: 50%}}", "cold"));
  ASSERT_TRUE(until([&] { return decisions("policy=cold").size() >= 2; }));
  ASSERT_TRUE(until([&] { return current() < before - kMiB; }));
  for (const json& one : decisions("policy=cold")) {
    EXPECT_EQ(one["action"], "reclaim");
    EXPECT_EQ(one["outcome"], "done") << one;
  }
  EXPECT_EQ(file("web", "memory.max"), "max");
  EXPECT_EQ(inspect("web")["State"]["Status"], "running");
}

}  // namespace
}  // namespace plimsoll
