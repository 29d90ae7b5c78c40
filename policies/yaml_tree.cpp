#include "policies/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

constexpr std::size_t kMostBytes = 1UL << 20;
constexpr std::size_t kMostDepth = 32;
constexpr std::size_t kMostNodes = 100'000;

Place place_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

// Builds the tree bottom-up: open_ is the path from the document to the list or map being filled.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Diagnostics& out) : out_(out) {}

  void OnDocumentStart(const YAML::Mark& /*mark*/) override { root_ = {}; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    place(mark, anchor, YamlNode::Kind::kNull);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    throw YAML::ParserException(mark, "aliases (*name) are not taken: write the value where it is meant");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag != "?" && tag != "!") throw YAML::ParserException(mark, "tags (" + tag + ") are not taken");
    YamlNode node = make(mark, anchor, YamlNode::Kind::kScalar);
    node.text = value;
    node.quoted = tag == "!";
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(make(mark, anchor, YamlNode::Kind::kList), mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(make(mark, anchor, YamlNode::Kind::kMap), mark);
  }
  void OnMapEnd() override { close(); }

  YamlNode take() { return std::move(root_); }

 private:
  YamlNode make(const YAML::Mark& mark, YAML::anchor_t anchor, YamlNode::Kind kind) {
    if (anchor != 0) {
      throw YAML::ParserException(mark, "anchors (&name) are not taken: write the value where it is meant");
    }
    if (++nodes_ > kMostNodes) throw YAML::ParserException(mark, "more than 100000 values in one file");
    YamlNode node;
    node.kind = kind;
    node.place = place_of(mark);
    node.offset = static_cast<std::size_t>(std::max(mark.pos, 0));
    return node;
  }
  void place(const YAML::Mark& mark, YAML::anchor_t anchor, YamlNode::Kind kind) {
    add(make(mark, anchor, kind));
  }
  void open(YamlNode node, const YAML::Mark& mark) {
    if (open_.size() >= kMostDepth) throw YAML::ParserException(mark, "nested deeper than 32 levels");
    open_.push_back(std::move(node));
  }
  void close() {
    YamlNode done = std::move(open_.back());
    open_.pop_back();
    // Two equal keys: yaml-cpp would keep one of them in silence.
    std::vector<const YamlNode*> keys;
    for (const YamlNode& key : done.keys) keys.push_back(&key);
    std::ranges::sort(keys, [](const YamlNode* a, const YamlNode* b) {
      return a->text != b->text ? a->text < b->text : a->place < b->place;
    });
    for (std::size_t i = 1; i < keys.size(); ++i) {
      if (keys[i]->text == keys[i - 1]->text) {
        out_.error(keys[i]->place, "the key " + policies::quoted(keys[i]->text) +
                                       " stands here a second time, first at line " +
                                       std::to_string(keys[i - 1]->place.line));
      }
    }
    add(std::move(done));
  }
  void add(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    YamlNode& parent = open_.back();
    if (parent.kind == YamlNode::Kind::kMap && parent.keys.size() == parent.items.size()) {
      if (node.kind != YamlNode::Kind::kScalar) {
        throw YAML::ParserException(YAML::Mark(), "a key is a list, a map or nothing, expected a word");
      }
      parent.keys.push_back(std::move(node));
    } else {
      parent.items.push_back(std::move(node));
    }
  }

  Diagnostics& out_;
  YamlNode root_;
  std::vector<YamlNode> open_;
  std::size_t nodes_ = 0;
};

Place place_of_offset(std::string_view source, std::size_t offset) {
  Place place{1, 1};
  for (const char c : source.substr(0, offset)) {
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    } else {
      ++place.column;
    }
  }
  return place;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

std::vector<YamlNode> parse_yaml(std::string_view text, Diagnostics& out) {
  if (text.size() > kMostBytes) {
    out.error({}, "larger than 1 MiB, which no policy file is");
    return {};
  }
  // yaml-cpp would read UTF-16 and 32 by their byte order marks, and then count other bytes than we do.
  if (text.find('\0') != std::string_view::npos || text.starts_with("\xff\xfe") ||
      text.starts_with("\xfe\xff")) {
    out.error({}, "not UTF-8 text");
    return {};
  }
  std::vector<YamlNode> documents;
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    while (true) {
      TreeBuilder builder(out);
      if (!parser.HandleNextDocument(builder)) break;
      documents.push_back(builder.take());
      if (documents.size() > kMostNodes) break;
    }
  } catch (const YAML::Exception& e) {
    const bool known = !e.mark.is_null();
    out.error(known ? place_of(e.mark) : Place{}, "not a policy's YAML: " + e.msg);
  } catch (const std::exception& e) {
    out.error({}, std::string("not YAML: ") + e.what());
  }
  return documents;
}

std::string fingerprint(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "~";
    case YamlNode::Kind::kScalar:
      return (node.quoted ? "\"" : "'") + node.text + "\n";
    case YamlNode::Kind::kList: {
      std::string out = "[";
      for (const YamlNode& item : node.items) out += fingerprint(item);
      return out + "]";
    }
    case YamlNode::Kind::kMap:
      break;
  }
  std::string out = "{";
  for (std::size_t i = 0; i < node.keys.size(); ++i)
    out += node.keys[i].text + ":" + fingerprint(node.items[i]);
  return out + "}";
}

Place place_in_scalar(std::string_view source, const YamlNode& scalar, std::size_t index) {
  std::size_t at = scalar.offset;
  if (source.starts_with("\xef\xbb\xbf")) at += 3;
  if (at >= source.size()) return scalar.place;
  if (scalar.quoted && (source[at] == '"' || source[at] == '\'')) {
    ++at;
  } else if (scalar.quoted && (source[at] == '|' || source[at] == '>')) {
    at = source.find('\n', at);
  }
  for (std::size_t i = 0; i < scalar.text.size() && at < source.size(); ++i) {
    const char c = scalar.text[i];
    if (is_space(c)) {
      if (i == index) return place_of_offset(source, at);
      continue;
    }
    while (at < source.size() && is_space(source[at])) ++at;
    if (at >= source.size() || source[at] != c) return scalar.place;
    if (i == index) return place_of_offset(source, at);
    ++at;
  }
  return index >= scalar.text.size() && at <= source.size() ? place_of_offset(source, at) : scalar.place;
}

}  // namespace plimsoll::policies
