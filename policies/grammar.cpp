#include "policies/grammar.h"

#include <algorithm>
#include <array>
#include <vector>

#include "policies/signal.h"

namespace plimsoll::policies {
namespace {

using Words = std::span<const std::string_view>;
constexpr std::array<std::string_view, 1> kVersions = {"plimsoll/v1"};
constexpr std::array<std::string_view, 1> kPolicyKind = {"Policy"};
constexpr std::array<std::string_view, 1> kHostPolicyKind = {"HostPolicy"};
constexpr std::array<std::string_view, 3> kModeWords = {"enforce", "audit", "off"};
constexpr std::array<std::string_view, 6> kRuntimeWords = {"plimsoll",   "docker", "podman",
                                                           "containerd", "crio",   "systemd"};

constexpr std::array<std::string_view, 3> kSizeModeWords = {"off", "recommend", "enforce"};
constexpr std::array<std::string_view, 2> kSeekWords = {"usage", "pressure"};

struct MapInfo {
  std::string_view name, description;
};
// In the order of MapId.
constexpr std::array<MapInfo, kMapCount> kMapInfos = {{
    {"Policy", "What holds for the containers that it selects"},
    {"HostPolicy", "What is done when the host as a whole is in need"},
    {"metadata", "What the policy is called"},
    {"spec", "Whom the policy is for, what is held and what is done"},
    {"hostSpec", "What is done for the host"},
    {"select", "All given keys must match; the alternatives inside a key are any-of"},
    {"except", "Whom of the selected it is not for"},
    {"limits", "Held continuously; drift is corrected"},
    {"cpu", "CPU limits"},
    {"memory", "Memory limits; a percentage is of max"},
    {"pids", "Limits of threads and processes"},
    {"io", "Limits of one disk"},
    {"rule", "Acts when its condition holds"},
    {"hostRule", "Acts when its condition holds for the host"},
    {"set", "Limits to set while the rule is active"},
    {"kill", "Ends the container"},
    {"hostKill", "Ends the container that is chosen"},
    {"end", "Stops or restarts the container"},
    {"hostEnd", "Stops or restarts the container that is chosen"},
    {"victim", "Which container it is"},
    {"autosize", "Limits that are found by watching"},
    {"sizeCpu", "How cpu.max is found"},
    {"sizeMemory", "How memory.max is found, or memory is squeezed"},
}};

Key map_key(std::string_view name, MapId map, std::string_view description, bool required = false) {
  return {.name = name, .shape = Shape::kMap, .description = description, .required = required, .map = map};
}
Key word_key(std::string_view name, Words words, std::string_view description, bool required) {
  return {
      .name = name, .shape = Shape::kWord, .description = description, .required = required, .words = words};
}

std::vector<Key> document_keys(Words kind, MapId spec) {
  return {word_key("apiVersion", kVersions, "The version of the policy language", true),
          word_key("kind", kind, "Policy: of containers; HostPolicy: of the host", true),
          map_key("metadata", MapId::kMetadata, description_of(MapId::kMetadata), true),
          map_key("spec", spec, description_of(spec), true)};
}

std::vector<Key> metadata_keys() {
  return {{"name", Shape::kName, "1 to 63 letters, digits, '.', '_' or '-'; no two policies share one", true},
          {"description", Shape::kText, "What it is for, in a sentence"}};
}

std::vector<Key> spec_keys(bool host) {
  std::vector<Key> keys = {
      {"priority", Shape::kPriority, "Where two policies set one field, the higher one wins"},
      word_key("mode", kModeWords, "enforce; audit: decide and report, touch nothing; off", false)};
  if (!host) {
    keys.push_back({"drift", Shape::kDrift, "Where somebody else writes a limit that is held"});
    keys.push_back(map_key("select", MapId::kSelect, "The containers that it is for", true));
    keys.push_back(map_key("limits", MapId::kLimits, description_of(MapId::kLimits)));
    keys.push_back(map_key("autosize", MapId::kAutosize, description_of(MapId::kAutosize)));
  }
  keys.push_back({.name = "rules",
                  .shape = Shape::kMaps,
                  .description = "What is done when a condition holds",
                  .map = host ? MapId::kHostRule : MapId::kRule});
  return keys;
}

std::vector<Key> select_keys(bool except) {
  std::vector<Key> keys = {
      {"labels", Shape::kLabels, "Labels and the values that they may have"},
      {"names", Shape::kTexts, "Names of containers, such as \"web-*\""},
      {"images", Shape::kTexts, "Images, such as \"registry.local/web:*\""},
      {"cgroups", Shape::kTexts, "Paths below the cgroup root, such as \"/system.slice/*.service\""},
      {"namespaces", Shape::kTexts, "Kubernetes namespaces"},
      {"runtimes", Shape::kWords, "Whose containers; without it Plimsoll's own", false, kRuntimeWords}};
  if (!except) keys.push_back(map_key("except", MapId::kExcept, description_of(MapId::kExcept)));
  return keys;
}

std::vector<Key> limits_keys() {
  std::vector<Key> keys;
  for (const MapId map : {MapId::kCpu, MapId::kMemory, MapId::kPids}) {
    keys.push_back(map_key(name_of(map), map, description_of(map)));
  }
  keys.push_back(
      {.name = "io", .shape = Shape::kMaps, .description = "Limits of each disk", .map = MapId::kIo});
  return keys;
}

// "max" of "cpu.max" and its like.
std::vector<Key> field_keys(MapId group) {
  std::vector<Key> keys;
  if (group == MapId::kIo)
    keys.push_back({"device", Shape::kDevice, "/dev/vda, 8:0 or a mounted folder", true});
  for (FieldId id = 0; id < fields().size(); ++id) {
    const FieldInfo& field = fields()[id];
    const auto dot = field.name.find('.');
    if (field.name.substr(0, dot) != name_of(group)) continue;
    keys.push_back({.name = field.name.substr(dot + 1),
                    .shape = Shape::kLimit,
                    .description = field.description,
                    .field = id});
  }
  return keys;
}

std::vector<Key> rule_keys(bool host) {
  return {{"name", Shape::kText, "Of the rule; no two rules of a policy share one", true},
          {"when", Shape::kCondition, "The condition under which it acts", true},
          {"then", host ? Shape::kHostSteps : Shape::kSteps, "What is done, step by step", true},
          {"until", Shape::kCondition, "The condition under which what it set is put back"},
          {"cooldown", Shape::kPositiveDuration, "How long it rests before it acts again"}};
}

// A `set` has no place for the disk.
std::vector<Key> set_keys() {
  std::vector<Key> keys = {
      {"force", Shape::kFlag, "Set memory.max below current use without reclaiming first"}};
  for (FieldId id = 0; id < fields().size(); ++id) {
    const FieldInfo& field = fields()[id];
    if (field.per_device) continue;
    keys.push_back(
        {.name = field.name, .shape = Shape::kSetting, .description = field.description, .field = id});
  }
  return keys;
}

Key victim_key(bool host) {
  Key victim = map_key("victim", MapId::kVictim, description_of(MapId::kVictim), host);
  victim.refused = !host;
  return victim;
}

std::vector<Key> kill_keys(bool host) {
  std::vector<Key> keys = {{"signal", Shape::kProcessSignal, "TERM unless said otherwise"},
                           {"grace", Shape::kDuration, "How long until KILL; 10s unless said otherwise"}};
  keys.push_back(victim_key(host));
  return keys;
}

std::vector<Key> end_keys(bool host) {
  return {{"grace", Shape::kDuration, "How long until KILL; the container's own unless said otherwise"},
          victim_key(host)};
}

std::vector<Key> victim_keys() {
  return {map_key("among", MapId::kSelect, "The containers that may be chosen", true),
          word_key("most", container_signal_names(), "The one with the most of this signal is chosen", false),
          word_key("least", container_signal_names(), "The one with the least of it is chosen", false),
          map_key("prefer", MapId::kExcept, "These come first, whatever their values"),
          map_key("avoid", MapId::kExcept, "These come last, whatever their values")};
}

std::vector<Key> autosize_keys() {
  return {map_key("cpu", MapId::kSizeCpu, description_of(MapId::kSizeCpu)),
          map_key("memory", MapId::kSizeMemory, description_of(MapId::kSizeMemory))};
}

std::vector<Key> size_keys(bool memory) {
  const FieldId field = *find_field(memory ? "memory.max" : "cpu.max");
  std::vector<Key> keys = {word_key("mode", kSizeModeWords, "off; recommend: only tell; enforce", false)};
  if (memory) {
    keys.push_back(word_key("seek", kSeekWords, "What is aimed at: what was used, or a pressure", false));
    keys.push_back({"pressure", Shape::kShare, "The share of time that it may wait for memory"});
  }
  keys.push_back({"percentile", Shape::kPercentile, "Which percentile of what was used is enough"});
  keys.push_back({"half_life", Shape::kDuration, "After how long what was seen counts half"});
  keys.push_back({"margin", Shape::kShare, "What is added to be safe"});
  keys.push_back({.name = "min", .shape = Shape::kBound, .description = "Never less", .field = field});
  keys.push_back({.name = "max", .shape = Shape::kBound, .description = "Never more", .field = field});
  return keys;
}

std::vector<Key> make_keys(MapId map) {
  switch (map) {
    case MapId::kPolicy:
      return document_keys(kPolicyKind, MapId::kSpec);
    case MapId::kHostPolicy:
      return document_keys(kHostPolicyKind, MapId::kHostSpec);
    case MapId::kMetadata:
      return metadata_keys();
    case MapId::kSpec:
    case MapId::kHostSpec:
      return spec_keys(map == MapId::kHostSpec);
    case MapId::kSelect:
    case MapId::kExcept:
      return select_keys(map == MapId::kExcept);
    case MapId::kLimits:
      return limits_keys();
    case MapId::kRule:
    case MapId::kHostRule:
      return rule_keys(map == MapId::kHostRule);
    case MapId::kSet:
      return set_keys();
    case MapId::kKill:
    case MapId::kHostKill:
      return kill_keys(map == MapId::kHostKill);
    case MapId::kEnd:
    case MapId::kHostEnd:
      return end_keys(map == MapId::kHostEnd);
    case MapId::kVictim:
      return victim_keys();
    case MapId::kAutosize:
      return autosize_keys();
    case MapId::kSizeCpu:
    case MapId::kSizeMemory:
      return size_keys(map == MapId::kSizeMemory);
    default:
      return field_keys(map);
  }
}

const std::array kActionTable = {
    Action{.key = map_key("set", MapId::kSet, "Set limits of the container")},
    Action{.key = {"freeze", Shape::kPositiveDuration, "Stop all its processes, for this long"},
           .alone = true},
    Action{.key = {"thaw", Shape::kNothing, "Let frozen processes go on"}, .alone = true},
    Action{.key = map_key("kill", MapId::kKill, "End the container: a signal, then KILL"), .host = true},
    Action{.key = map_key("stop", MapId::kEnd, "Stop one of Plimsoll's own containers, for good"),
           .host = true,
           .alone = true},
    Action{.key = map_key("restart", MapId::kEnd, "Restart one of Plimsoll's own containers"),
           .host = true,
           .alone = true},
    Action{.key = {"reclaim", Shape::kAmount, "Take away memory that is not in use: as much, or less"}},
    Action{
        .key = {"notify", Shape::kTemplate, "Tell people; {{container.name}} and {{SIGNAL}} are filled in"},
        .host = true},
    Action{.key = {"wait", Shape::kPositiveDuration, "Go on only if the condition still holds after this"},
           .host = true},
};

}  // namespace

std::string_view name_of(MapId map) { return kMapInfos[static_cast<std::size_t>(map)].name; }
std::string_view description_of(MapId map) { return kMapInfos[static_cast<std::size_t>(map)].description; }

std::span<const Key> keys_of(MapId map) {
  static const auto all = [] {
    std::array<std::vector<Key>, kMapCount> tables;
    for (std::size_t i = 0; i < kMapCount; ++i) tables[i] = make_keys(static_cast<MapId>(i));
    return tables;
  }();
  return all[static_cast<std::size_t>(map)];
}

std::span<const std::string_view> one_key_of(MapId map) {
  static constexpr std::array<std::string_view, 2> kOfVictim = {"most", "least"};
  if (map == MapId::kVictim) return kOfVictim;
  return {};
}

std::span<const Action> actions() { return kActionTable; }

std::span<const std::string_view> action_names() {
  static const auto names = [] {
    std::array<std::string_view, kActionTable.size()> out;
    std::ranges::transform(kActionTable, out.begin(), [](const Action& one) { return one.key.name; });
    return out;
  }();
  return names;
}

std::span<const std::string_view> mode_words() { return kModeWords; }
std::span<const std::string_view> size_mode_words() { return kSizeModeWords; }
std::span<const std::string_view> seek_words() { return kSeekWords; }
std::span<const std::string_view> runtime_words() { return kRuntimeWords; }

}  // namespace plimsoll::policies
