#include "policies/map_reader.h"

#include <algorithm>

#include "policies/spelling.h"

namespace plimsoll::policies {

std::string_view kind_name(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return "a text";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
  }
  return "";
}

MapReader::MapReader(const YamlNode& node, std::string what, Diagnostics& out, MapId map)
    : node_(node), what_(std::move(what)), out_(out), map_(map) {
  if (node.kind == YamlNode::Kind::kMap || node.kind == YamlNode::Kind::kNull) return;
  out.error(node.place, what_ + ": expected a map, got " + std::string(kind_name(node.kind)));
}

const YamlNode* MapReader::find(std::string_view key) {
  if (std::ranges::find(keys_of(map_), key, &Key::name) == keys_of(map_).end()) return nullptr;
  asked_.push_back(key);
  for (std::size_t i = 0; i < node_.keys.size(); ++i) {
    if (node_.keys[i].text == key) return &node_.items[i];
  }
  return nullptr;
}

Place MapReader::place_of(std::string_view key) const {
  for (std::size_t i = 0; i < node_.keys.size(); ++i) {
    if (node_.keys[i].text == key) return node_.items[i].place;
  }
  return node_.place;
}

const YamlNode* MapReader::require(std::string_view key) {
  const YamlNode* found = find(key);
  if (found == nullptr && (node_.kind == YamlNode::Kind::kMap || node_.kind == YamlNode::Kind::kNull)) {
    out_.error(node_.place, what_ + ": '" + std::string(key) + "' is missing");
  }
  return found;
}

std::string MapReader::text(std::string_view key) {
  const YamlNode* found = find(key);
  if (found == nullptr) return "";
  if (found->kind == YamlNode::Kind::kScalar) return found->text;
  out_.error(found->place, what_ + "." + std::string(key) + ": expected a text, got " +
                               std::string(kind_name(found->kind)));
  return "";
}

std::optional<bool> MapReader::flag(std::string_view key) {
  const YamlNode* found = find(key);
  if (found == nullptr) return std::nullopt;
  if (found->kind == YamlNode::Kind::kScalar && !found->quoted) {
    if (found->text == "true") return true;
    if (found->text == "false") return false;
  }
  out_.error(found->place, what_ + "." + std::string(key) + ": expected true or false");
  return std::nullopt;
}

void MapReader::finish() {
  std::vector<std::string_view> known;
  for (const Key& key : keys_of(map_)) known.push_back(key.name);
  for (const YamlNode& key : node_.keys) {
    if (std::ranges::find(asked_, key.text) != asked_.end()) continue;
    out_.error(key.place, what_ + ": unknown key " + policies::quoted(key.text) +
                              did_you_mean(key.text, known) + ", expected " + one_of(known));
  }
}

}  // namespace plimsoll::policies
