// Reads the keys of one YAML map. The keys that there are stand in the grammar's table; one that was not
// asked for is unknown as well, so that the table holds none that nobody reads.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/diagnostic.h"
#include "policies/grammar.h"
#include "policies/yaml_tree.h"

namespace plimsoll::policies {

class MapReader {
 public:
  // `what` names the map in messages: "spec.select". A node that is no map is an error, told once; null is an
  // empty map.
  MapReader(const YamlNode& node, std::string what, Diagnostics& out, MapId map);

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
  MapId map_;
  std::vector<std::string_view> asked_;
};

std::string_view kind_name(YamlNode::Kind kind);  // "a list", "a map", "a text", "nothing"

}  // namespace plimsoll::policies
