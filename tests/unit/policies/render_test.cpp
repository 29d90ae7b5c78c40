// What people and programs are told of policies: golden/render/NAME.txt and .json.
// PLIMSOLL_UPDATE_GOLDEN=1 writes them anew; read the difference before you commit it.
#include "policies/render.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "policies/engine.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;
using model::Bound;
namespace fs = std::filesystem;

void expect_golden(const std::string& name, const std::string& said) {
  const fs::path golden = fs::path(PLIMSOLL_SOURCE_DIR) / "tests/unit/policies/golden/render" / name;
  if (std::getenv("PLIMSOLL_UPDATE_GOLDEN") != nullptr) {
    fs::create_directories(golden.parent_path());
    std::ofstream(golden, std::ios::binary) << said;
  }
  std::ifstream in(golden, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  EXPECT_EQ(said, text.str()) << name;
}

constexpr const char* kPolicies = R"(apiVersion: plimsoll/v1
kind: Policy
metadata: {name: batch, description: background work yields}
spec:
  priority: 10
  select: {labels: {tier: batch}}
  limits:
    cpu: {max: 0.5}
    memory: {max: 128MiB}
  rules:
    - name: squeeze
      when: memory.usage > 80% of memory.max for 10s
      then:
        - set: {memory.high: 70% of memory.max}
        - notify: squeezed
      until: memory.usage < 60% of memory.max for 5s
      cooldown: 1m
    - name: ladder
      when: memory.usage > 120MiB and cpu.usage > 0.25
      then: [{freeze: 1s}, {wait: 30s}, {kill: {signal: TERM, grace: 5s}}]
    - name: blind
      when: cpu.wait > 0.5
      then: [{notify: waits}]
---
apiVersion: plimsoll/v1
kind: Policy
metadata: {name: house}
spec:
  priority: 1
  select: {runtimes: [plimsoll, docker]}
  limits:
    memory: {max: 256MiB}
    pids: {max: 500}
---
apiVersion: plimsoll/v1
kind: Policy
metadata: {name: web}
spec:
  priority: 20
  mode: audit
  select: {labels: {app: web}}
  limits: {cpu: {weight: 500}}
---
apiVersion: plimsoll/v1
kind: Policy
metadata: {name: resting}
spec:
  mode: off
  select: {names: ["*"]}
  limits: {cpu: {max: 1}}
---
apiVersion: plimsoll/v1
kind: HostPolicy
metadata: {name: host}
spec:
  mode: audit
  rules:
    - name: free-memory
      when: host.memory.available < 5% of host.memory.total for 2s
      then: [{kill: {victim: {among: {labels: {tier: batch}}, most: memory.usage}}}]
      cooldown: 15s
)";

// One container that the engine holds, over a kernel that takes everything.
class RenderTest : public testing::Test {
 protected:
  RenderTest() {
    auto loaded = load_texts({{"/etc/plimsoll/policies/fleet.yaml", kPolicies}});
    for (const Diagnostic& one : loaded.diagnostics) ADD_FAILURE() << to_string(one);
    set_ = loaded.set;
    engine_.use(set_);
    ref_.id = {7};
    ref_.cgroup = "/plimsoll/4f1c2a99d0";
    ref_.runtime = model::Runtime::kPlimsoll;
    ref_.container_id = "4f1c2a99d0e81b77aa";
    ref_.name = "etl-1";
    ref_.labels = {{"tier", "batch"}};
    sample_.cpu.emplace();
    sample_.limits.cpu_max = model::CpuMax{};
    sample_.limits.cpu_weight = 100;
    sample_.limits.memory_max = Bound<Bytes>::max();
    sample_.limits.memory_high = Bound<Bytes>::max();
    sample_.limits.pids_max = Bound<std::uint64_t>::max();
    use_memory(50);
  }
  void use_memory(std::uint64_t mebibytes) { sample_.memory.current = Bytes{mebibytes << 20}; }
  void step(Nanoseconds elapsed = 1s) {
    now_ = now_ + elapsed;
    sample_.taken = now_;
    sample_.cpu->usage += std::chrono::duration_cast<Microseconds>(elapsed) / 2;
    snapshot_ = {};
    snapshot_.boot = now_;
    snapshot_.host.taken = now_;
    snapshot_.probes = probes_;
    snapshot_.host.memory_total = {1ULL << 30};
    snapshot_.host.memory_available = {512ULL << 20};
    snapshot_.containers.push_back({std::make_shared<model::ContainerRef>(ref_), sample_});
    for (const model::Decision& one : engine_.evaluate(snapshot_, {})) obey(one);
  }
  void obey(const model::Decision& one) {
    const auto* set = std::get_if<model::SetFile>(&one.action);
    model::DecisionRecord record;
    record.outcome = "done";
    if (set != nullptr && set->file == refuses_) {
      record.outcome = "refused";
      record.detail = refuses_ + ": write " + refuses_ + " of " + ref_.cgroup + ": Invalid argument";
    } else if (set != nullptr) {
      record.after = set->value;
      take(set->file, set->value);
    }
    engine_.report(one, record);
  }
  void take(const std::string& file, const std::string& value) {
    const auto bound = value == "max" ? Bound<Bytes>::max() : Bound(Bytes{std::stoull(value)});
    if (file == "memory.max") sample_.limits.memory_max = bound;
    if (file == "memory.high") sample_.limits.memory_high = bound;
    if (file == "pids.max") sample_.limits.pids_max = Bound<std::uint64_t>(std::stoull(value));
    if (file == "cpu.max") sample_.limits.cpu_max->quota = Bound(Microseconds(std::stoll(value)));
  }
  void expect_explained(const std::string& name) {
    const Explanation told = engine_.explain(ref_, &snapshot_);
    expect_golden(name + ".txt", explain_text(told));
    expect_golden(name + ".json", explain_json(told) + "\n");
  }

