#include "policies/schema.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "policies/grammar.h"
#include "policies/signal.h"

namespace plimsoll::policies {
namespace {

using nlohmann::ordered_json;

// Any scalar but nothing: the loader takes `name: 5` and `critical: true` as texts.
const ordered_json kScalar = {"string", "number", "boolean"};
constexpr const char* kDurationPattern = R"(^([0-9]+(\.[0-9]*)?(ns|us|ms|s|m|h|d))+$)";
constexpr const char* kBytesPattern = R"(^[0-9]+(\.[0-9]*)? ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB|[kmgtKMGT])$)";
constexpr const char* kBytesPerSecondPattern =
    R"(^[0-9]+(\.[0-9]*)? ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB|[kmgtKMGT])(/s)?$)";
constexpr const char* kPercentPattern = R"(^[0-9]+(\.[0-9]*)?%$)";
constexpr const char* kNumberPattern = R"(^[0-9]+(\.[0-9]*)?$)";
constexpr const char* kWholePattern = R"(^[0-9]+$)";
constexpr const char* kCpusPattern = R"(^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$)";

ordered_json pattern(const char* expression, ordered_json examples) {
  return {{"type", "string"}, {"pattern", expression}, {"examples", std::move(examples)}};
}
ordered_json reference(std::string_view name) { return {{"$ref", "#/$defs/" + std::string(name)}}; }
ordered_json any_of(std::vector<ordered_json> ways) { return {{"anyOf", std::move(ways)}}; }

// A number may stand in quotes.
ordered_json number(const char* type, double least, double most, const char* text) {
  return any_of(
      {{{"type", type}, {"minimum", least}, {"maximum", most}}, {{"type", "string"}, {"pattern", text}}});
}

// A fixed value: what parse_field_value() takes.
std::vector<ordered_json> fixed_values(const FieldInfo& field) {
  switch (field.kind) {
    case FieldKind::kCores:
      return {number("number", field.least, field.most, kNumberPattern)};
    case FieldKind::kBytes:
      return {pattern(kBytesPattern, {"256MiB"}), {{"const", 0}}, {{"const", "0"}}};
    case FieldKind::kBytesPerSecond:
      return {pattern(kBytesPerSecondPattern, {"50MiB"})};
    case FieldKind::kSeconds:
      return {pattern(kDurationPattern, {"20ms"}), {{"const", 0}}, {{"const", "0"}}};
    case FieldKind::kFlag:
      return {{{"enum", {true, false, "true", "false"}}}};
    case FieldKind::kCpuList:
      return {pattern(kCpusPattern, {"0-3"}), {{"type", "integer"}, {"minimum", 0}}};
    case FieldKind::kCount:
      break;
  }
  return {number("integer", field.least, field.most, kWholePattern)};
}

ordered_json limit_schema(const FieldInfo& field) {
  auto ways = fixed_values(field);
  if (field.may_be_max) ways.push_back({{"const", "max"}});
  if (field.kind == FieldKind::kBytes && field.name != "memory.max")
    ways.push_back(pattern(kPercentPattern, {"90%"}));
  return any_of(std::move(ways));
}

// A `set` takes expressions and changes too, which are the loader's to judge.
ordered_json setting_schema(const FieldInfo& field) {
  if (field.kind == FieldKind::kFlag || field.kind == FieldKind::kCpuList) return any_of(fixed_values(field));
  ordered_json out = {{"type", {"string", "number"}}};
  if (field.kind == FieldKind::kBytes)
    out["examples"] = {"90% of memory.max", "+10% up to 1GiB", "-20% down to 64MiB"};
  return out;
}

ordered_json one_or_list(ordered_json one) {
  ordered_json list = {{"type", "array"}, {"items", one}, {"minItems", 1}};
  return any_of({std::move(one), std::move(list)});
}

ordered_json condition_schema() {
  return {{"type", "string"},
          {"minLength", 1},
          {"examples",
           {"memory.usage > 80% of memory.max for 10s", "avg(cpu.usage, 1m) > 2 and pids.count > 100"}}};
}

ordered_json steps_schema(bool host) {
  return {{"type", "array"}, {"items", reference(host ? "hostStep" : "step")}, {"minItems", 1}};
}

ordered_json shape_schema(const Key& key) {
  switch (key.shape) {
    case Shape::kText:
      return {{"type", kScalar}};
    case Shape::kName:
      return any_of(
          {{{"type", "string"}, {"pattern", "^[A-Za-z0-9._-]{1,63}$"}}, {{"type", {"number", "boolean"}}}});
    case Shape::kWord:
      return key.words.size() == 1 ? ordered_json{{"const", key.words[0]}}
                                   : ordered_json{{"enum", std::vector(key.words.begin(), key.words.end())}};
    case Shape::kWords:
      return one_or_list({{"enum", std::vector(key.words.begin(), key.words.end())}});
    case Shape::kPriority:
      return number("integer", -1e6, 1e6, "^-?[0-9]+$");
    case Shape::kFlag:
      return {{"type", "boolean"}};
    case Shape::kDuration:
    case Shape::kPositiveDuration:
      return pattern(kDurationPattern, {"10s"});
    case Shape::kCondition:
      return condition_schema();
    case Shape::kTexts:
      return one_or_list({{"type", kScalar}, {"minLength", 1}});
    case Shape::kLabels:
      return {{"type", "object"},
              {"additionalProperties", one_or_list({{"type", kScalar}, {"minLength", 1}})},
              {"minProperties", 1}};
    case Shape::kMap:
      return reference(name_of(key.map));
    case Shape::kMaps:
      return {{"type", "array"}, {"items", reference(name_of(key.map))}};
    case Shape::kSteps:
    case Shape::kHostSteps:
      return steps_schema(key.shape == Shape::kHostSteps);
    case Shape::kProcessSignal:
      return any_of(
          {pattern("^[A-Za-z0-9+-]+$", {"TERM"}), {{"type", "integer"}, {"minimum", 1}, {"maximum", 64}}});
    case Shape::kDevice:
      return pattern("^(/.*|[0-9]+:[0-9]+)$", {"/dev/vda", "8:0"});
    case Shape::kLimit:
      return limit_schema(fields()[key.field]);
    case Shape::kBound:
      return any_of(fixed_values(fields()[key.field]));
    case Shape::kPercentile:
      return number("number", 1, 100, kNumberPattern);
    case Shape::kShare:
      return pattern(kPercentPattern, {"15%"});
    case Shape::kSetting:
      return setting_schema(fields()[key.field]);
    case Shape::kTemplate:
      return {{"type", kScalar}, {"minLength", 1}};
    case Shape::kAmount: {
      ordered_json out = {{"type", "string"}, {"minLength", 1}};
      out["examples"] = {"64MiB", "10% of memory.usage"};
      return out;
    }
    case Shape::kDrift:
      return pattern("^(hold|yield|yield after [1-9][0-9]{0,3})$", {"hold", "yield", "yield after 3"});
    case Shape::kNothing:
      return {{"type", "null"}};
  }
  return ordered_json::object();
}

ordered_json key_schema(const Key& key) {
  ordered_json out = {{"description", key.description}};
  out.update(shape_schema(key));
  return out;
}

ordered_json map_schema(MapId map) {
  ordered_json properties = ordered_json::object(), required = ordered_json::array();
  for (const Key& key : keys_of(map)) {
    if (key.refused) continue;
    properties[std::string(key.name)] = key_schema(key);
    if (key.required) required.push_back(key.name);
  }
  // A map without a required key may be left empty: "kill:".
  const bool filled = map == MapId::kSelect || map == MapId::kAutosize || map == MapId::kExcept ||
                      map == MapId::kSet || !required.empty();
  ordered_json out = {{"description", description_of(map)},
                      {"type", filled ? ordered_json("object") : ordered_json{"object", "null"}},
                      {"properties", std::move(properties)},
                      {"additionalProperties", false}};
  if (!required.empty()) out["required"] = std::move(required);
  for (const std::string_view one : one_key_of(map)) out["oneOf"].push_back({{"required", {one}}});
  if (filled) out["minProperties"] = 1;
  return out;
}

// Exactly one action a step; "thaw" and "freeze" may stand alone.
ordered_json step_schema(bool host) {
  ordered_json properties = ordered_json::object(), alone = ordered_json::array();
  for (const Action& action : actions()) {
    if (host && !action.host) continue;
    Key key = action.key;
    if (host && key.map == MapId::kKill) key.map = MapId::kHostKill;
    if (host && key.map == MapId::kEnd) key.map = MapId::kHostEnd;
    properties[std::string(key.name)] = key_schema(key);
    // One that must name a victim has something to say.
    if (action.alone && !host) alone.push_back(key.name);
  }
  ordered_json step = {{"type", "object"},
                       {"properties", std::move(properties)},
                       {"additionalProperties", false},
                       {"minProperties", 1},
                       {"maxProperties", 1}};
  if (alone.empty()) return step;
  return any_of({std::move(step), {{"enum", std::move(alone)}}});
}

}  // namespace

std::string schema_json() {
  ordered_json definitions = ordered_json::object();
  for (std::size_t i = 0; i < kMapCount; ++i) {
    const auto map = static_cast<MapId>(i);
    definitions[std::string(name_of(map))] = map_schema(map);
  }
  definitions["step"] = step_schema(false);
  definitions["hostStep"] = step_schema(true);
  const ordered_json schema = {
      {"$schema", "https://json-schema.org/draft/2020-12/schema"},
      {"title", "Plimsoll policy"},
      // A document between two --- may be empty.
      {"oneOf",
       {reference(name_of(MapId::kPolicy)), reference(name_of(MapId::kHostPolicy)), {{"type", "null"}}}},
      {"$defs", std::move(definitions)}};
  return schema.dump(2) + "\n";
}

}  // namespace plimsoll::policies
