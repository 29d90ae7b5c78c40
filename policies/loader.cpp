// YAML files -> PolicySet. A set is taken as a whole: one error anywhere, and there is no set.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "agent/base/unique_fd.h"
#include "policies/autosize_parser.h"
#include "policies/checks.h"
#include "policies/document.h"
#include "policies/map_reader.h"
#include "policies/spelling.h"
#include "policies/step_parser.h"

namespace plimsoll::policies {
namespace {

using Kind = YamlNode::Kind;
namespace fs = std::filesystem;

bool names_device(std::string_view text) {
  if (text.starts_with('/')) return true;
  const auto colon = text.find(':');
  return colon != std::string_view::npos && parse_u64(text.substr(0, colon)) &&
         parse_u64(text.substr(colon + 1));
}

void parse_device(const YamlNode& node, const ParseContext& context, std::vector<LimitValue>& limits) {
  static constexpr std::string_view kWhat = "spec.limits.io";
  MapReader reader(node, std::string(kWhat), context.out);
  const std::string device = reader.text("device");
  if (!names_device(device)) {
    context.out.error(reader.place_of("device"),
                      "spec.limits.io.device: expected a device such as /dev/vda or 8:0, or the folder of a "
                      "filesystem, got " +
                          policies::quoted(device));
  }
  const bool twice = std::ranges::any_of(
      limits, [&](const LimitValue& limit) { return limit.device == device && !device.empty(); });
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

void parse_limits(const YamlNode& node, const ParseContext& context, std::vector<LimitValue>& limits) {
  MapReader groups(node, "spec.limits", context.out);
  std::optional<double> memory_max;
  for (const std::string_view group : {"cpu", "memory", "pids"}) {
    const YamlNode* found = groups.find(group);
    if (found == nullptr) continue;
    const std::string what = "spec.limits." + std::string(group);
    MapReader reader(*found, what, context.out);
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

std::optional<Rule> parse_rule(const YamlNode& node, const ParseContext& context) {
  MapReader reader(node, "a rule", context.out);
  const std::string name = reader.text("name");
  if (name.empty()) context.out.error(node.place, "a rule: 'name' is missing");
  const YamlNode* when = reader.require("when");
  const YamlNode* then = reader.require("then");
  const YamlNode* until = reader.find("until");
  const YamlNode* cooldown = reader.find("cooldown");
  std::optional<Expression> condition, back;
  std::vector<Step> steps;
  std::optional<Nanoseconds> pause;
  if (when != nullptr) condition = parse_condition(*when, "when", context);
  if (until != nullptr) back = parse_condition(*until, "until", context);
  if (cooldown != nullptr) pause = parse_duration_node(*cooldown, "cooldown", context);
  if (then != nullptr) steps = parse_steps(*then, context);
  reader.finish();
  if (!condition) return std::nullopt;
  return Rule{name, std::move(*condition), std::move(back), pause, std::move(steps), fingerprint(node)};
}

void parse_spec(const YamlNode& node, const ParseContext& context, Policy& policy) {
  MapReader reader(node, "spec", context.out);
  if (const YamlNode* priority = reader.find("priority")) {
    const auto number = parse_number(priority->text);
    if (!number || *number != static_cast<double>(static_cast<std::int64_t>(*number)) ||
        std::abs(*number) > 1e6) {
      context.out.error(priority->place,
                        "spec.priority: expected a whole number, got " + policies::quoted(priority->text));
    } else {
      policy.priority = static_cast<std::int64_t>(*number);
    }
  }
  if (const YamlNode* mode = reader.find("mode")) {
    static constexpr std::array<std::string_view, 3> kModes = {"enforce", "audit", "off"};
    const auto found = std::ranges::find(kModes, mode->text);
    if (found == kModes.end()) {
      context.out.error(mode->place, "spec.mode: " + policies::quoted(mode->text) +
                                         did_you_mean(mode->text, kModes) + ", expected " + one_of(kModes));
    } else {
      policy.mode = static_cast<Mode>(found - kModes.begin());
    }
  }
  if (!policy.host) {
    if (const YamlNode* select = reader.require("select"))
      policy.select = parse_selector(*select, "spec.select", context, true);
    if (const YamlNode* limits = reader.find("limits")) parse_limits(*limits, context, policy.limits);
    if (const YamlNode* autosize = reader.find("autosize")) parse_autosize(*autosize, context, policy);
  }
  if (const YamlNode* rules = reader.find("rules")) {
    if (rules->kind != Kind::kList) context.out.error(rules->place, "spec.rules: expected a list of rules");
    std::set<std::string> names;
    for (const YamlNode& one : rules->items) {
      auto rule = parse_rule(one, context);
      if (!rule) continue;
      if (!names.insert(rule->name).second)
        context.out.error(one.place,
                          "rule " + policies::quoted(rule->name) + ": the name is taken by an earlier rule");
      check_changes(policy, *rule, context.out);
      check_freezes(*rule, context.out);
      policy.rules.push_back(std::move(*rule));
    }
  }
  reader.finish();
  const bool sizes = policy.size_cpu || policy.size_memory;
  if (policy.limits.empty() && policy.rules.empty() && !sizes && !context.out.has_errors()) {
    context.out.warning(policy.place,
                        "policy " + policies::quoted(policy.name) + " has neither limits nor rules");
  }
}

std::optional<Policy> parse_document(const YamlNode& node, std::string_view source, Diagnostics& out) {
  if (node.kind != Kind::kMap) {
    out.error(node.place, "a policy: expected a map with apiVersion, kind, metadata and spec, got " +
                              std::string(kind_name(node.kind)));
    return std::nullopt;
  }
  Policy policy;
  policy.file = out.file();
  policy.place = node.place;
  MapReader reader(node, "a policy", out);
  const std::string version = reader.text("apiVersion");
  if (version != "plimsoll/v1")
    out.error(reader.place_of("apiVersion"),
              "apiVersion: expected plimsoll/v1, got " + policies::quoted(version));
  const std::string kind = reader.text("kind");
  if (kind != "Policy" && kind != "HostPolicy")
    out.error(reader.place_of("kind"), "kind: expected Policy or HostPolicy, got " + policies::quoted(kind));
  policy.host = kind == "HostPolicy";
  if (const YamlNode* metadata = reader.require("metadata")) {
    MapReader inside(*metadata, "metadata", out);
    policy.name = inside.text("name");
    policy.description = inside.text("description");
    inside.finish();
    const bool good =
        !policy.name.empty() && policy.name.size() <= 63 &&
        policy.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
            std::string::npos;
    if (!good)
      out.error(metadata->place, "metadata.name: expected 1 to 63 letters, digits, '.', '_' or '-', got " +
                                     policies::quoted(policy.name));
  }
  const ParseContext context{source, out, policy.host};
  if (const YamlNode* spec = reader.require("spec")) parse_spec(*spec, context, policy);
  reader.finish();
  return policy;
}

}  // namespace

std::string_view to_string(Mode mode) {
  static constexpr std::array<std::string_view, 3> kModeNames = {"enforce", "audit", "off"};
  return kModeNames[static_cast<std::size_t>(mode)];
}

std::string_view to_string(SizeMode mode) {
  static constexpr std::array<std::string_view, 3> kSizeModeNames = {"off", "recommend", "enforce"};
  return kSizeModeNames[static_cast<std::size_t>(mode)];
}

std::vector<std::string> devices_of(const PolicySet& set) {
  std::set<std::string> devices;
  for (const Policy& policy : set.policies) {
    for (const LimitValue& limit : policy.limits) {
      if (!limit.device.empty()) devices.insert(limit.device);
    }
  }
  return {devices.begin(), devices.end()};
}

LoadOutcome load_texts(const std::vector<PolicyFile>& files) {
  LoadOutcome outcome;
  auto set = std::make_shared<PolicySet>();
  bool good = true;
  std::map<std::string, std::string> seen;
  for (const PolicyFile& file : files) {
    Diagnostics out(file.name);
    for (const YamlNode& document : parse_yaml(file.text, out)) {
      if (document.kind == Kind::kNull) continue;
      auto policy = parse_document(document, file.text, out);
      if (!policy) continue;
      const auto [first, fresh] = seen.emplace(policy->name, file.name);
      if (!fresh)
        out.error(policy->place, "policy " + policies::quoted(policy->name) +
                                     ": the name is taken by one in " + first->second);
      set->policies.push_back(std::move(*policy));
    }
    good = good && !out.has_errors();
    for (Diagnostic& one : std::move(out).take()) outcome.diagnostics.push_back(std::move(one));
  }
  if (!good) return outcome;
  warn_of_ties(set->policies, outcome.diagnostics);
  std::ranges::sort(set->policies, [](const Policy& a, const Policy& b) {
    return a.priority != b.priority ? a.priority < b.priority : a.name > b.name;
  });
  outcome.set = std::move(set);
  return outcome;
}

namespace {

// Reading never waits: a FIFO or a device in the folder would hold the agent up.
Result<std::string> read_regular_file(const std::string& name) {
  constexpr std::size_t kMost = 1UL << 20;
  const UniqueFd fd(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts{};
  if (!fd || ::fstat(fd.get(), &facts) != 0) return fail_errno("read policy " + name);
  if (!S_ISREG(facts.st_mode)) return invalid("read policy " + name + ": not a regular file");
  std::string text;
  char part[16384];
  while (true) {
    const ssize_t got = ::read(fd.get(), part, sizeof part);
    if (got < 0) return fail_errno("read policy " + name);
    if (got == 0) return text;
    text.append(part, static_cast<std::size_t>(got));
    if (text.size() > kMost) return invalid("read policy " + name + ": larger than 1 MiB");
  }
}

}  // namespace

Result<std::vector<PolicyFile>> read_folder(const std::string& folder) {
  std::vector<PolicyFile> files;
  std::error_code code;
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code)) {
    const std::string extension = entry->path().extension();
    if (extension == ".yaml" || extension == ".yml") files.push_back({entry->path().string(), ""});
  }
  if (code) return fail("read policy folder " + folder + ": " + code.message());
  std::ranges::sort(files, {}, &PolicyFile::name);
  for (PolicyFile& file : files) {
    PLIMSOLL_ASSIGN(file.text, read_regular_file(file.name));
  }
  return files;
}

Result<LoadOutcome> load_folder(const std::string& folder) {
  std::error_code code;
  if (!fs::exists(folder, code)) return load_texts({});
  PLIMSOLL_ASSIGN(const auto files, read_folder(folder));
  return load_texts(files);
}

}  // namespace plimsoll::policies
