// The whole text of a scrape, for both kernels. PLIMSOLL_UPDATE_GOLDEN=1 writes the files anew; the
// difference is then for a person to read.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "fixture_scrape.h"

namespace plimsoll::exporters {
namespace {

class Golden : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Kernels, Golden, ::testing::Values("6.1", "6.12"));

TEST_P(Golden, Scrape) {
  LabelCache labels;
  const Scrape scrape = fixture_scrape(GetParam());
  std::string text = render(scrape, labels);
  // Inodes of the fixture's folders differ from one checkout to the next.
  for (const auto& container : scrape.now->containers) {
    const std::string inode = "cgroup_id=\"" + std::to_string(container.ref->id.inode) + "\"";
    text = std::regex_replace(text, std::regex(inode), "cgroup_id=\"N\"");
  }
  const std::string path =
      std::string(PLIMSOLL_SOURCE_DIR) + "/tests/unit/scrape/golden/scrape-" + GetParam() + ".txt";
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

// Prometheus refuses a scrape in which a series stands twice.
TEST_P(Golden, NoSeriesIsThereTwice) {
  LabelCache labels;
  std::istringstream lines(render(fixture_scrape(GetParam()), labels));
  std::set<std::string> series;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line;
  }
  EXPECT_GT(series.size(), 200U);
}

}  // namespace
}  // namespace plimsoll::exporters
