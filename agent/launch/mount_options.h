// The options of an OCI mount (config.md, "Mounts"), sorted by who wants them: mount attributes, recursive
// attributes, propagation, and what is left for the filesystem. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace plimsoll::launch {

// What mount_setattr(2) changes: first `clear`, then `set` (MOUNT_ATTR_*).
struct AttributeChange {
  std::uint64_t set = 0, clear = 0;
  bool empty() const { return set == 0 && clear == 0; }
  bool operator==(const AttributeChange&) const = default;
};

struct Propagation {
  std::uint64_t kind = 0;  // MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE; 0: not asked for
  bool recursive = false;
  bool operator==(const Propagation&) const = default;
};

// A filesystem's own option: "mode=755" or, without a value, "newinstance".
struct FsOption {
  std::string key, value;
  bool flag = false;
  bool operator==(const FsOption&) const = default;
};

struct MountOptions {
  bool bind = false, recursive_bind = false, remount = false, copy_up = false;
  AttributeChange attributes;            // of this mount
  AttributeChange recursive_attributes;  // of all mounts of a recursive bind ("rro")
  Propagation propagation;
  std::vector<FsOption> data;
  bool operator==(const MountOptions&) const = default;
};

// kInvalid: an option that this runtime knows of and does not carry out ("idmap").
Result<MountOptions> parse_mount_options(const std::vector<std::string>& options);
// "rshared", "slave", ...; "" is none.
Result<Propagation> parse_propagation(const std::string& text);

}  // namespace plimsoll::launch
