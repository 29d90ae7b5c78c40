#include "tests/unit/policies/schema_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <regex>

namespace plimsoll::policies {
namespace {

using nlohmann::json;

bool is_type(const json& value, const std::string& type) {
  if (type == "integer") return value.is_number() && value.get<double>() == std::floor(value.get<double>());
  if (type == "number") return value.is_number();
  return type == (value.is_number() ? "number" : value.type_name());
}

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

json scalar(const YamlNode& node) {
  static const std::regex number(R"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)");
  if (node.quoted) return node.text;
  if (node.text == "true" || node.text == "false") return node.text == "true";
  if (std::regex_match(node.text, number)) return std::strtod(node.text.c_str(), nullptr);
  return node.text;
}

}  // namespace

json as_json(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return nullptr;
    case YamlNode::Kind::kScalar:
      return scalar(node);
    case YamlNode::Kind::kList: {
      json out = json::array();
      for (const YamlNode& item : node.items) out.push_back(as_json(item));
      return out;
    }
    case YamlNode::Kind::kMap:
      break;
  }
  json out = json::object();
  for (std::size_t i = 0; i < node.keys.size(); ++i) out[node.keys[i].text] = as_json(node.items[i]);
  return out;
}

bool SchemaCheck::members(const json& value, const json& schema, const std::string& at) {
  if (!value.is_object()) return true;
  const json known = schema.value("properties", json::object());
  const json other = schema.value("additionalProperties", json(true));
  for (const auto& [key, inside] : value.items()) {
    const bool is_known = known.contains(key);
    const std::string place = at + "/properties/" + key;
    if (!is_known && other == false) return false;
    if (!is_known && other == true) continue;
    if (!valid(inside, is_known ? known[key] : other, place)) return false;
    if (is_known) used_.insert(place);
  }
  return true;
}

bool SchemaCheck::keyword(const std::string& word, const json& wanted, const json& value, const json& schema,
                          const std::string& at) {
  const auto fits = [&](const json& one) { return valid(value, one, at); };
  if (word == "$ref") {
    const auto name = wanted.get<std::string>();
    return valid(value, root_.at(json::json_pointer(name.substr(1))), name);
  }
  if (word == "type") {
    const json types = wanted.is_array() ? wanted : json::array({wanted});
    return std::ranges::any_of(types, [&](const json& one) { return is_type(value, one); });
  }
  if (word == "const") return value == wanted;
  if (word == "enum") return std::ranges::find(wanted, value) != wanted.end();
  if (word == "anyOf") return std::ranges::any_of(wanted, fits);
  if (word == "oneOf") return std::ranges::count_if(wanted, fits) == 1;
  if (word == "properties" || word == "additionalProperties") return members(value, schema, at);
  if (word == "required") {
    const auto there = [&](const json& key) { return value.contains(key.get<std::string>()); };
    return !value.is_object() || std::ranges::all_of(wanted, there);
  }
  if (word == "items") {
    const auto good = [&](const json& item) { return valid(item, wanted, at + "/items"); };
    return !value.is_array() || std::ranges::all_of(value, good);
  }
  if (word == "minItems") return !value.is_array() || value.size() >= wanted.get<std::size_t>();
  if (word == "minProperties") return !value.is_object() || value.size() >= wanted.get<std::size_t>();
  if (word == "maxProperties") return !value.is_object() || value.size() <= wanted.get<std::size_t>();
  if (word == "minLength") return !value.is_string() || characters(value) >= wanted.get<std::size_t>();
  if (word == "minimum") return !value.is_number() || value.get<double>() >= wanted.get<double>();
  if (word == "maximum") return !value.is_number() || value.get<double>() <= wanted.get<double>();
  if (word == "pattern") {
    return !value.is_string() ||
           std::regex_search(value.get<std::string>(), std::regex(wanted.get<std::string>()));
  }
  constexpr std::array kNotes = {"$schema", "$defs", "title", "description", "examples"};
  if (std::ranges::find(kNotes, word) == kNotes.end()) std::abort();
  return true;
}

bool SchemaCheck::valid(const json& value, const json& schema, const std::string& at) {
  return std::ranges::all_of(schema.items(), [&](const auto& entry) {
    return keyword(entry.key(), entry.value(), value, schema, at);
  });
}

TEST(SchemaCheck, TellsGoodFromBad) {
  SchemaCheck check(json::parse(R"({"type": "object", "required": ["a"], "additionalProperties": false,
    "properties": {"a": {"anyOf": [{"type": "integer", "minimum": 1}, {"pattern": "^x+$", "type": "string"}]},
                   "b": {"type": "array", "items": {"enum": ["p", "q"]}, "minItems": 1}}})"));
  for (const char* good : {R"({"a": 1})", R"({"a": "xx"})", R"({"a": 2.0, "b": ["p", "q"]})"}) {
    EXPECT_TRUE(check.valid(json::parse(good))) << good;
  }
  for (const char* bad : {R"({})", R"([])", R"({"a": 0})", R"({"a": 1.5})", R"({"a": "y"})",
                          R"({"a": 1, "c": 1})", R"({"a": 1, "b": []})", R"({"a": 1, "b": ["r"]})"}) {
    EXPECT_FALSE(check.valid(json::parse(bad))) << bad;
  }
  EXPECT_EQ(check.used(), (std::set<std::string>{"#/properties/a", "#/properties/b"}));
}

}  // namespace plimsoll::policies
