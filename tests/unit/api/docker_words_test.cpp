#include "agent/api/docker_words.h"

#include <gtest/gtest.h>

namespace plimsoll::api {
namespace {

using namespace std::chrono_literals;

TEST(DockerFilters, TakeGosFormAndPythons) {
  const Filters wanted = {{"label", {"a=b"}}, {"status", {"running"}}};
  for (const char* text : {R"({"label":{"a=b":true,"c":false},"status":{"running":true}})",
                           R"({"label":["a=b"],"status":["running"],"name":[]})"}) {
    const auto filters = parse_filters(text);
    ASSERT_TRUE(filters) << text;
    EXPECT_EQ(*filters, wanted) << text;
  }
  EXPECT_TRUE(parse_filters("")->empty());
}

TEST(DockerFilters, RefuseWhatIsNeither) {
  for (const char* text : {"x", "[]", "{", R"({"label":1})", R"({"label":[1]})", R"({"label":{"a":1}})"}) {
    const auto filters = parse_filters(text);
    ASSERT_FALSE(filters) << text;
    EXPECT_EQ(filters.error().kind(), ErrorKind::kInvalid);
  }
}

TEST(DockerLabels, MatchByKeyOrByValue) {
  const std::map<std::string, std::string> labels = {{"app", "web"}, {"empty", ""}};
  EXPECT_TRUE(has_label(labels, "app"));
  EXPECT_TRUE(has_label(labels, "app=web"));
  EXPECT_TRUE(has_label(labels, "empty="));
  EXPECT_FALSE(has_label(labels, "app=we"));
  EXPECT_FALSE(has_label(labels, "ap"));
}

TEST(DockerErrors, AreSpeltSoThatDockersExitCodesFit) {
  const Error missing = told_as_docker(Error("exec /x: No such file or directory"));
  EXPECT_EQ(missing.message(), "exec /x: no such file or directory");
  EXPECT_EQ(missing.kind(), ErrorKind::kInvalid);
  EXPECT_EQ(told_as_docker(Error("mount: Input/output error")).kind(), ErrorKind::kSystem);
}

TEST(DockerWords, ATerminalsSizeIsCheckedAndMayBeAbsent) {
  const auto size_of = [](std::vector<std::pair<std::string, std::string>> query) {
    Request request;
    request.query = std::move(query);
    return terminal_size(request);
  };
  EXPECT_EQ(size_of({{"h", "40"}, {"w", "65535"}})->rows, 40);
  EXPECT_EQ(size_of({{"h", "40"}, {"w", "65535"}})->columns, 65535);
  EXPECT_EQ(size_of({})->rows, 0);
  for (const char* bad : {"-1", "65536", "x", "1.5", "99999999999999999999"}) {
    EXPECT_EQ(size_of({{"h", bad}, {"w", "80"}}).error().kind(), ErrorKind::kInvalid) << bad;
    EXPECT_EQ(size_of({{"h", "24"}, {"w", bad}}).error().kind(), ErrorKind::kInvalid) << bad;
  }
}

}  // namespace
}  // namespace plimsoll::api
