// Each golden/NAME.yaml is a bad file, golden/NAME.txt what is said of it, line for line.
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

std::vector<std::string> bad_files() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem());
  }
  std::ranges::sort(names);
  return names;
}

class GoldenErrors : public testing::TestWithParam<std::string> {};

TEST_P(GoldenErrors, SayWhatIsWrongWhereAndWhatWasExpected) {
  const fs::path file = kFolder / (GetParam() + ".yaml");
  const auto loaded = load_texts({{file.filename().string(), read(file)}});
  std::string said;
  for (const Diagnostic& diagnostic : loaded.diagnostics) said += to_string(diagnostic) + "\n";
  const fs::path golden = kFolder / (GetParam() + ".txt");
  if (std::getenv("PLIMSOLL_UPDATE_GOLDEN") != nullptr) std::ofstream(golden, std::ios::binary) << said;
  EXPECT_EQ(said, read(golden));
  EXPECT_FALSE(said.empty());
  const bool only_warnings = GetParam().starts_with("warning");
  EXPECT_EQ(loaded.good(), only_warnings);
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenErrors, testing::ValuesIn(bad_files()), [](const auto& file) {
  std::string name = file.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace plimsoll::policies
