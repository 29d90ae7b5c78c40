// What is shipped loads, without a warning, says what it is for, reaches nobody unasked, and is shown to work
// on a real kernel: each file of the library by a test of its name in tests/vm/scenario_*.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "policies/document.h"

namespace plimsoll::policies {
namespace {

namespace fs = std::filesystem;
const fs::path kSource = PLIMSOLL_SOURCE_DIR;
const fs::path kLibrary = kSource / "policies/library";

std::string text_of(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

std::vector<fs::path> shipped() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kLibrary)) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

const Policy* find(const PolicySet& set, std::string_view name) {
  const auto found = std::ranges::find(set.policies, name, &Policy::name);
  return found == set.policies.end() ? nullptr : &*found;
}

// "fork-bomb-stopper" is tested by FORKBOMBSTOPPER_..., whatever its capitals.
std::string letters(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

TEST(Library, LoadsAsOneFolderWithoutAWarning) {
  const auto loaded = load_folder(kLibrary);
  ASSERT_TRUE(loaded) << loaded.error().message();
  for (const Diagnostic& diagnostic : loaded->diagnostics) ADD_FAILURE() << to_string(diagnostic);
  ASSERT_TRUE(loaded->good());
  EXPECT_GE(loaded->set->policies.size(), shipped().size());
  EXPECT_GE(shipped().size(), 12U);
}

// On the smallest host too: one CPU.
TEST(Library, EachFileIsGoodByItselfAndNamedAsItsPolicy) {
  for (const fs::path& file : shipped()) {
    ASSERT_EQ(file.extension(), ".yaml") << file;
    const auto outcome = load_texts({{file.filename(), text_of(file)}}, HostCpus{.online = 1, .last = 0});
    for (const Diagnostic& diagnostic : outcome.diagnostics) ADD_FAILURE() << to_string(diagnostic);
    ASSERT_TRUE(outcome.good()) << file;
    EXPECT_NE(find(*outcome.set, file.stem().string()), nullptr) << file;
    for (const Policy& policy : outcome.set->policies) {
      EXPECT_FALSE(policy.description.empty()) << policy.name;
      EXPECT_TRUE(policy.name.starts_with(file.stem().string())) << policy.name << " in " << file;
      EXPECT_EQ(policy.mode, Mode::kEnforce) << policy.name << ": ready to use";
    }
  }
}

TEST(Library, EachFileSaysWhenToUseItWhatItDoesWhatToChangeAndWhatItDoesNot) {
  for (const fs::path& file : shipped()) {
    const std::string text = text_of(file);
    std::size_t last = 0;
    for (const char* said : {"# When to use it: ", "\n# What it does: ", "\n# What to change: ",
                             "\n# What it does not do: ", "\napiVersion: "}) {
      const auto at = text.find(said);
      ASSERT_NE(at, std::string::npos) << file << " lacks" << said;
      EXPECT_TRUE(at == 0 || at > last) << file << ": in this order";
      last = at;
    }
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 120U) << file << ": " << line;
  }
}

// Whose field it is when several of them select one container must not hang on their names.
TEST(Library, NoTwoShareAPriority) {
  const auto loaded = load_folder(kLibrary);
  ASSERT_TRUE(loaded && loaded->good());
  std::set<std::int64_t> priorities;
  for (const Policy& policy : loaded->set->policies) {
    if (policy.host) continue;
    EXPECT_TRUE(priorities.insert(policy.priority).second) << policy.name;
  }
}

TEST(Library, ReachesIntoNoOtherRuntimeUnlessItIsMadeForIt) {
  const auto loaded = load_folder(kLibrary);
  ASSERT_TRUE(loaded && loaded->good());
  model::ContainerRef ref;
  ref.name = "web";
  ref.labels = {{"tier", "batch"}, {"leaks", "true"}, {"squeeze", "true"}, {"quiet-hours", "true"}};
  for (const Policy& policy : loaded->set->policies) {
    if (policy.host) continue;
    const std::set<std::string> made_for_others = {"systemd-services", "kubernetes-pods"};
    for (const auto runtime :
         {model::Runtime::kDocker, model::Runtime::kContainerd, model::Runtime::kSystemd}) {
      ref.runtime = runtime;
      EXPECT_FALSE(policy.select.matches(ref)) << policy.name;
    }
    EXPECT_EQ(policy.select.runtimes.empty(), !made_for_others.contains(policy.name)) << policy.name;
  }
}

// Who is labelled for nothing keeps all that it has, but for the bomb's line.
TEST(Library, HoldsNobodyWhoIsNotLabelledButForTheNumberOfProcesses) {
  const auto loaded = load_folder(kLibrary);
  ASSERT_TRUE(loaded && loaded->good());
  model::ContainerRef ref;
  ref.runtime = model::Runtime::kPlimsoll;
  ref.name = "web";
  for (const Policy& policy : loaded->set->policies) {
    if (policy.host || policy.limits.empty() || !policy.select.matches(ref)) continue;
    EXPECT_EQ(policy.name, "fork-bomb-stopper");
  }
}

TEST(Library, EachFileHasAScenarioOnARealKernel) {
  std::string tests;
  for (const auto& entry : fs::directory_iterator(kSource / "tests/vm")) {
    if (entry.path().filename().string().starts_with("scenario_")) tests += text_of(entry.path());
  }
  std::set<std::string> named;
  for (auto at = tests.find("TEST_F("); at != std::string::npos; at = tests.find("TEST_F(", at + 1)) {
    const auto comma = tests.find(", ", at);
    named.insert(letters(tests.substr(comma, tests.find_first_of("_)", comma) - comma)));
  }
  for (const fs::path& file : shipped()) {
    EXPECT_TRUE(named.contains(letters(file.stem().string())))
        << file << " has no test in tests/vm/scenario_*.cpp: TEST_F(..., NAME_whatItDoes)";
  }
}

TEST(Demonstration, ItsPoliciesHoldItsContainersByTheirLabel) {
  const auto loaded = load_folder(kSource / "agent/demo/policies");
  ASSERT_TRUE(loaded) << loaded.error().message();
  for (const Diagnostic& diagnostic : loaded->diagnostics) ADD_FAILURE() << to_string(diagnostic);
  ASSERT_TRUE(loaded->good());
  const auto limit = [&](const char* policy, const char* field) -> std::string {
    for (const LimitValue& one : find(*loaded->set, policy)->limits) {
      if (one.field == *find_field(field)) return one.text;
    }
    return "";
  };
  for (const std::string name : {"web", "batch", "leaky"}) {
    const Policy* policy = find(*loaded->set, name);
    ASSERT_NE(policy, nullptr) << name;
    model::ContainerRef ref;
    ref.runtime = model::Runtime::kPlimsoll;
    ref.labels = {{"app", name}};
    EXPECT_TRUE(policy->select.matches(ref)) << name;
  }
  EXPECT_EQ(limit("batch", "cpu.max"), "50000 100000");
  EXPECT_EQ(limit("leaky", "memory.max"), std::to_string(128 << 20));
}

}  // namespace
}  // namespace plimsoll::policies
