// `spec.limits`: what is held continuously.
#include "policies/limits_parser.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "policies/checks.h"
#include "policies/map_reader.h"
#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

using Kind = YamlNode::Kind;

bool names_device(std::string_view text) {
  if (text.starts_with('/')) return true;
  const auto colon = text.find(':');
  return colon != std::string_view::npos && parse_u64(text.substr(0, colon)) &&
         parse_u64(text.substr(colon + 1));
}

// "/dev//vda" is /dev/vda, and "08:0" is 8:0.
std::string plain_device(const std::string& text) {
  const auto colon = text.find(':');
  const auto major = parse_u64(text.substr(0, colon));
  if (text.starts_with('/') || colon == std::string::npos || !major)
    return std::filesystem::path(text).lexically_normal();
  return std::to_string(*major) + ":" + std::to_string(parse_u64(text.substr(colon + 1)).value_or(0));
}

void parse_device(const YamlNode& node, const ParseContext& context, std::vector<LimitValue>& limits) {
  static constexpr std::string_view kWhat = "spec.limits.io";
  MapReader reader(node, std::string(kWhat), context.out, MapId::kIo);
  const std::string device = reader.text("device");
  if (!names_device(device)) {
    context.out.error(reader.place_of("device"),
                      "spec.limits.io.device: expected a device such as /dev/vda or 8:0, or the folder of a "
                      "filesystem, got " +
                          policies::quoted(device));
  }
  const bool twice = std::ranges::any_of(limits, [&](const LimitValue& limit) {
    return !device.empty() && plain_device(limit.device) == plain_device(device);
  });
  if (twice) context.out.error(node.place, "spec.limits.io: " + policies::quoted(device) + " is named twice");
  std::size_t found = 0;
  for (FieldId id = 0; id < fields().size(); ++id) {
    if (!fields()[id].per_device) continue;
    const std::string_view key = fields()[id].name.substr(3);  // "io.read_bps"
    const YamlNode* value = reader.find(key);
    if (value == nullptr) continue;
    ++found;
    const auto text = parse_field_value(id, *value, std::string(kWhat) + "." + std::string(key), context);
    if (text) limits.push_back({id, *text, value->place, device});
  }
  reader.finish();
  if (found == 0)
    context.out.error(node.place, "spec.limits.io: names no limit, expected one such as read_bps: 50MiB");
}

void parse_io(const YamlNode& node, const ParseContext& context, std::vector<LimitValue>& limits) {
  if (node.kind != Kind::kList || node.items.empty()) {
    return context.out.error(node.place,
                             "spec.limits.io: expected a list such as [{device: /dev/vda, read_bps: 50MiB}]");
  }
  for (const YamlNode& one : node.items) parse_device(one, context, limits);
}

// "90%" of a limit in bytes means of this policy's own memory.max. nullopt: it was refused.
std::optional<std::string> share_of_max(const FieldInfo& field, double share, std::optional<double> max,
                                        const YamlNode& node, const ParseContext& context) {
  const auto refuse = [&](const std::string& why) {
    context.out.error(node.place, "spec.limits." + std::string(field.name) + ": " + why);
    return std::optional<std::string>();
  };
  if (!max) return refuse("a percentage is of memory.max, which this policy does not set to a size");
  const double value = *max * share;
  // Swap is beside the memory, all others are inside of it.
  if (value < field.least || (share > 1 && field.name != "memory.swap")) {
    return refuse("expected a share of memory.max from 0% to 100%, got " + policies::quoted(node.text));
  }
  if (value > field.most) {
    return refuse("expected at most " + format_number(field.most) + " bytes, got " +
                  policies::quoted(node.text));
  }
  return field_text(field, value);
}

}  // namespace

void parse_limits(const YamlNode& node, const ParseContext& context, std::vector<LimitValue>& limits) {
  MapReader groups(node, "spec.limits", context.out, MapId::kLimits);
  std::optional<double> memory_max;
  for (const MapId map : {MapId::kCpu, MapId::kMemory, MapId::kPids}) {
    const std::string_view group = name_of(map);
    const YamlNode* found = groups.find(group);
    if (found == nullptr) continue;
    const std::string what = "spec.limits." + std::string(group);
    MapReader reader(*found, what, context.out, map);
    for (FieldId id = 0; id < fields().size(); ++id) {
      const std::string_view name = fields()[id].name;
      if (!name.starts_with(group) || name[group.size()] != '.') continue;
      const std::string_view key = name.substr(group.size() + 1);
      const YamlNode* value = reader.find(key);
      if (value == nullptr) continue;
      const auto quantity = parse_quantity(value->text);
      const bool share =
          fields()[id].kind == FieldKind::kBytes && quantity && quantity->type.unit == Unit::kShare;
      const auto text = share ? share_of_max(fields()[id], quantity->value, memory_max, *value, context)
                              : parse_field_value(id, *value, what + "." + std::string(key), context);
      if (!text) continue;
      if (name == "memory.max" && *text != "max") memory_max = quantity->value;
      limits.push_back({id, *text, value->place});
    }
    reader.finish();
  }
  check_limits(limits, context.out);
  if (const YamlNode* io = groups.find("io")) parse_io(*io, context, limits);
  groups.finish();
}

}  // namespace plimsoll::policies