  std::shared_ptr<const PolicySet> set_;
  Engine engine_{EngineOptions{.untouchable = {"/", "/plimsoll/.shims"}}};
  model::ContainerRef ref_;
  model::Sample sample_;
  model::Snapshot snapshot_;
  std::vector<model::ProbeState> probes_ = {{.name = "lifecycle", .up = true},
                                            {.name = "sched", .why = "switched off"}};
  BootTime now_{100s};
  std::string refuses_;
};

TEST_F(RenderTest, AContainerAtRest) {
  step();
  step();
  expect_explained("at-rest");
}

// Only where a rule that applies to the container cannot do without it.
TEST_F(RenderTest, AProbeThatIsMissedIsNamedOnce) {
  const auto missing = [&] {
    step();
    return engine_.explain(ref_, &snapshot_).missing_probes;
  };
  ASSERT_EQ(missing().size(), 1U);
  EXPECT_EQ(missing()[0].probe, "sched");
  EXPECT_EQ(missing()[0].why, "switched off");
  EXPECT_EQ(missing()[0].signals, std::vector<std::string>{"cpu.wait"});
  probes_.clear();
  ASSERT_EQ(missing().size(), 1U);
  EXPECT_EQ(missing()[0].why, "the agent was told to do without all probes");
  probes_ = {{.name = "sched", .up = true}};
  EXPECT_TRUE(missing().empty());
  probes_.clear();
  step();
  model::ContainerRef other = ref_;
  other.labels = {{"tier", "front"}};
  EXPECT_TRUE(engine_.explain(other, &snapshot_).missing_probes.empty()) << "it has no such rule";
  EXPECT_TRUE(engine_.explain(ref_).missing_probes.empty()) << "nothing is known of the probes";
}

