// The limits that a policy may set: one table. Each has a name in the language, a control file, and one
// canonical text that stands for its value, in policies, samples and decisions alike ("50000 100000",
// "134217728", "max").
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/model/limits.h"
#include "policies/quantity.h"

namespace plimsoll::policies {

enum class FieldKind { kCores, kBytes, kCount, kSeconds, kBytesPerSecond, kFlag, kCpuList };

struct FieldInfo {
  std::string_view name;         // "cpu.max", "memory.swap"
  std::string_view file;         // "memory.swap.max"
  std::string_view description;  // one line
  FieldKind kind;
  bool may_be_max;
  double least, most;      // of the number, in the unit's base
  std::string_view unset;  // the text's beginning where nobody has set it
  bool per_device = false;
  std::string_view key = {};  // per device: "rbps" of "8:0 rbps=1048576"; empty for "8:0 50"
};

using FieldId = std::size_t;  // index into fields()
// Which limit of a cgroup: of one disk where the field is per device.
struct FieldKey {
  FieldKey(FieldId field, std::string disk = "")
      : id(field), device(std::move(disk)) {}  // NOLINT: a FieldId is one
  FieldId id;
  std::string device;  // "8:0"; a policy's own word for it where no such device is known
  auto operator<=>(const FieldKey&) const = default;
};

std::span<const FieldInfo> fields();
std::optional<FieldId> find_field(std::string_view name);
std::span<const std::string_view> field_names();
Unit unit_of(const FieldInfo& field);

// The kernel's text for a number in the unit's base: memory is rounded down to whole pages, as the kernel
// does itself.
std::string field_text(const FieldInfo& field, double value);
// The number of such a text in the unit's base; nullopt for "max".
std::optional<double> number_of(const FieldInfo& field, std::string_view text);
// The quota of a cpu.max text in seconds a period; nullopt for "max".
std::optional<double> quota_of(std::string_view cpu_max);
std::string field_max_text(const FieldInfo& field);  // "max", "max 100000"
// What the cgroup has, in the same form; nullopt where it has no such file.
std::optional<std::string> field_now(const FieldKey& key, const model::Limits& limits);
// The text to write into the field's file, and back: "8:0 rbps=1048576" for "1048576" of io.read_bps.
std::string file_text(const FieldKey& key, const std::string& value);
std::string value_in(const FieldKey& key, const std::string& text);
// As field_now() tells it, into limits that have such a file: what a replay would have read. What is no such
// text changes nothing.
void put_field(const FieldKey& key, const std::string& text, model::Limits& limits);

}  // namespace plimsoll::policies
