// What may stand where in a policy file: one table, which the loader takes its keys from and the JSON Schema
// is made of. A key that is not in it does not exist.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "policies/field.h"

namespace plimsoll::policies {

// The maps of a policy file.
enum class MapId : std::uint8_t {
  kPolicy,
  kHostPolicy,
  kMetadata,
  kSpec,
  kHostSpec,
  kSelect,
  kExcept,
  kLimits,
  kCpu,
  kMemory,
  kPids,
  kIo,
  kRule,
  kHostRule,
  kSet,
  kKill,
  kHostKill,
  kEnd,
  kHostEnd,
  kVictim,
  kAutosize,
  kSizeCpu,
  kSizeMemory,
};
inline constexpr std::size_t kMapCount = static_cast<std::size_t>(MapId::kSizeMemory) + 1;
std::string_view name_of(MapId map);         // "HostPolicy", "select"
std::string_view description_of(MapId map);  // one line

// What a key's value looks like.
enum class Shape : std::uint8_t {
  kText,
  kName,   // of a policy
  kWord,   // one of Key::words
  kWords,  // one of them or a list of them
  kPriority,
  kFlag,
  kDuration,  // 0s is one
  kPositiveDuration,
  kCondition,
  kTexts,   // a glob or a list of them
  kLabels,  // a map of any key to kTexts
  kMap,
  kMaps,  // a list of Key::map
  kSteps,
  kHostSteps,
  kProcessSignal,  // TERM
  kDevice,
  kLimit,       // a fixed value of Key::field
  kBound,       // a fixed value of Key::field that is not max
  kSetting,     // what a `set` may write into Key::field
  kPercentile,  // 1 to 100
  kShare,       // 15%
  kTemplate,
  kAmount,  // bytes, or an expression that gives them
  kDrift,
  kNothing,  // no value
};

struct Key {
  std::string_view name;
  Shape shape = Shape::kText;
  std::string_view description = {};
  bool required = false;
  std::span<const std::string_view> words = {};
  MapId map = MapId::kPolicy;  // of kMap and kMaps
  FieldId field = 0;           // of kLimit and kSetting
  bool refused = false;        // known only to say why it cannot stand here
};
// In the order in which errors name them.
std::span<const Key> keys_of(MapId map);
// Of these keys of the map there must be exactly one; empty where it has none of the kind.
std::span<const std::string_view> one_key_of(MapId map);

// The actions of a ladder, as keys of a map with one entry.
struct Action {
  Key key;
  bool host = false;   // a HostPolicy may do it
  bool alone = false;  // "- thaw" needs no value
};
std::span<const Action> actions();
std::span<const std::string_view> action_names();

std::span<const std::string_view> mode_words();       // in the order of Mode
std::span<const std::string_view> size_mode_words();  // in the order of SizeMode
std::span<const std::string_view> seek_words();
std::span<const std::string_view> runtime_words();  // those that `select.runtimes` takes

}  // namespace plimsoll::policies
