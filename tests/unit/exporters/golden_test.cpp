// The whole text of a scrape, for both kernels. PLIMSOLL_UPDATE_GOLDEN=1 writes the files anew; the
// difference is then for a person to read.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

#include "fixture_scrape.h"

namespace plimsoll::exporters {
namespace {

class Golden : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Kernels, Golden, ::testing::Values("6.1", "6.12"));

TEST_P(Golden, Scrape) {
  Exporter exporter(fixture_config());
  std::string text = exporter.render(fixture_scrape(GetParam()));
  // Inodes of the fixture's folders differ from one checkout to the next.
  text = std::regex_replace(text, std::regex("cgroup_id=\"[0-9]+\",container_id"),
                            "cgroup_id=\"N\",container_id");
  const std::string path =
      std::string(PLIMSOLL_SOURCE_DIR) + "/tests/unit/exporters/golden/scrape-" + GetParam() + ".txt";
  if (std::getenv("PLIMSOLL_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::stringstream golden;
  golden << std::ifstream(path).rdbuf();
  ASSERT_FALSE(golden.str().empty()) << path;
  std::istringstream have(text);
  std::string wanted_line;
  std::string line;
  for (int number = 1; std::getline(golden, wanted_line); ++number) {
    ASSERT_TRUE(std::getline(have, line)) << "ends before line " << number << " of " << path;
    ASSERT_EQ(line, wanted_line) << path << ":" << number;
  }
  EXPECT_FALSE(std::getline(have, line)) << "more than " << path << ": " << line;
}

}  // namespace
}  // namespace plimsoll::exporters
