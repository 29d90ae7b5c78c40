// What was decided live is decided again by a replay of what was recorded; and what other policies would have
// done.
#include "policies/replay.h"

#include <gtest/gtest.h>

#include <random>

#include "agent/history/codec.h"
#include "policies/field.h"

namespace plimsoll::history {
namespace {

using namespace std::chrono_literals;
using policies::Engine;
using policies::Replay;

constexpr const char* kLive = R"(
apiVersion: plimsoll/v1
kind: Policy
metadata: {name: web}
spec:
  select: {labels: {app: web}}
  limits:
    cpu: {max: 1.5, weight: 50}
    memory: {max: 256MiB}
  rules:
    - name: squeeze
      when: memory.usage > 60% of memory.max for 2s
      then:
        - set: {memory.high: 50% of memory.max}
        - notify: "{{container.name}} at {{memory.usage}}"
      until: avg(memory.usage, 5s) < 40% of memory.max for 3s
      cooldown: 5s
    - name: busy
      when: p95(cpu.usage, 10s) > 1
      then:
        - set: {cpu.weight: 20}
        - wait: 3s
        - set: {cpu.max: 0.5}
      until: cpu.usage < 0.8 for 4s
---
apiVersion: plimsoll/v1
kind: Policy
metadata: {name: watched}
spec:
  mode: audit
  select: {labels: {app: web}}
  rules:
    - name: large
      when: memory.growth > 5MiB or oom.kills > 0
      then: [{kill: {grace: 1s}}]
      cooldown: 20s
)";

std::shared_ptr<const policies::PolicySet> load(const std::string& text) {
  const auto outcome = policies::load_texts({{"test.yaml", text}});
  for (const auto& one : outcome.diagnostics) {
    if (!one.warning) ADD_FAILURE() << to_string(one);
  }
  return outcome.set;
}

// A host of some containers whose kernel takes what an engine writes; all that it goes through is recorded.
class Recording {
 public:
  explicit Recording(const std::string& policies, int containers = 6) {
    engine_.use(load(policies));
    for (int i = 0; i < containers; ++i) {
      model::ContainerRef ref;
      ref.id = {static_cast<std::uint64_t>(100 + i)};
      ref.cgroup = "/plimsoll/" + std::to_string(i);
      ref.runtime = model::Runtime::kPlimsoll;
      ref.container_id = "id-" + std::to_string(i);
      ref.name = "web-" + std::to_string(i);
      ref.labels = {{"app", "web"}};
      model::Sample s;
      s.cpu = model::CpuStat{.periods = 0, .throttled_periods = 0, .throttled = Microseconds(0)};
      s.memory.current = Bytes{64ULL << 20};
      s.memory.events = model::MemoryEvents{};
      s.limits.cpu_max = model::CpuMax{};
      s.limits.cpu_weight = 100;
      s.limits.memory_max = s.limits.memory_high = model::Bound<Bytes>::max();
      snapshot_.containers.push_back({std::make_shared<const model::ContainerRef>(ref), s});
    }
    snapshot_.wall = WallTime(std::chrono::seconds(1'760'000'000));
    snapshot_.boot = {1000s};
    snapshot_.host.memory_total = Bytes{8ULL << 30};
    snapshot_.host.cpu_cores = 4;
  }

  void go_on(int seconds) {
    for (int i = 0; i < seconds; ++i) {
      pass(1s);
      for (auto& one : snapshot_.containers) live_on(one.sample, 1);
      if (random_() % 40 == 0) interfere();
      decide(true, {});
      if (random_() % 3 == 0) an_event();
    }
  }
  std::string bytes;
  std::vector<model::DecisionRecord> decided;

 private:
  void pass(Nanoseconds by) {
    snapshot_.wall += by;
    snapshot_.boot = snapshot_.boot + by;
    ++snapshot_.sequence;
    snapshot_.host.taken = snapshot_.boot;
  }
  void live_on(model::Sample& s, double seconds) {
    s.taken = snapshot_.boot;
    const double busy = static_cast<double>(random_() % 200) / 100;
    s.cpu->usage += Microseconds(static_cast<std::int64_t>(busy * seconds * 1e6));
    const auto step = static_cast<std::int64_t>(random_() % (24U << 20)) - (11 << 20);
    const auto now = static_cast<std::int64_t>(s.memory.current->value) + step;
    s.memory.current = Bytes{static_cast<std::uint64_t>(std::clamp<std::int64_t>(now, 1 << 20, 250 << 20))};
  }
  // Somebody else writes.
  void interfere() {
    snapshot_.containers[random_() % snapshot_.containers.size()].sample.limits.cpu_weight = 300;
  }
  void an_event() {
    pass(200ms);
    model::ContainerSample& one = snapshot_.containers[random_() % snapshot_.containers.size()];
    const model::MemoryEvents before = *one.sample.memory.events;
    ++one.sample.memory.events->high;
    if (random_() % 10 == 0) ++one.sample.memory.events->oom_kill;
    live_on(one.sample, 0.2);
    decide(false, {{snapshot_.boot, model::MemoryEventsChanged{one.ref, before, *one.sample.memory.events}}});
  }
  void decide(bool tick, const std::vector<model::Event>& events) {
    const model::Snapshot seen = snapshot_;
    std::vector<model::DecisionRecord> records;
    for (const model::Decision& decision : engine_.evaluate(seen, events)) {
      records.push_back(obey(decision));
      engine_.report(decision, records.back());
    }
    encoder_.encode({.snapshot = seen, .events = events, .decisions = records, .tick = tick}, bytes);
    decided.insert(decided.end(), records.begin(), records.end());
  }
  model::DecisionRecord obey(const model::Decision& decision) {
    model::DecisionRecord record{
        .when = snapshot_.wall,
        .policy = decision.policy,
        .rule = decision.rule,
        .cause = std::string(to_string(decision.cause)),
        .action = std::string(action_name(decision.action)),
        .outcome = std::string(to_string(decision.audit ? model::Outcome::kAudited : model::Outcome::kDone)),
        .container_id = decision.container->container_id,
        .cgroup = decision.container->cgroup,
        .seen = decision.seen,
        .breach_to_effect = decision.decided - decision.breach + 1ms};
    const auto* set = std::get_if<model::SetFile>(&decision.action);
    if (set == nullptr) return record;
    record.detail = set->file;
    record.before = set->before;
    record.after = set->value;
    if (decision.audit || !decision.refusal.empty()) return record;
    for (auto& one : snapshot_.containers) {
      if (one.ref->id != decision.container->id) continue;
      const auto field = policies::field_of(set->file, set->value);
      policies::put_field(*field, policies::value_in(*field, set->value), one.sample.limits);
      one.sample.taken = {snapshot_.boot.since_boot + 1ms};
    }
    return record;
  }

  std::mt19937_64 random_{11};
  Engine engine_{{}};
  Encoder encoder_;
  model::Snapshot snapshot_;
};

std::vector<Replay::Taken> replay(const Recording& recording, Replay& with) {
  std::vector<Replay::Taken> all;
  Decoder decoder;
  std::string_view left = recording.bytes;
  while (!left.empty()) {
    const auto moment = decoder.decode(left);
    if (!moment) {
      ADD_FAILURE() << "unreadable";
      break;
    }
    auto taken = with.next(*moment);
    std::ranges::move(taken, std::back_inserter(all));
  }
  return all;
}

TEST(ReplayTest, WhatWasLiveIsDecidedAgain) {
  Recording recording(kLive);
  recording.go_on(600);
  Replay again(load(kLive), {});
  const auto taken = replay(recording, again);
  EXPECT_GT(recording.decided.size(), 100U);
  ASSERT_EQ(taken.size(), recording.decided.size());
  for (std::size_t i = 0; i < taken.size(); ++i) {
    const model::DecisionRecord& then = recording.decided[i];
    EXPECT_TRUE(taken[i].as_then) << i;
    EXPECT_EQ(taken[i].when, then.when) << i;
    EXPECT_EQ(taken[i].decision.rule, then.rule) << i;
    EXPECT_EQ(taken[i].decision.seen, then.seen) << i;
    EXPECT_EQ(taken[i].decision.container->cgroup, then.cgroup) << i;
    const auto* set = std::get_if<model::SetFile>(&taken[i].decision.action);
    EXPECT_EQ(set == nullptr ? "" : set->value, then.after) << i;
  }
  EXPECT_EQ(again.missed(), 0U);
}

TEST(ReplayTest, WhatWasAuditedIsDoneOnceWhereItIsEnforced) {
  Recording recording(kLive, 1);
  recording.go_on(300);
  std::string enforced = kLive;
  enforced.replace(enforced.find("mode: audit"), 11, "mode: enforce");
  Replay with(load(enforced), {});
  const auto kills = std::ranges::count(recording.decided, "kill", &model::DecisionRecord::action);
  std::ptrdiff_t again = 0;
  for (const Replay::Taken& one : replay(recording, with)) {
    if (!std::holds_alternative<model::Kill>(one.decision.action)) continue;
    ++again;
    EXPECT_FALSE(one.as_then);
  }
  EXPECT_GT(kills, 3);
  EXPECT_EQ(again, kills);
}

// Under no policy nothing that was set is there.
TEST(ReplayTest, WithoutPoliciesNothingIsDecidedAndNothingIsHeld) {
  Recording recording(kLive);
  recording.go_on(60);
  Replay none(
      load("apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: none}\nspec: {select: {names: [nobody]}, "
           "limits: {pids: {max: 5}}}\n"),
      {});
  EXPECT_TRUE(replay(recording, none).empty());
  EXPECT_EQ(none.missed(), recording.decided.size());
  for (const auto& [id, one] : none.containers()) {
    EXPECT_EQ(one.over_memory_max.count(), 0) << one.name;
    EXPECT_GT(one.seen, 50s) << one.name;
  }
}

TEST(ReplayTest, ATighterLimitIsCrossedMoreAndGivesBackMore) {
  Recording recording(kLive);
  recording.go_on(300);
  std::string tighter = kLive;
  tighter.replace(tighter.find("max: 256MiB"), 11, "max: 128MiB");
  Replay live(load(kLive), {}), tight(load(tighter), {});
  replay(recording, live);
  const auto taken = replay(recording, tight);
  Nanoseconds over_live{0}, over_tight{0};
  double given = 0, seen = 0;
  for (const auto& [id, one] : live.containers()) {
    over_live += one.over_memory_max;
    EXPECT_EQ(one.memory_byte_seconds, 0) << one.name;
  }
  for (const auto& [id, one] : tight.containers()) {
    over_tight += one.over_memory_max;
    given += one.memory_byte_seconds;
    seen += to_seconds(one.seen);
  }
  EXPECT_EQ(over_live.count(), 0);
  EXPECT_GT(over_tight, 10s);
  EXPECT_NEAR(given / seen, 128 << 20, 1 << 20);
  EXPECT_FALSE(taken.empty());
}

TEST(ReplayTest, FieldsAreReadBackAsTheyWereWritten) {
  model::Limits limits;
  limits.cpu_max = model::CpuMax{};
  limits.cpu_burst = Microseconds(0), limits.cpu_weight = 100, limits.cpu_idle = false, limits.cpus = "";
  limits.memory_max = limits.memory_high = limits.memory_low = limits.memory_min = limits.memory_swap_max =
      model::Bound<Bytes>::max();
  limits.memory_oom_group = false, limits.pids_max = model::Bound<std::uint64_t>::max();
  limits.io_max.emplace(), limits.io_weight.emplace();
  const auto all = policies::fields();
  for (policies::FieldId id = 0; id < all.size(); ++id) {
    const policies::FieldKey key(id, all[id].per_device ? "8:0" : "");
    for (const std::string text :
         {all[id].name == "cpu.max" ? "25000 50000" : "1", all[id].name == "cpu.max" ? "max 100000" : "1"}) {
      policies::put_field(key, text, limits);
      EXPECT_EQ(policies::field_now(key, limits), text) << all[id].name;
      EXPECT_EQ(policies::field_of(all[id].file, policies::file_text(key, text)), key) << all[id].name;
    }
    const model::Limits before = limits;
    policies::put_field(key, all[id].name == "cpu.cpus" ? "1" : "", limits);
    if (all[id].name != "cpu.idle" && all[id].name != "memory.oom_group" && all[id].name != "io.weight") {
      EXPECT_EQ(limits, before) << all[id].name;
    }
  }
}

}  // namespace
}  // namespace plimsoll::history
