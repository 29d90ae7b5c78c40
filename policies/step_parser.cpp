#include "policies/step_parser.h"

#include <algorithm>

#include "policies/ending_parser.h"
#include "policies/map_reader.h"
#include "policies/notify_template.h"
#include "policies/reasoning.h"
#include "policies/spelling.h"
#include "policies/target_parser.h"

namespace plimsoll::policies {
namespace {

using Kind = YamlNode::Kind;

// "+10% up to 1GiB", "-20% down to 64MiB", "+10%".
bool parse_change(std::string_view text, SetStep& step, Unit unit, std::string& problem) {
  const bool up = text.front() == '+';
  const std::string_view words = up ? " up to " : " down to ";
  const auto bound_at = text.find(words);
  const auto percent =
      parse_quantity(text.substr(1, bound_at == std::string_view::npos ? bound_at : bound_at - 1));
  if (!percent || percent->type.unit != Unit::kShare) {
    problem = "expected a change such as '+10% up to 1GiB' or '-20% down to 64MiB'";
    return false;
  }
  step.change = up ? percent->value : -percent->value;
  if (bound_at == std::string_view::npos) return true;
  const auto bound = parse_quantity(text.substr(bound_at + words.size()));
  if (!bound || !comparable(bound->type, {unit, false, false})) {
    problem = "the bound of a change: expected " + std::string(describe(unit)) + " such as " +
              std::string(example(unit));
    return false;
  }
  step.bound = bound->value;
  return true;
}

// "kill, stop and notify"
std::string host_actions() {
  std::vector<std::string_view> names;
  for (const Action& action : actions()) {
    if (action.host && action.key.name != "wait") names.push_back(action.key.name);
  }
  return joined(names, " and ");
}

std::optional<Step> parse_set_value(FieldId id, const YamlNode& node, const ParseContext& context) {
  const FieldInfo& field = fields()[id];
  const std::string what = "set." + std::string(field.name);
  SetStep step;
  step.field = id;
  step.place = node.place;
  const bool computed = field.kind == FieldKind::kCores || field.kind == FieldKind::kBytes ||
                        field.kind == FieldKind::kCount || field.kind == FieldKind::kSeconds;
  if (node.kind != Kind::kScalar || node.text.empty() || !computed || node.text == "max") {
    const auto text = parse_field_value(id, node, what, context);
    if (!text) return std::nullopt;
    step.text = *text;
    return step;
  }
  if (node.text.front() == '+' || node.text.front() == '-') {
    std::string problem;
    if (parse_change(node.text, step, unit_of(field), problem)) return step;
    context.out.error(node.place, what + ": " + problem + ", got " + policies::quoted(node.text));
    return std::nullopt;
  }
  auto value = Expression::value(node.text, unit_of(field), {.host_only = context.host});
  if (!value) {
    context.out.error(place_in_scalar(context.source, node, value.error().at),
                      what + ": " + value.error().message);
    return std::nullopt;
  }
  step.value = std::move(*value);
  return step;
}

void parse_set(const YamlNode& node, const ParseContext& context, std::vector<Step>& steps) {
  MapReader reader(node, "set", context.out, MapId::kSet);
  const bool force = reader.flag("force").value_or(false);
  std::size_t found = 0;
  for (FieldId id = 0; id < fields().size(); ++id) {
    if (fields()[id].per_device) continue;  // a `set` has no place for the disk
    const YamlNode* value = reader.find(fields()[id].name);
    if (value == nullptr) continue;
    ++found;
    if (auto step = parse_set_value(id, *value, context)) {
      std::get<SetStep>(*step).force = force;
      steps.push_back(std::move(*step));
    }
  }
  reader.finish();
  if (found == 0)
    context.out.error(node.place, "set: names no limit, expected one such as memory.high: 90% of memory.max");
}

void parse_reclaim(const YamlNode& node, const ParseContext& context, std::vector<Step>& steps) {
  if (node.kind != Kind::kScalar || node.text.empty()) {
    return context.out.error(node.place,
                             "reclaim: expected bytes such as 64MiB or 10% of memory.usage, got " +
                                 std::string(kind_name(node.kind)));
  }
  auto amount = Expression::value(node.text, Unit::kBytes, {.host_only = false});
  if (!amount) {
    return context.out.error(place_in_scalar(context.source, node, amount.error().at),
                             "reclaim: " + amount.error().message);
  }
  if (const auto constant = constant_of(*amount); constant && *constant <= 0) {
    return context.out.error(node.place,
                             "reclaim: nothing would be taken away, expected bytes such as 64MiB");
  }
  steps.emplace_back(ReclaimStep{std::move(*amount)});
}

// "- thaw", "- freeze", "- stop" and "- restart" may stand alone.
void parse_alone(const YamlNode& node, const ParseContext& context, std::vector<Step>& steps) {
  if (node.text == "stop" || node.text == "restart") {
    YamlNode empty;
    empty.place = node.place;
    return parse_end(node.text, empty, context, steps);
  }
  if (context.host)
    return context.out.error(node.place, node.text + ": a HostPolicy may " + host_actions() + " only");
  node.text == "thaw" ? steps.emplace_back(ThawStep{})
                      : steps.emplace_back(FreezeStep{std::nullopt, node.place});
}

void parse_step(const YamlNode& node, const ParseContext& context, std::vector<Step>& steps) {
  const auto alone = [&](const Action& action) { return action.alone && action.key.name == node.text; };
  if (node.kind == Kind::kScalar && std::ranges::any_of(actions(), alone))
    return parse_alone(node, context, steps);
  if (node.kind != Kind::kMap || node.keys.size() != 1) {
    return context.out.error(node.place,
                             "an action: expected one of " + one_of(action_names()) + " with its value");
  }
  const std::string& name = node.keys[0].text;
  const YamlNode& value = node.items[0];
  const auto known = std::ranges::find(actions(), name, [](const Action& one) { return one.key.name; });
  if (context.host && known != actions().end() && !known->host) {
    return context.out.error(node.keys[0].place, name + ": a HostPolicy may " + host_actions() + " only");
  }
  if (name == "set") return parse_set(value, context, steps);
  if (name == "kill") return parse_kill(value, context, steps);
  if (name == "stop" || name == "restart") return parse_end(name, value, context, steps);
  if (name == "reclaim") return parse_reclaim(value, context, steps);
  if (name == "thaw") {
    if (value.kind != Kind::kNull)
      context.out.error(value.place, "thaw: takes no value, expected 'thaw' alone");
    return void(steps.emplace_back(ThawStep{}));
  }
  if (name == "freeze") {
    if (const auto duration = parse_positive_duration(value, "freeze", context))
      steps.emplace_back(FreezeStep{*duration, node.keys[0].place});
    return;
  }
  if (name == "wait") {
    if (const auto duration = parse_positive_duration(value, "wait", context))
      steps.emplace_back(WaitStep{*duration});
    return;
  }
  if (name == "notify") {
    if (value.kind == Kind::kScalar && !value.text.empty()) {
      check_template(value, context);
      return void(steps.emplace_back(NotifyStep{value.text}));
    }
    if (value.kind != Kind::kMap) return context.out.error(value.place, "notify: expected a text");
    if (auto step = parse_notify(value, context)) steps.emplace_back(std::move(*step));
    return;
  }
  context.out.error(node.keys[0].place, "unknown action " + policies::quoted(name) +
                                            did_you_mean(name, action_names()) + ", expected " +
                                            one_of(action_names()));
}

std::vector<Glob> parse_globs(const YamlNode& node, const std::string& what, Glob::Kind kind,
                              const ParseContext& context) {
  std::vector<Glob> globs;
  const auto add = [&](const YamlNode& one) {
    if (one.kind != Kind::kScalar)
      return context.out.error(one.place,
                               what + ": expected a text, got " + std::string(kind_name(one.kind)));
    auto glob = Glob::parse(one.text, kind);
    if (!glob) return context.out.error(one.place, what + ": " + glob.error().message());
    globs.push_back(std::move(*glob));
  };
  if (node.kind == Kind::kList) {
    for (const YamlNode& one : node.items) add(one);
    if (node.items.empty()) context.out.error(node.place, what + ": an empty list selects nothing");
  } else {
    add(node);
  }
  return globs;
}

}  // namespace

std::vector<Step> parse_steps(const YamlNode& list, const ParseContext& context) {
  std::vector<Step> steps;
  if (list.kind != Kind::kList || list.items.empty()) {
    context.out.error(list.place, "then: expected a list of actions");
    return steps;
  }
  for (const YamlNode& node : list.items) parse_step(node, context, steps);
  return steps;
}

Selector parse_selector(const YamlNode& node, const std::string& what, const ParseContext& context,
                        bool allow_except) {
  Selector select;
  MapReader reader(node, what, context.out, allow_except ? MapId::kSelect : MapId::kExcept);
  if (const YamlNode* labels = reader.find("labels")) {
    if (labels->kind != Kind::kMap)
      context.out.error(labels->place, what + ".labels: expected a map of key: value");
    if (labels->kind == Kind::kMap && labels->keys.empty())
      context.out.error(labels->place, what + ".labels: an empty map selects nothing");
    for (std::size_t i = 0; i < labels->keys.size(); ++i) {
      select.labels[labels->keys[i].text] =
          parse_globs(labels->items[i], what + ".labels." + labels->keys[i].text, Glob::Kind::kText, context);
    }
  }
  const auto globs = [&](std::string_view key, Glob::Kind kind, std::vector<Glob>& into) {
    if (const YamlNode* found = reader.find(key))
      into = parse_globs(*found, what + "." + std::string(key), kind, context);
  };
  globs("names", Glob::Kind::kText, select.names);
  globs("images", Glob::Kind::kText, select.images);
  globs("cgroups", Glob::Kind::kPath, select.cgroups);
  globs("namespaces", Glob::Kind::kText, select.namespaces);
  if (const YamlNode* runtimes = reader.find("runtimes")) {
    const std::vector<YamlNode> single = {*runtimes};
    if (runtimes->kind == Kind::kList && runtimes->items.empty())
      context.out.error(runtimes->place, what + ".runtimes: an empty list selects nothing");
    for (const YamlNode& one : runtimes->kind == Kind::kList ? runtimes->items : single) {
      const auto runtime = model::runtime_from(one.text);
      if (runtime && *runtime != model::Runtime::kOther) {
        select.runtimes.push_back(*runtime);
      } else {
        context.out.error(one.place, what + ".runtimes: unknown runtime " + policies::quoted(one.text) +
                                         did_you_mean(one.text, runtime_words()) + ", expected " +
                                         one_of(runtime_words()));
      }
    }
  }
  if (allow_except) {
    if (const YamlNode* except = reader.find("except")) {
      select.except =
          std::make_shared<const Selector>(parse_selector(*except, what + ".except", context, false));
    }
  }
  reader.finish();
  const bool empty = select.labels.empty() && select.names.empty() && select.images.empty() &&
                     select.cgroups.empty() && select.namespaces.empty() && select.runtimes.empty();
  if (empty && node.keys.empty())
    context.out.error(
        node.place,
        what + ": selects nothing, expected labels, names, images, cgroups, runtimes or namespaces");
  return select;
}

}  // namespace plimsoll::policies
