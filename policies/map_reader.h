// Reads the keys of one YAML map: each key is asked for once; what was not asked for is an unknown key.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/diagnostic.h"
#include "policies/yaml_tree.h"

namespace plimsoll::policies {

class MapReader {
 public:
  // `what` names the map in messages: "spec.select". A node that is no map is an error, told once; null is an
  // empty map.
  MapReader(const YamlNode& node, std::string what, Diagnostics& out);

  const YamlNode* find(std::string_view key);     // null where absent
  const YamlNode* require(std::string_view key);  // absent: an error
  std::string text(std::string_view key);         // a scalar's text; "" where absent
  std::optional<bool> flag(std::string_view key);
  // Tells of every key that was not asked for, with the nearest that is known.
  void finish();
  Place place() const { return node_.place; }
  Place place_of(std::string_view key) const;  // of the key's value; of the map where it is absent
  const std::string& what() const { return what_; }

 private:
  const YamlNode& node_;
  std::string what_;
  Diagnostics& out_;
  std::vector<std::string_view> known_;
};

std::string_view kind_name(YamlNode::Kind kind);  // "a list", "a map", "a text", "nothing"

}  // namespace plimsoll::policies
