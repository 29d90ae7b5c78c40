#include <gtest/gtest.h>

#include "policies/document.h"

namespace plimsoll::policies {
namespace {

std::string told(const std::string& text) {
  const LoadOutcome outcome = load_texts({{"p.yaml", text}});
  std::string all;
  for (const Diagnostic& one : outcome.diagnostics) all += to_string(one) + "\n";
  return all;
}

TEST(Loader, EveryPolicyOfTheLibraryLoadsWithoutAWord) {
  const auto outcome = load_folder(PLIMSOLL_SOURCE_DIR "/policies/library");
  ASSERT_TRUE(outcome);
  for (const Diagnostic& one : outcome->diagnostics) ADD_FAILURE() << to_string(one);
  ASSERT_TRUE(outcome->good());
  EXPECT_EQ(outcome->set->policies.size(), 5U);
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

TEST(Loader, WarnsOfTies) {
  const auto one = [](const std::string& name, const std::string& most) {
    return "---\napiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: " + name +
           "}\nspec: {select: {names: ['*']}, limits: {pids: {max: " + most + "}}}\n";
  };
  EXPECT_NE(told(one("a", "5") + one("b", "6")).find("warning: policies"), std::string::npos);
  EXPECT_EQ(told(one("a", "5") + one("b", "5")), "");
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
