#include "agent/base/template_text.h"

#include <gtest/gtest.h>

namespace plimsoll {
namespace {

std::string shouted(const std::string& name) { return "<" + name + ">"; }

TEST(TemplateText, VariablesAreFilledInAndAllElseStands) {
  EXPECT_EQ(fill_template("{{a}} is { {{ b.c }}}!", shouted), "<a> is { <b.c>}!");
  EXPECT_EQ(fill_template("none", shouted), "none");
  EXPECT_EQ(fill_template("", shouted), "");
  EXPECT_EQ(fill_template("{{}}", shouted), "<>");
}

TEST(TemplateText, WhatIsNeverClosedStandsAsItIs) {
  EXPECT_EQ(fill_template("{{a}} and {{b", shouted), "<a> and {{b");
  const auto variables = variables_of("{{a}} and {{b");
  ASSERT_EQ(variables.size(), 2U);
  EXPECT_TRUE(variables[0].closed);
  EXPECT_EQ(variables[1].at, 10U);
  EXPECT_FALSE(variables[1].closed);
}

// A value is not looked at again: what a container is called names no variable.
TEST(TemplateText, AValueIsNoTemplate) {
  EXPECT_EQ(fill_template("{{a}}", [](const std::string&) { return std::string("{{b}}"); }), "{{b}}");
}

}  // namespace
}  // namespace plimsoll
