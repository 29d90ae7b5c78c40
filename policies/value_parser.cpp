// Single values of a policy: durations, conditions and the limits' own texts.
#include <cmath>

#include "policies/cpu_list.h"
#include "policies/map_reader.h"
#include "policies/spelling.h"
#include "policies/step_parser.h"

namespace plimsoll::policies {
namespace {

using Kind = YamlNode::Kind;

// A deadline is now plus the duration: bounded, so that it stays a time.
constexpr Nanoseconds kLongestDuration = std::chrono::hours(365 * 24);

std::string shown(const YamlNode& node) {
  return node.kind == Kind::kScalar ? policies::quoted(node.text) : std::string(kind_name(node.kind));
}

}  // namespace

std::string wanted_of_number(const FieldInfo& field, double value, const HostCpus* host) {
  if (value < field.least || value > field.most) {
    return "a value from " + format_number(field.least) + " to " + format_number(field.most);
  }
  if (field.kind == FieldKind::kCount && value != std::floor(value)) return "a whole number";
  if (field.kind == FieldKind::kCores && host != nullptr && value > static_cast<double>(host->online)) {
    return "at most the CPUs of this host, " + std::to_string(host->online);
  }
  return "";
}

std::optional<Nanoseconds> parse_duration_node(const YamlNode& node, const std::string& what,
                                               const ParseContext& context) {
  const auto duration = node.kind == Kind::kScalar ? parse_duration(node.text) : invalid("");
  if (duration && *duration <= kLongestDuration) return *duration;
  context.out.error(node.place, what + ": expected a duration " +
                                    (duration ? "of at most 8760h" : "such as 10s") + ", got " + shown(node));
  return std::nullopt;
}

std::optional<Nanoseconds> parse_positive_duration(const YamlNode& node, const std::string& what,
                                                   const ParseContext& context) {
  const auto duration = parse_duration_node(node, what, context);
  if (!duration || duration->count() > 0) return duration;
  context.out.error(node.place, what + ": expected a duration above 0 such as 10s, got " + shown(node));
  return std::nullopt;
}

std::optional<Expression> parse_condition(const YamlNode& node, const std::string& what,
                                          const ParseContext& context) {
  if (node.kind != Kind::kScalar) {
    context.out.error(node.place, what + ": expected a condition, got " + std::string(kind_name(node.kind)));
    return std::nullopt;
  }
  auto condition = Expression::condition(node.text, {.host_only = context.host});
  if (condition) return std::move(*condition);
  context.out.error(place_in_scalar(context.source, node, condition.error().at),
                    what + ": " + condition.error().message);
  return std::nullopt;
}

std::optional<std::string> parse_field_value(FieldId id, const YamlNode& node, const std::string& what,
                                             const ParseContext& context) {
  const FieldInfo& field = fields()[id];
  const auto refuse = [&](const std::string& expected) {
    context.out.error(node.place, what + ": expected " + expected + ", got " + shown(node));
    return std::optional<std::string>();
  };
  if (field.kind == FieldKind::kFlag) {
    if (node.text == "true") return "1";
    if (node.text == "false") return "0";
    return refuse("true or false");
  }
  if (field.kind == FieldKind::kCpuList) {
    const std::string wanted = wanted_of_cpus(node.kind == Kind::kScalar ? node.text : "", context.cpus);
    return wanted.empty() ? std::optional(node.text) : refuse(wanted);
  }
  if (field.may_be_max && node.text == "max") return field_max_text(field);
  const Unit unit = unit_of(field);
  const std::string wanted = std::string(describe(unit)) + " such as " + std::string(example(unit)) +
                             (field.may_be_max ? ", or max" : "");
  const auto quantity = node.kind == Kind::kScalar ? parse_quantity(node.text) : invalid("");
  if (!quantity || !comparable(quantity->type, {unit, false, false})) return refuse(wanted);
  if (const std::string problem = wanted_of_number(field, quantity->value, context.cpus); !problem.empty()) {
    return refuse(problem);
  }
  return field_text(field, quantity->value);
}

}  // namespace plimsoll::policies
