#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "policies/document.h"
#include "policies/policy_files.h"

namespace plimsoll::policies {
namespace {

std::string told(const std::string& text) {
  const LoadOutcome outcome = load_texts({{"p.yaml", text}});
  std::string all;
  for (const Diagnostic& one : outcome.diagnostics) all += to_string(one) + "\n";
  return all;
}

TEST(Loader, AFolderThatIsNotThereHoldsNoPolicies) {
  const auto outcome = load_folder("/nonexistent/policies");
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->set->policies.empty());
}

TEST(Loader, OneErrorAnywhereAndThereIsNoSet) {
  const std::string good =
      "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: a}\nspec: {select: {names: [x]}, limits: "
      "{pids: {max: 5}}}\n";
  EXPECT_TRUE(load_texts({{"a.yaml", good}}).good());
  EXPECT_FALSE(load_texts({{"a.yaml", good}, {"b.yaml", "kind: Nonsense\n"}}).good());
  EXPECT_NE(told(good + "---\n" + good).find("the name is taken"), std::string::npos);
}

TEST(Loader, ReadsHowLimitsAreToBeFound) {
  const auto outcome = load_texts(
      {{"p.yaml",
        "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: a}\nspec:\n  select: {names: [x]}\n"
        "  autosize:\n    memory: {mode: enforce, percentile: 99.5, half_life: 24h, margin: 20%, min: 64MiB, "
        "max: "
        "2GiB}\n    cpu: {}\n---\n"
        "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: b}\nspec:\n  select: {names: [x]}\n  "
        "priority: "
        "1\n  limits: {memory: {max: 1GiB}}\n"
        "  autosize: {memory: {mode: enforce, seek: pressure, pressure: 0.2%}}\n"}});
  for (const Diagnostic& one : outcome.diagnostics) ADD_FAILURE() << to_string(one);
  ASSERT_TRUE(outcome.good());
  const SizeRule& memory = *outcome.set->policies[0].size_memory;
  EXPECT_EQ(memory.mode, SizeMode::kEnforce);
  EXPECT_FALSE(memory.seek_pressure);
  EXPECT_EQ(memory.sizing, (Sizing{.percentile = 0.995,
                                   .half_life = std::chrono::hours(24),
                                   .margin = 0.2,
                                   .least = 64.0 * (1 << 20),
                                   .most = 2048.0 * (1 << 20)}));
  const SizeRule& cpu = *outcome.set->policies[0].size_cpu;
  EXPECT_EQ(cpu.mode, SizeMode::kRecommend);
  EXPECT_EQ(cpu.sizing, (Sizing{.percentile = 0.95, .half_life = std::chrono::hours(12), .margin = 0.15}));
  EXPECT_TRUE(outcome.set->policies[1].size_memory->seek_pressure);
  EXPECT_EQ(outcome.set->policies[1].size_memory->pressure, 0.002);
}

TEST(Loader, WarnsOfTies) {
  const auto one = [](const std::string& name, const std::string& most) {
    return "---\napiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: " + name +
           "}\nspec: {select: {names: ['*']}, limits: {pids: {max: " + most + "}}}\n";
  };
  EXPECT_NE(told(one("a", "5") + one("b", "6")).find("warning: policies"), std::string::npos);
  EXPECT_EQ(told(one("a", "5") + one("b", "5")), "");
}

TEST(Loader, WithoutAHostPoliciesAreForAnyMachine) {
  const std::string text =
      "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: a}\nspec: {select: {names: [x]}, limits: "
      "{cpu: {max: 64, cpus: 0-63}}}\n";
  EXPECT_EQ(told(text), "");
  EXPECT_FALSE(load_texts({{"p.yaml", text}}, HostCpus{.online = 63, .last = 63}).good());
  EXPECT_TRUE(load_texts({{"p.yaml", text}}, HostCpus{.online = 64, .last = 63}).good());
}

class PolicyFileTest : public testing::Test {
 protected:
  void SetUp() override { write("one"); }
  void TearDown() override { std::filesystem::remove(name_); }
  void write(const std::string& text) const { std::ofstream(name_) << text; }
  const std::string name_ = testing::TempDir() + "plimsoll-policy-" + std::to_string(::getpid()) + ".yaml";
};

TEST_F(PolicyFileTest, AFileThatChangedOnceIsReadAgain) {
  int readings = 0;
  const auto text = read_policy_file(name_, [&] {
    if (++readings == 1) write("another");
  });
  ASSERT_TRUE(text) << text.error().message();
  EXPECT_EQ(*text, "another");
  EXPECT_EQ(readings, 2);
}

TEST_F(PolicyFileTest, AFileThatNeverRestsIsRefused) {
  std::string grows = "one";
  const auto text = read_policy_file(name_, [&] { write(grows += "+"); });
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message(),
            "read policy " + name_ + ": it changes while it is read, expected a finished file");
}

TEST_F(PolicyFileTest, OneThatIsReplacedMeanwhileIsStillAWhole) {
  const auto text = read_policy_file(name_, [&] {
    std::ofstream(name_ + ".new") << "two";
    std::filesystem::rename(name_ + ".new", name_);
  });
  ASSERT_TRUE(text) << text.error().message();
  EXPECT_EQ(*text, "one");
}

TEST(Loader, HostileFilesEndInAnErrorNotInACrash) {
  for (const std::string& text :
       {std::string(100'000, '['), std::string(2UL << 20, 'a'), std::string("\0\x01\xff{", 4),
        std::string("a: &x [*x]"), std::string("- - - - ? : -"), std::string("%YAML 9.9\n---\n\t")}) {
    EXPECT_FALSE(load_texts({{"p.yaml", text}}).good());
  }
}

}  // namespace
}  // namespace plimsoll::policies
