#include "agent/image/reference.h"

#include <gtest/gtest.h>

namespace plimsoll::image {
namespace {

std::string normal(const std::string& text) {
  const auto reference = parse_reference(text);
  return reference ? reference->text() : "refused";
}

TEST(Reference, IsShownInItsFamiliarForm) {
  EXPECT_EQ(normal("demo"), "demo:latest");
  EXPECT_EQ(normal("demo:1.0"), "demo:1.0");
  EXPECT_EQ(normal("docker.io/library/demo"), "demo:latest");
  EXPECT_EQ(normal("docker.io/me/demo:x"), "me/demo:x");
  EXPECT_EQ(normal("registry.local:5000/team/web"), "registry.local:5000/team/web:latest");
  EXPECT_EQ(normal("localhost/web:2"), "localhost/web:2");
  EXPECT_EQ(normal("a__b/c.d-e---f"), "a__b/c.d-e---f:latest");
}

TEST(Reference, RefusesWhatDockerRefuses) {
  for (const char* text :
       {"", ":", "Demo", "demo:", "demo:-x", "-demo", "demo-", "a..b", "a___b", "a//b", "/demo", "demo/",
        "../demo", "demo:a b", "de mo", "registry:port/demo", "demo@sha256:00"}) {
    EXPECT_EQ(normal(text), "refused") << text;
  }
  EXPECT_EQ(normal("demo:" + std::string(129, 'x')), "refused");
  EXPECT_EQ(normal(std::string(256, 'x')), "refused");
}

TEST(Reference, TheErrorNamesTheReference) {
  EXPECT_NE(parse_reference("BAD").error().message().find("'BAD'"), std::string::npos);
  EXPECT_EQ(parse_reference("BAD").error().kind(), ErrorKind::kInvalid);
}

}  // namespace
}  // namespace plimsoll::image
