// What is shipped loads, without a warning, and says what the demonstration needs of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "policies/document.h"

namespace plimsoll::policies {
namespace {

const std::string kLibrary = std::string(PLIMSOLL_SOURCE_DIR) + "/policies/library";

const Policy* find(const PolicySet& set, std::string_view name) {
  const auto found = std::ranges::find(set.policies, name, &Policy::name);
  return found == set.policies.end() ? nullptr : &*found;
}

TEST(Library, LoadsAsOneFolderWithoutAWarning) {
  const auto loaded = load_folder(kLibrary);
  ASSERT_TRUE(loaded) << loaded.error().message();
  for (const Diagnostic& diagnostic : loaded->diagnostics) ADD_FAILURE() << to_string(diagnostic);
  ASSERT_TRUE(loaded->good());
  const auto files =
      std::distance(std::filesystem::directory_iterator(kLibrary), std::filesystem::directory_iterator());
  EXPECT_GE(loaded->set->policies.size(), static_cast<std::size_t>(files));
}

TEST(Library, HoldsTheDemonstrationsContainersByTheirLabel) {
  const auto loaded = load_folder(kLibrary);
  ASSERT_TRUE(loaded && loaded->good());
  for (const std::string name : {"web", "batch", "leaky"}) {
    const Policy* policy = find(*loaded->set, name);
    ASSERT_NE(policy, nullptr) << name;
    model::ContainerRef ref;
    ref.runtime = model::Runtime::kPlimsoll;
    ref.labels = {{"app", name}};
    EXPECT_TRUE(policy->select.matches(ref)) << name;
    ref.runtime = model::Runtime::kDocker;
    EXPECT_FALSE(policy->select.matches(ref)) << name << " reaches into another runtime unasked";
    EXPECT_FALSE(policy->limits.empty());
  }
  const auto limit = [&](const char* policy, const char* field) -> std::string {
    const auto id = find_field(field);
    for (const LimitValue& one : find(*loaded->set, policy)->limits) {
      if (one.field == *id) return one.text;
    }
    return "";
  };
  EXPECT_EQ(limit("batch", "cpu.max"), "50000 100000");
  EXPECT_EQ(limit("leaky", "memory.max"), std::to_string(128 << 20));
  EXPECT_EQ(find(*loaded->set, "host-protect")->mode, Mode::kAudit);
}

}  // namespace
}  // namespace plimsoll::policies
