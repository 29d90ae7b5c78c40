// The schema and the loader are of one mind: as far as keys, types and words go, each takes what the other
// takes.
#include "policies/schema.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "policies/grammar.h"
#include "tests/unit/policies/schema_check.h"

namespace plimsoll::policies {
namespace {

const std::filesystem::path kSource = PLIMSOLL_SOURCE_DIR;
const std::filesystem::path kGoldens = kSource / "tests/unit/policies/golden";

SchemaCheck schema() { return SchemaCheck(nlohmann::json::parse(schema_json())); }

bool is_valid(SchemaCheck& check, const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  Diagnostics out("");
  const auto documents = parse_yaml(text.str(), out);
  return !out.has_errors() &&
         std::ranges::all_of(documents, [&](const YamlNode& one) { return check.valid(as_json(one)); });
}

std::vector<std::filesystem::path> files(const std::filesystem::path& folder, std::string_view prefix) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (entry.path().extension() == ".yaml" && name.starts_with(prefix)) out.push_back(entry.path());
  }
  return out;
}

TEST(Schema, WhatTheLoaderTakesIsValid) {
  SchemaCheck check = schema();
  auto all = files(kSource / "policies/library", "");
  std::ranges::move(files(kSource / "agent/demo/policies", ""), std::back_inserter(all));
  std::ranges::move(files(kGoldens, "good-"), std::back_inserter(all));
  std::ranges::move(files(kGoldens, "warning-"), std::back_inserter(all));
  EXPECT_GT(all.size(), 20U);
  for (const auto& file : all) EXPECT_TRUE(is_valid(check, file)) << file;
}

// The loader refuses a key of the table that it does not read, so that this file, which it takes, shows both
// ways.
TEST(Schema, EveryKeyOfTheLoaderIsInItAndTheOtherWayRound) {
  SchemaCheck check = schema();
  ASSERT_TRUE(is_valid(check, kGoldens / "good-every-key.yaml"));
  std::set<std::string> expected;
  const auto add = [&](std::string_view map, std::string_view key) {
    expected.insert("#/$defs/" + std::string(map) + "/properties/" + std::string(key));
  };
  for (std::size_t i = 0; i < kMapCount; ++i) {
    for (const Key& key : keys_of(static_cast<MapId>(i))) {
      if (!key.refused) add(name_of(static_cast<MapId>(i)), key.name);
    }
  }
  for (const Action& action : actions()) {
    add("step", action.key.name);
    if (action.host) add("hostStep", action.key.name);
  }
  std::vector<std::string> differ;
  std::ranges::set_symmetric_difference(check.used(), expected, std::back_inserter(differ));
  EXPECT_THAT(differ, testing::IsEmpty());
}

TEST(Schema, EveryKeyIsDescribed) {
  for (std::size_t i = 0; i < kMapCount; ++i) {
    for (const Key& key : keys_of(static_cast<MapId>(i))) {
      EXPECT_TRUE(key.refused || !key.description.empty())
          << name_of(static_cast<MapId>(i)) << "." << key.name;
    }
  }
}

// What is wrong with their keys, types or words, an editor shows; the rest is the loader's.
class SchemaRefuses : public testing::TestWithParam<const char*> {};

TEST_P(SchemaRefuses, WhatTheLoaderRefusesToo) {
  SchemaCheck check = schema();
  EXPECT_FALSE(is_valid(check, kGoldens / (std::string(GetParam()) + ".yaml")));
}

constexpr const char* kRefused[] = {
    "action-misspelt",
    "cooldown-without-a-unit",
    "cpu-max-in-percent",
    "cpu-max-of-nothing",
    "cpus-of-commas",
    "cpus-without-an-end",
    "errors",
    "flag-of-a-number",
    "header",
    "host",
    "host-with-limits",
    "io",
    "io-in-parts",
    "io-of-a-map",
    "kind-misspelt",
    "autosize",
    "autosize-nothing",
    "memory-in-a-wrong-unit",
    "memory-in-seconds",
    "memory-of-a-list",
    "memory-without-a-unit",
    "mode-misspelt",
    "name-missing",
    "no-actions",
    "number-inf",
    "number-nan",
    "percent-of-nothing",
    "pids-below-zero",
    "pids-in-bytes",
    "pids-in-parts",
    "priority-too-large",
    "rule-without-name",
    "rule-without-then",
    "rule-without-when",
    "select-misspelt",
    "select-nothing",
    "select-of-no-labels",
    "selectors",
    "thaw-after-a-time",
    "target-unknown-keys",
    "target-neither-nor-both",
    "target-url",
    "target-times",
    "webhook-headers",
    "notify-map",
    "set-force-of-a-text",
    "unknown-keys",
    "weight-in-parts",
    "weight-of-zero",
    "weight-too-large",
    "wrong-types",
};
INSTANTIATE_TEST_SUITE_P(Files, SchemaRefuses, testing::ValuesIn(kRefused), [](const auto& file) {
  std::string name = file.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace plimsoll::policies