TEST_F(RenderTest, UntilAndValuesNeedTheirProbesToo) {
  const auto loaded = load_texts({{"/etc/plimsoll/policies/p.yaml", R"(apiVersion: plimsoll/v1
kind: Policy
metadata: {name: p}
spec:
  select: {names: ["*"]}
  rules:
    - name: r
      when: max(pids.forks, 10s) > 5 or cpu.wait > 1
      then: [{set: {memory.high: 64MiB}}]
      until: net.retransmits < 1 and cpu.wait.p99 < 1ms
)"}});
  for (const Diagnostic& one : loaded.diagnostics) ADD_FAILURE() << to_string(one);
  engine_.use(loaded.set);
  step();
  const Explanation told = engine_.explain(ref_, &snapshot_);
  ASSERT_EQ(told.missing_probes.size(), 2U);
  EXPECT_EQ(told.missing_probes[0].signals, (std::vector<std::string>{"cpu.wait", "cpu.wait.p99"}));
  EXPECT_EQ(told.missing_probes[1].probe, "net");
  EXPECT_EQ(told.missing_probes[1].why, "this agent has no such probe");
  EXPECT_NE(explain_text(told).find(
                "The BPF probe sched, which counts cpu.wait and cpu.wait.p99, is not up: switched off.\n"),
            std::string::npos);
}

TEST_F(RenderTest, AForThatHasBegun) {
  step();
  use_memory(110);
  step();
  step(4s);
  expect_explained("holding");
}

TEST_F(RenderTest, RulesThatFiredAndWaitWithALimitThatIsRefused) {
  refuses_ = "pids.max";
  step();
  use_memory(125);
  for (int i = 0; i < 12; ++i) step();
  expect_explained("fired");
}

TEST_F(RenderTest, ARuleThatCoolsDown) {
  step();
  use_memory(110);
  for (int i = 0; i < 12; ++i) step();
  use_memory(40);
  for (int i = 0; i < 7; ++i) step();
  expect_explained("cooling");
}

TEST_F(RenderTest, WhatNoEvaluationHasSeenYet) {
  expect_golden("unseen.txt", explain_text(engine_.explain(ref_)));
}

TEST_F(RenderTest, AnothersContainerAndAnUntouchableOne) {
  ref_.runtime = model::Runtime::kDocker;
  ref_.labels = {{"tier", "front"}, {"app", "shop"}};
  step();
  expect_golden("docker.txt", explain_text(engine_.explain(ref_, &snapshot_)));
  ref_.cgroup = "/plimsoll/.shims/x";
  ref_.id = {8};
  step();
  expect_golden("untouchable.txt", explain_text(engine_.explain(ref_, &snapshot_)));
}

TEST_F(RenderTest, PausedAndTheHost) {
  step();
  engine_.pause(true);
  use_memory(125);
  step();
  expect_golden("paused.txt", explain_text(engine_.explain(ref_, &snapshot_)));
  expect_golden("host.txt", explain_text(engine_.explain_host(&snapshot_)));
  expect_golden("host.json", explain_json(engine_.explain_host(&snapshot_)) + "\n");
}

TEST_F(RenderTest, TheList) {
  step();
  const auto rows = summaries(*set_, snapshot_.containers);
  expect_golden("list.txt", list_text(rows));
  expect_golden("list.json", list_json(rows) + "\n");
}

TEST_F(RenderTest, AReasonIsGivenExactlyWhereASelectorDoesNotMatch) {
  const auto loaded = load_texts({{"s.yaml", R"(apiVersion: plimsoll/v1
kind: Policy
metadata: {name: p}
spec:
  select:
    labels: {tier: [batch, etl]}
    names: "etl-*"
    images: "reg/*"
    cgroups: "/plimsoll/**"
    namespaces: data
    runtimes: [plimsoll]
    except: {labels: {critical: "true"}}
  limits: {cpu: {max: 1}}
)"}});
  ASSERT_TRUE(loaded.good());
  const Selector& select = loaded.set->policies[0].select;
  ref_.image = "reg/etl:1";
  ref_.kube_namespace = "data";
  EXPECT_TRUE(select.matches(ref_));
  EXPECT_EQ(select.why_not(ref_), "");
  const auto why = [&](auto change) {
    model::ContainerRef other = ref_;
    change(other);
    EXPECT_FALSE(select.matches(other));
    return select.why_not(other);
  };
  EXPECT_EQ(why([](auto& ref) { ref.labels["tier"] = "front"; }),
            "label 'tier' is 'front', expected batch or etl");
  EXPECT_EQ(why([](auto& ref) { ref.labels.clear(); }), "no label 'tier', expected batch or etl");
  EXPECT_EQ(why([](auto& ref) { ref.name = "web"; }), "name is 'web', expected etl-*");
  EXPECT_EQ(why([](auto& ref) { ref.image = ""; }), "no image, expected reg/*");
  EXPECT_EQ(why([](auto& ref) { ref.cgroup = "/x"; }), "cgroup is '/x', expected /plimsoll/**");
  EXPECT_EQ(why([](auto& ref) { ref.kube_namespace = "web"; }), "namespace is 'web', expected data");
  EXPECT_EQ(why([](auto& ref) { ref.runtime = model::Runtime::kDocker; }),
            "its runtime is docker, expected plimsoll");
  EXPECT_EQ(why([](auto& ref) { ref.labels["critical"] = "true"; }), "it is excepted by select.except");
}

TEST(RenderCheckTest, GoodWarnedAndBad) {
  const auto good = load_texts({{"fleet.yaml", kPolicies}});
  EXPECT_EQ(check_text(good), "5 policies, 0 warnings\n");
  EXPECT_EQ(check_status(good, true), 0);

  const std::string twice = "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: ";
  const std::string rest = "}\nspec: {select: {names: x}, limits: {cpu: {max: ";
  const auto warned =
      load_texts({{"a.yaml", twice + "a" + rest + "1}}}\n"}, {"b.yaml", twice + "b" + rest + "2}}}\n"}});
  EXPECT_EQ(check_status(warned), 0);
  EXPECT_EQ(check_status(warned, true), 1);
  expect_golden("check-warned.txt", check_text(warned));

  const auto bad = load_texts({{"bad.yaml", "apiVersion: plimsoll/v1\nkind: Polizei\nspec: {limit: 1}\n"}});
  EXPECT_EQ(check_status(bad), 1);
  expect_golden("check-bad.txt", check_text(bad));
  expect_golden("check-bad.json", check_json(bad) + "\n");
}

TEST(RenderFieldTest, ValuesAsPeopleReadThem) {
  EXPECT_EQ(field_words("cpu.max", "50000 100000"), "0.5 cores");
  EXPECT_EQ(field_words("cpu.max", "max 100000"), "max");
  EXPECT_EQ(field_words("memory.max", "134217728"), "128MiB");
  EXPECT_EQ(field_words("cpu.burst", "20000"), "20ms");
  EXPECT_EQ(field_words("cpu.cpus", "0-3"), "0-3");
  EXPECT_EQ(field_words("memory.oom_group", "1"), "true");
  EXPECT_EQ(field_words("pids.max", "max"), "max");
}

}  // namespace
}  // namespace plimsoll::policies
