// Parses the action list of a rule (`then`).
#pragma once

#include <string_view>
#include <vector>

#include "policies/document.h"
#include "policies/host_cpus.h"
#include "policies/yaml_tree.h"

namespace plimsoll::policies {

// What the parsers of one file share.
struct ParseContext {
  std::string_view source;  // the file's text, for places inside scalars
  Diagnostics& out;
  bool host = false;               // HostPolicy
  const HostCpus* cpus = nullptr;  // null: for any machine
};

std::vector<Step> parse_steps(const YamlNode& list, const ParseContext& context);
Selector parse_selector(const YamlNode& node, const std::string& what, const ParseContext& context,
                        bool allow_except);
std::optional<Nanoseconds> parse_duration_node(const YamlNode& node, const std::string& what,
                                               const ParseContext& context);
std::optional<Nanoseconds> parse_positive_duration(const YamlNode& node, const std::string& what,
                                                   const ParseContext& context);
std::optional<Expression> parse_condition(const YamlNode& node, const std::string& what,
                                          const ParseContext& context);
// The kernel's text for a fixed value of a field ("256MiB", "max", "0-3", "true"); errors are told.
std::optional<std::string> parse_field_value(FieldId field, const YamlNode& node, const std::string& what,
                                             const ParseContext& context);
// What was expected of a field's number; empty where it is good. `host` may be null.
std::string wanted_of_number(const FieldInfo& field, double value, const HostCpus* host);

}  // namespace plimsoll::policies
