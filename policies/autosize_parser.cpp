#include "policies/autosize_parser.h"

#include <algorithm>

#include "policies/map_reader.h"
#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

using Kind = YamlNode::Kind;

constexpr double kPercent = 100;
// Shorter forgets a workload between two of its requests; longer than years is no forgetting.
constexpr Nanoseconds kShortestHalfLife = std::chrono::minutes(1);
constexpr Nanoseconds kLongestHalfLife = std::chrono::hours(24 * 365);

// One of spec.autosize's resources, key by key.
class SizeParser {
 public:
  SizeParser(const YamlNode& node, std::string_view resource, const ParseContext& context)
      : what_("spec.autosize." + std::string(resource)),
        field_(fields()[*find_field(std::string(resource) + ".max")]),
        context_(context),
        reader_(node, what_, context.out, resource == "cpu" ? MapId::kSizeCpu : MapId::kSizeMemory) {}

  SizeRule parse(SizeRule rule) {
    rule.place = reader_.place();
    if (const YamlNode* node = reader_.find("mode")) {
      rule.mode = static_cast<SizeMode>(word(*node, "mode", size_mode_words()).value_or(1));
    }
    if (field_.kind == FieldKind::kBytes) parse_seek(rule);
    if (const YamlNode* node = reader_.find("percentile")) {
      const auto number = node->kind == Kind::kScalar ? parse_number(node->text) : std::nullopt;
      if (!number || *number < 1 || *number > kPercent) refuse(*node, "percentile", "a number from 1 to 100");
      rule.sizing.percentile = number.value_or(kPercent) / kPercent;
    }
    if (const YamlNode* node = reader_.find("half_life")) {
      const auto time = parse_duration_node(*node, what_ + ".half_life", context_);
      if (time && (*time < kShortestHalfLife || *time > kLongestHalfLife)) {
        refuse(*node, "half_life", "a time from 1m to 365d");
      }
      rule.sizing.half_life = time.value_or(kLongestHalfLife);
    }
    share("margin", 0, 10, "a share from 0% to 1000%, such as 15%", rule.sizing.margin);
    rule.sizing.least = bound("min");
    rule.sizing.most = bound("max");
    reader_.finish();
    if (rule.sizing.least && rule.sizing.most && *rule.sizing.least > *rule.sizing.most) {
      context_.out.error(reader_.place_of("min"), what_ + ": min is above max");
    }
    return rule;
  }

 private:
  void parse_seek(SizeRule& rule) {
    if (const YamlNode* node = reader_.find("seek")) {
      rule.seek_pressure = word(*node, "seek", seek_words()).value_or(0) == 1;
    }
    const bool given =
        share("pressure", 0.0001, 0.5, "a share of time from 0.01% to 50%, such as 0.1%", rule.pressure);
    if (given && !rule.seek_pressure) {
      context_.out.error(reader_.place_of("pressure"),
                         what_ + ".pressure: is what seek: pressure aims at, and seek is usage");
    }
  }

  void refuse(const YamlNode& node, std::string_view key, std::string_view expected) {
    context_.out.error(
        node.place,
        what_ + "." + std::string(key) + ": expected " + std::string(expected) + ", got " +
            (node.kind == Kind::kScalar ? policies::quoted(node.text) : std::string(kind_name(node.kind))));
  }

  std::optional<std::size_t> word(const YamlNode& node, std::string_view key,
                                  std::span<const std::string_view> words) {
    const auto found = std::ranges::find(words, node.text);
    if (node.kind == Kind::kScalar && found != words.end())
      return static_cast<std::size_t>(found - words.begin());
    const std::string text = node.kind == Kind::kScalar
                                 ? policies::quoted(node.text) + did_you_mean(node.text, words)
                                 : std::string(kind_name(node.kind));
    context_.out.error(node.place,
                       what_ + "." + std::string(key) + ": " + text + ", expected " + one_of(words));
    return std::nullopt;
  }

  // False: it is not there.
  bool share(std::string_view key, double least, double most, std::string_view expected, double& into) {
    const YamlNode* node = reader_.find(key);
    if (node == nullptr) return false;
    const auto quantity = node->kind == Kind::kScalar ? parse_quantity(node->text) : invalid("");
    if (quantity && quantity->type.unit == Unit::kShare && quantity->value >= least &&
        quantity->value <= most) {
      into = quantity->value;
    } else {
      refuse(*node, key, expected);
    }
    return true;
  }

  std::optional<double> bound(std::string_view key) {
    const YamlNode* node = reader_.find(key);
    if (node == nullptr) return std::nullopt;
    const Unit unit = unit_of(field_);
    const auto quantity = node->kind == Kind::kScalar ? parse_quantity(node->text) : invalid("");
    if (!quantity || !comparable(quantity->type, {unit, false, false})) {
      refuse(*node, key, std::string(describe(unit)) + " such as " + std::string(example(unit)));
    } else if (quantity->value < std::max(field_.least, 0.01) || quantity->value > field_.most) {
      refuse(*node, key,
             "a value from " + format_number(std::max(field_.least, 0.01)) + " to " +
                 format_number(field_.most));
    } else {
      return quantity->value;
    }
    return std::nullopt;
  }

  std::string what_;
  const FieldInfo& field_;
  const ParseContext& context_;
  MapReader reader_;
};

}  // namespace

void parse_autosize(const YamlNode& node, const ParseContext& context, Policy& policy) {
  MapReader reader(node, "spec.autosize", context.out, MapId::kAutosize);
  const auto parse = [&](std::string_view resource, SizeRule defaults, std::optional<SizeRule>& into) {
    const YamlNode* found = reader.find(resource);
    if (found == nullptr) return;
    into = SizeParser(*found, resource, context).parse(std::move(defaults));
    const std::string field = std::string(resource) + ".max";
    const bool fixed = std::ranges::any_of(
        policy.limits, [&](const LimitValue& limit) { return fields()[limit.field].name == field; });
    // Seeking pressure sets no limit.
    if (!fixed || into->mode != SizeMode::kEnforce || into->seek_pressure) return;
    context.out.error(found->place, "spec.autosize." + std::string(resource) +
                                        ": mode enforce sets what spec.limits." + field +
                                        " holds fixed; leave that out, and bound it by min and max here");
  };
  parse("cpu", {.sizing = {.percentile = 0.95, .half_life = std::chrono::hours(12)}}, policy.size_cpu);
  parse("memory", {}, policy.size_memory);
  reader.finish();
  if (!policy.size_cpu && !policy.size_memory && !context.out.has_errors())
    context.out.error(node.place, "spec.autosize: expected cpu, memory or both");
}

}  // namespace plimsoll::policies
