// Just enough of JSON Schema (draft 2020-12) to check what schema_json() is made of; a word that it does not
// know makes it abort, so that the schema cannot outgrow it unseen.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "policies/yaml_tree.h"

namespace plimsoll::policies {

// As YAML's core schema (1.2.2, section 10.3) reads it, which is what editors do.
nlohmann::json as_json(const YamlNode& node);

class SchemaCheck {
 public:
  explicit SchemaCheck(nlohmann::json schema) : root_(std::move(schema)) {}
  bool valid(const nlohmann::json& value) { return valid(value, root_, "#"); }
  // "#/$defs/rule/properties/when": what some valid value has made use of.
  const std::set<std::string>& used() const { return used_; }

 private:
  using json = nlohmann::json;
  bool valid(const json& value, const json& schema, const std::string& at);
  bool keyword(const std::string& word, const json& wanted, const json& value, const json& schema,
               const std::string& at);
  bool members(const json& value, const json& schema, const std::string& at);

  json root_;
  std::set<std::string> used_;
};

}  // namespace plimsoll::policies
