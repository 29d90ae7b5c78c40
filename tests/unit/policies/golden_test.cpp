// Each golden/NAME.yaml is a bad file, golden/NAME.txt what is said of it, line for line, on a host of four
// CPUs. good-NAME.yaml looks doubtful, and nothing is said of it; of warning-NAME.yaml only warnings.
// PLIMSOLL_UPDATE_GOLDEN=1 writes the texts anew; read the difference before you commit it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "policies/document.h"

namespace plimsoll::policies {
namespace {

namespace fs = std::filesystem;
const fs::path kFolder = fs::path(PLIMSOLL_SOURCE_DIR) / "tests/unit/policies/golden";

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

constexpr HostCpus kHost{.online = 4, .last = 3};

std::vector<std::string> golden_files(bool good) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    const std::string name = entry.path().stem();
    if (entry.path().extension() == ".yaml" && name.starts_with("good-") == good) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

std::string said_of(const LoadOutcome& loaded) {
  std::string said;
  for (const Diagnostic& diagnostic : loaded.diagnostics) said += to_string(diagnostic) + "\n";
  return said;
}

LoadOutcome load_golden(const std::string& name) {
  return load_texts({{name + ".yaml", read(kFolder / (name + ".yaml"))}}, kHost);
}

class GoldenErrors : public testing::TestWithParam<std::string> {};

TEST_P(GoldenErrors, SayWhatIsWrongWhereAndWhatWasExpected) {
  const auto loaded = load_golden(GetParam());
  const std::string said = said_of(loaded);
  const fs::path golden = kFolder / (GetParam() + ".txt");
  if (std::getenv("PLIMSOLL_UPDATE_GOLDEN") != nullptr) std::ofstream(golden, std::ios::binary) << said;
  EXPECT_EQ(said, read(golden));
  EXPECT_FALSE(said.empty());
  const bool only_warnings = GetParam().starts_with("warning");
  EXPECT_EQ(loaded.good(), only_warnings);
}

class GoldenGood : public testing::TestWithParam<std::string> {};

TEST_P(GoldenGood, LoadsWithoutAWord) {
  const auto loaded = load_golden(GetParam());
  EXPECT_TRUE(loaded.good());
  EXPECT_EQ(said_of(loaded), "");
}

std::string test_name(const testing::TestParamInfo<std::string>& file) {
  std::string name = file.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenErrors, testing::ValuesIn(golden_files(false)), test_name);
INSTANTIATE_TEST_SUITE_P(Files, GoldenGood, testing::ValuesIn(golden_files(true)), test_name);

}  // namespace
}  // namespace plimsoll::policies
