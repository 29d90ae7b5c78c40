// YAML text as a tree that knows where each node stands. yaml_tree.cpp is the only file that includes
// yaml-cpp, and its exceptions stop there. Own tree rather than YAML::Node, which forgets whether a scalar
// was quoted, takes the last of two equal keys in silence, and expands aliases without a bound.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policies/diagnostic.h"

namespace plimsoll::policies {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  Place place;
  std::size_t offset = 0;       // of its first byte in the text
  bool quoted = false;          // a scalar in quotes is text, never a number or a bool
  std::string text;             // of a scalar
  std::vector<YamlNode> keys;   // of a map: scalars, no two alike
  std::vector<YamlNode> items;  // of a list; of a map: the values, in the order of keys

  const YamlNode* value_of(std::string_view key) const;  // null where this is no map with that key
};

// The documents of one file. Errors go to `out`: bad YAML, two equal keys, anchors and aliases (refused: a
// policy says what it means where it stands), text over 1 MiB, nesting over 32, more than 100,000 nodes.
std::vector<YamlNode> parse_yaml(std::string_view text, Diagnostics& out);

// The same for equal content whatever its layout or comments.
std::string fingerprint(const YamlNode& node);

// Where byte `index` of a scalar's value stands in the text: behind quotes and across folded lines. The
// scalar's own place where it cannot be told (escapes).
Place place_in_scalar(std::string_view source, const YamlNode& scalar, std::size_t index);

}  // namespace plimsoll::policies
