#include "policies/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

constexpr std::size_t kLargestText = 1UL << 20;
constexpr const char* kNoAliases = "aliases (*name) are not taken: write the value where it is meant";
constexpr std::size_t kMostDepth = 32;
constexpr std::size_t kMostNodes = 100'000;

Place place_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }
YAML::Mark mark_of(Place place) {
  YAML::Mark mark;
  mark.line = place.line - 1;
  mark.column = place.column - 1;
  return mark;
}

// Whether a quoted scalar that begins at `offset` ends: yaml-cpp lets the end of the file close it, and a
// file that was cut off would be taken.
bool is_closed(std::string_view text, std::size_t offset) {
  std::size_t at = offset + (text.starts_with("\xef\xbb\xbf") ? 3 : 0);
  if (at >= text.size() || (text[at] != '"' && text[at] != '\'')) return true;
  const char quote = text[at];
  while (++at < text.size()) {
    if (quote == '"' && text[at] == '\\')
      ++at;
    else if (text[at] == quote)
      return true;
  }
  return false;
}

// Builds the tree bottom-up: open_ is the path from the document to the list or map being filled.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, Diagnostics& out) : text_(text), out_(out) {}

  void OnDocumentStart(const YAML::Mark& /*mark*/) override { root_ = {}; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    place(mark, anchor, YamlNode::Kind::kNull);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    throw YAML::ParserException(mark, kNoAliases);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag != "!") refuse_tag(mark, tag);
    YamlNode node = make(mark, anchor, YamlNode::Kind::kScalar);
    node.text = value;
    node.quoted = tag == "!";
    if (node.quoted && !is_closed(text_, node.offset)) {
      throw YAML::ParserException(mark, "the quote that begins here is never closed");
    }
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    refuse_tag(mark, tag);
    open(make(mark, anchor, YamlNode::Kind::kList), mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    refuse_tag(mark, tag);
    open(make(mark, anchor, YamlNode::Kind::kMap), mark);
  }
  void OnMapEnd() override { close(); }

  YamlNode take() { return std::move(root_); }

 private:
  // yaml-cpp gives "?" where there is none.
  static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?") throw YAML::ParserException(mark, "tags (" + tag + ") are not taken");
  }
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
    keys.reserve(done.keys.size());
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
        throw YAML::ParserException(mark_of(node.place),
                                    "a key is a list, a map or nothing, expected a word");
      }
      parent.keys.push_back(std::move(node));
    } else {
      parent.items.push_back(std::move(node));
    }
  }

  std::string_view text_;
  Diagnostics& out_;
  YamlNode root_;
  std::vector<YamlNode> open_;
  std::size_t nodes_ = 0;
};

// Where one comes to from `place` behind `text`.
Place behind(std::string_view text, Place place) {
  for (const char c : text) {
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    } else {
      ++place.column;
    }
  }
  return place;
}

// How long the UTF-8 character is that begins with these bytes (RFC 3629, section 4); 0: it is none.
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return first == 0 ? 0 : 1;
  const std::size_t size = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (size == 0 || size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what is beyond U+10FFFF.
  const bool bad = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                   (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
  return bad ? 0 : size;
}

// The first byte that is a NUL or not UTF-8; the text's size where all is well.
std::size_t first_bad_byte(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t size = character_size(text.substr(at));
    if (size == 0) return at;
    at += size;
  }
  return at;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// The first line up to `last` that is indented by a tab, where YAML takes spaces only; 0: none.
Place first_tab(std::string_view text, int last) {
  int line = 1;
  while (line <= last && !text.empty()) {
    const std::size_t indent = text.find_first_not_of(" \t");
    const std::size_t tab = text.substr(0, indent).find('\t');
    if (tab != std::string_view::npos) return {line, static_cast<int>(tab) + 1};
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    ++line;
  }
  return {};
}

// In our own words where yaml-cpp's do not say what to do.
void tell(const YAML::Exception& e, std::string_view text, Diagnostics& out) {
  const Place place = e.mark.is_null() ? Place{} : place_of(e.mark);
  const std::string what = "not a policy's YAML: ";
  if (e.msg == YAML::ErrorMsg::UNKNOWN_ANCHOR) return out.error(place, what + kNoAliases);
  if (const Place tab = first_tab(text, place.line); tab.line > 0) {
    return out.error(tab, what + "a tab in the indentation, expected spaces");
  }
  out.error(place, what + e.msg);
}

}  // namespace

const YamlNode* YamlNode::value_of(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size() && i < items.size(); ++i) {
    if (keys[i].text == key) return &items[i];
  }
  return nullptr;
}

std::vector<YamlNode> parse_yaml(std::string_view text, Diagnostics& out) {
  if (text.size() > kLargestText) {
    out.error({}, "larger than 1 MiB, which no policy file is");
    return {};
  }
  // yaml-cpp would read UTF-16 and 32 by their byte order marks, and then count other bytes than we do.
  if (const auto at = first_bad_byte(text); at < text.size()) {
    out.error(behind(text.substr(0, at), {1, 1}),
              text[at] == '\0' ? "a NUL byte, expected UTF-8 text" : "not UTF-8 text");
    return {};
  }
  std::vector<YamlNode> documents;
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    while (true) {
      TreeBuilder builder(text, out);
      if (!parser.HandleNextDocument(builder)) break;
      documents.push_back(builder.take());
      if (documents.size() > kMostNodes) break;
    }
  } catch (const YAML::Exception& e) {
    tell(e, text, out);
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
  const std::size_t start = at;
  const auto here = [&] { return behind(source.substr(start, at - start), scalar.place); };
  if (scalar.quoted && (source[at] == '"' || source[at] == '\'')) {
    ++at;
  } else if (scalar.quoted && (source[at] == '|' || source[at] == '>')) {
    at = source.find('\n', at);
  }
  for (std::size_t i = 0; i < scalar.text.size() && at < source.size(); ++i) {
    const char c = scalar.text[i];
    if (is_space(c)) {
      if (i == index) return here();
      continue;
    }
    while (at < source.size() && is_space(source[at])) ++at;
    if (at >= source.size() || source[at] != c) return scalar.place;
    if (i == index) return here();
    ++at;
  }
  return index >= scalar.text.size() && at <= source.size() ? here() : scalar.place;
}

}  // namespace plimsoll::policies
