#include <gtest/gtest.h>

#include <map>

#include "policies/document.h"
#include "policies/expression.h"
#include "policies/glob.h"
#include "policies/quantity.h"
#include "policies/spelling.h"
#include "policies/yaml_tree.h"

namespace plimsoll::policies {
namespace {

using namespace std::chrono_literals;

// Signals by name; what is not named is unknown.
class Fixed final : public SignalSource {
 public:
  explicit Fixed(std::map<std::string, double> values) : values_(std::move(values)) {}
  Reading value(SignalId signal) const override {
    const auto found = values_.find(std::string(signals()[signal].name));
    if (found == values_.end()) return {0, Unknown::kNoLimit, signal};
    return {found->second, Unknown::kKnown, signal};
  }
  Reading window(Function, SignalId signal, Nanoseconds) const override { return value(signal); }
  std::map<std::string, double> values_;
};

Truth test(std::string_view text, const Fixed& source) {
  const auto condition = Expression::condition(text, {});
  EXPECT_TRUE(condition) << text << ": " << (condition ? "" : condition.error().message);
  std::vector<HoldTimer> timers;
  return condition ? condition->test(source, BootTime{1s}, timers, nullptr) : Truth::kUnknown;
}

TEST(Expression, ComparesWithArithmeticAndPercentages) {
  const Fixed source({{"memory.usage", 90},
                      {"memory.max", 100},
                      {"cpu.usage", 1.5},
                      {"memory.growth", 5},
                      {"memory.pressure.full.10s", 0.41}});
  EXPECT_EQ(test("memory.usage > 80% of memory.max", source), Truth::kTrue);
  EXPECT_EQ(test("memory.usage > 95% of memory.max", source), Truth::kFalse);
  EXPECT_EQ(test("memory.pressure.full.10s > 40%", source), Truth::kTrue);
  EXPECT_EQ(test("(memory.max - memory.usage) / memory.growth < 3s", source), Truth::kTrue);
  EXPECT_EQ(test("memory.usage / memory.max >= 0.9", source), Truth::kTrue);
  EXPECT_EQ(test("2 * cpu.usage + 1 == 4", source), Truth::kTrue);
  EXPECT_EQ(test("memory.growth > -1MiB/s", source), Truth::kTrue);
  EXPECT_EQ(test("cpu.usage - 1 - 0.5 == 0", source), Truth::kTrue) << "subtraction groups to the left";
}

TEST(Expression, AndBindsTighterThanOrAndNotTighterStill) {
  const Fixed source({{"pids.count", 5}, {"cpu.usage", 1}});
  EXPECT_EQ(test("pids.count > 1 or pids.count > 9 and cpu.usage > 9", source), Truth::kTrue);
  EXPECT_EQ(test("(pids.count > 1 or pids.count > 9) and cpu.usage > 9", source), Truth::kFalse);
  EXPECT_EQ(test("not pids.count > 9 and cpu.usage == 1", source), Truth::kTrue);
  EXPECT_EQ(test("not (pids.count > 1 and cpu.usage == 1)", source), Truth::kFalse);
}

TEST(Expression, AnUnknownSignalNeitherFiresNorClears) {
  const Fixed source({{"pids.count", 5}});
  EXPECT_EQ(test("memory.usage > 1MiB", source), Truth::kUnknown);
  EXPECT_EQ(test("not memory.usage > 1MiB", source), Truth::kUnknown);
  EXPECT_EQ(test("pids.count > 1 and memory.usage > 1MiB", source), Truth::kUnknown);
  EXPECT_EQ(test("pids.count > 9 and memory.usage > 1MiB", source), Truth::kFalse);
  EXPECT_EQ(test("pids.count > 1 or memory.usage > 1MiB", source), Truth::kTrue);
  EXPECT_EQ(
      test("memory.usage / 0 > 1MiB or pids.count / 0 > 1", Fixed({{"memory.usage", 1}, {"pids.count", 1}})),
      Truth::kUnknown);
}

TEST(Expression, ForNeedsASpellThatNoSampleBreaks) {
  const auto condition = Expression::condition("pids.count > 3 for 10s", {});
  ASSERT_TRUE(condition);
  std::vector<HoldTimer> timers;
  const auto at = [&](std::chrono::seconds time, std::map<std::string, double> values) {
    return condition->test(Fixed(std::move(values)), BootTime{time}, timers, nullptr);
  };
  EXPECT_EQ(at(0s, {{"pids.count", 5}}), Truth::kFalse);
  EXPECT_EQ(at(9s, {{"pids.count", 5}}), Truth::kFalse);
  EXPECT_EQ(at(10s, {{"pids.count", 5}}), Truth::kTrue);
  EXPECT_EQ(condition->since(BootTime{10s}, timers), BootTime{0s});
  EXPECT_EQ(at(11s, {{"pids.count", 2}}), Truth::kFalse);
  EXPECT_EQ(at(12s, {{"pids.count", 5}}), Truth::kFalse);
  EXPECT_EQ(at(18s, {}), Truth::kUnknown);
  EXPECT_EQ(at(21s, {{"pids.count", 5}}), Truth::kFalse);
  EXPECT_EQ(at(22s, {{"pids.count", 5}}), Truth::kTrue) << "what could not be seen clears nothing";
  EXPECT_EQ(at(23s, {}), Truth::kUnknown) << "nor does it fire";
  EXPECT_EQ(at(24s, {{"pids.count", 5}}), Truth::kTrue);
}

TEST(Expression, IsBoundedAgainstHostileText) {
  EXPECT_FALSE(Expression::condition(std::string(100'000, '('), {}));
  EXPECT_FALSE(Expression::condition(std::string(200, '(') + "1 > 0" + std::string(200, ')'), {}));
  std::string chain = "pids.count > 1";
  for (int i = 0; i < 300; ++i) chain += " or pids.count > 1";
  const auto refused = Expression::condition(chain, {});
  ASSERT_FALSE(refused);
  std::string nots;
  for (int i = 0; i < 500; ++i) nots += "not ";
  EXPECT_FALSE(Expression::condition(nots + "pids.count > 1", {}));
}

TEST(Quantity, TenMinutesAreNeverMebibytes) {
  EXPECT_EQ(parse_quantity("10m")->type.unit, Unit::kSeconds);
  EXPECT_EQ(parse_quantity("10MiB")->type.unit, Unit::kBytes);
  EXPECT_EQ(parse_quantity("10MiB/s")->type.unit, Unit::kBytesPerSecond);
  EXPECT_DOUBLE_EQ(parse_quantity("40%")->value, 0.4);
  EXPECT_FALSE(parse_quantity("10 parsecs"));
}

TEST(Glob, StarsAndPaths) {
  const auto text = [](const char* pattern, const char* name) {
    return Glob::parse(pattern, Glob::Kind::kText)->matches(name);
  };
  EXPECT_TRUE(text("etl-*", "etl-1"));
  EXPECT_TRUE(text("*", ""));
  EXPECT_TRUE(text("registry.local/etl:*", "registry.local/etl:1"));
  EXPECT_TRUE(text("*a*b?c*", "xxaxxbxc"));
  EXPECT_FALSE(text("etl-?", "etl-12"));
  const auto path = [](const char* pattern, const char* name) {
    return Glob::parse(pattern, Glob::Kind::kPath)->matches(name);
  };
  EXPECT_TRUE(path("/system.slice/*.service", "/system.slice/etl.service"));
  EXPECT_FALSE(path("/system.slice/*.service", "/system.slice/a/b.service"));
  EXPECT_TRUE(path("/kubepods/**", "/kubepods/burstable/pod1/abc"));
  EXPECT_FALSE(path("/kubepods/*", "/kubepods/burstable/pod1"));
  EXPECT_FALSE(Glob::parse("relative", Glob::Kind::kPath));
  EXPECT_FALSE(Glob::parse("", Glob::Kind::kText));
}

TEST(Yaml, KnowsWhereAScalarsBytesStand) {
  const std::string source = "a: \"xx yy\"\nb: one\n   two\nc: |\n  first\n  second\n";
  Diagnostics out("f");
  const auto documents = parse_yaml(source, out);
  ASSERT_EQ(documents.size(), 1U);
  const auto& items = documents[0].items;
  EXPECT_EQ(place_in_scalar(source, items[0], 3), (Place{1, 8}));
  EXPECT_EQ(items[1].text, "one two");
  EXPECT_EQ(place_in_scalar(source, items[1], 4), (Place{3, 4}));
  EXPECT_EQ(place_in_scalar(source, items[2], 6), (Place{6, 3}));
}

TEST(Yaml, IsBoundedAgainstHostileText) {
  const auto refused = [](const std::string& text) {
    Diagnostics out("f");
    parse_yaml(text, out);
    return out.has_errors();
  };
  EXPECT_TRUE(refused(std::string(2 << 20, ' ')));
  EXPECT_TRUE(refused(std::string(5000, '[')));
  EXPECT_TRUE(refused("a: &x [1]\nb: *x\n"));
  EXPECT_TRUE(refused(std::string("a\0b", 3)));
}

TEST(Selector, ForeignRuntimesOnlyWhenNamed) {
  const auto loaded = load_texts({{"f", R"(
apiVersion: plimsoll/v1
kind: Policy
metadata: {name: p}
spec:
  select:
    names: ["web-*", db]
    labels: {tier: [front, "back*"]}
    runtimes: [plimsoll, docker]
    except: {labels: {critical: "true"}}
  limits: {pids: {max: 10}}
)"}});
  ASSERT_TRUE(loaded.good());
  const Selector& select = loaded.set->policies[0].select;
  model::ContainerRef ref;
  ref.name = "web-1";
  ref.runtime = model::Runtime::kDocker;
  ref.labels = {{"tier", "backend"}};
  EXPECT_TRUE(select.matches(ref));
  ref.runtime = model::Runtime::kPodman;
  EXPECT_FALSE(select.matches(ref));
  ref.runtime = model::Runtime::kPlimsoll;
  ref.labels["critical"] = "true";
  EXPECT_FALSE(select.matches(ref));
  ref.labels = {{"tier", "none"}};
  EXPECT_FALSE(select.matches(ref));
}

TEST(Loader, IsGoodAsAWholeOrNotAtAll) {
  const std::string good = R"({apiVersion: plimsoll/v1, kind: Policy, metadata: {name: good},
    spec: {select: {names: ["*"]}, limits: {memory: {max: 100MiB, high: 90%}}}})";
  const auto one = load_texts({{"good.yaml", good}});
  ASSERT_TRUE(one.good());
  ASSERT_EQ(one.set->policies[0].limits.size(), 2U);
  EXPECT_EQ(one.set->policies[0].limits[0].text, std::to_string(100 << 20));
  EXPECT_EQ(one.set->policies[0].limits[1].text, std::to_string((90 << 20) / 4096 * 4096));
  EXPECT_FALSE(load_texts({{"good.yaml", good}, {"bad.yaml", "kind: Policy"}}).good());
  EXPECT_FALSE(load_texts({{"a.yaml", good}, {"b.yaml", good}}).good()) << "two policies of one name";
  EXPECT_TRUE(load_texts({{"empty.yaml", "# nothing yet\n"}}).good());
}

TEST(Spelling, MeansTheNearestWord) {
  constexpr std::array<std::string_view, 3> kWords = {"limits", "labels", "rules"};
  EXPECT_EQ(nearest("limts", kWords), "limits");
  EXPECT_EQ(nearest("lmiits", kWords), "limits");
  EXPECT_EQ(nearest("zzzzzz", kWords), "");
}

}  // namespace
}  // namespace plimsoll::policies
