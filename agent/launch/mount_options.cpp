#include "agent/launch/mount_options.h"

#include <sys/mount.h>

#include <array>
#include <optional>
#include <string_view>

namespace plimsoll::launch {
namespace {

struct Attribute {
  std::string_view name;
  std::uint64_t set, clear;
};
// Each of them has a recursive twin with an 'r' before it. The access-time modes are one field of which all
// bits have to be cleared before one is set.
constexpr std::array kAttributes = {
    Attribute{"ro", MOUNT_ATTR_RDONLY, 0},
    Attribute{"rw", 0, MOUNT_ATTR_RDONLY},
    Attribute{"nosuid", MOUNT_ATTR_NOSUID, 0},
    Attribute{"suid", 0, MOUNT_ATTR_NOSUID},
    Attribute{"nodev", MOUNT_ATTR_NODEV, 0},
    Attribute{"dev", 0, MOUNT_ATTR_NODEV},
    Attribute{"noexec", MOUNT_ATTR_NOEXEC, 0},
    Attribute{"exec", 0, MOUNT_ATTR_NOEXEC},
    Attribute{"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    Attribute{"diratime", 0, MOUNT_ATTR_NODIRATIME},
    Attribute{"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    Attribute{"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    Attribute{"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    Attribute{"atime", 0, MOUNT_ATTR__ATIME},
    Attribute{"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    Attribute{"norelatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    Attribute{"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    Attribute{"nostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
};

struct NamedPropagation {
  std::string_view name;
  Propagation propagation;
};
constexpr std::array kPropagations = {
    NamedPropagation{"private", {MS_PRIVATE, false}},
    NamedPropagation{"rprivate", {MS_PRIVATE, true}},
    NamedPropagation{"slave", {MS_SLAVE, false}},
    NamedPropagation{"rslave", {MS_SLAVE, true}},
    NamedPropagation{"shared", {MS_SHARED, false}},
    NamedPropagation{"rshared", {MS_SHARED, true}},
    NamedPropagation{"unbindable", {MS_UNBINDABLE, false}},
    NamedPropagation{"runbindable", {MS_UNBINDABLE, true}},
};

// What asks for the default, or for the tools that read fstab.
constexpr std::array<std::string_view, 10> kNothing = {
    "defaults", "async", "nomand", "loud", "nolazytime", "auto", "noauto", "_netdev", "nofail", "user"};
constexpr std::array<std::string_view, 3> kNotDone = {"idmap", "ridmap", "tmpcopyup"};

const Attribute* attribute_named(std::string_view name) {
  for (const Attribute& attribute : kAttributes) {
    if (attribute.name == name) return &attribute;
  }
  return nullptr;
}

const Propagation* propagation_named(std::string_view name) {
  for (const NamedPropagation& candidate : kPropagations) {
    if (candidate.name == name) return &candidate.propagation;
  }
  return nullptr;
}

// A later option wins over an earlier one.
void apply(const Attribute& attribute, AttributeChange& change) {
  const std::uint64_t field = attribute.set | attribute.clear;
  change.set = (change.set & ~field) | attribute.set;
  // The kernel wants the whole access-time field cleared when it is set.
  change.clear = (change.clear & ~attribute.set) | attribute.clear;
  if ((attribute.clear & MOUNT_ATTR__ATIME) != 0) change.clear |= MOUNT_ATTR__ATIME;
}

template <std::size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name) {
  for (const std::string_view candidate : names) {
    if (candidate == name) return true;
  }
  return false;
}

FsOption fs_option(const std::string& option) {
  const std::size_t equals = option.find('=');
  if (equals == std::string::npos) return {.key = option, .value = "", .flag = true};
  return {.key = option.substr(0, equals), .value = option.substr(equals + 1), .flag = false};
}

}  // namespace

Result<MountOptions> parse_mount_options(const std::vector<std::string>& options) {
  MountOptions out;
  for (const std::string& option : options) {
    if (option == "bind" || option == "rbind") {
      out.bind = true;
      out.recursive_bind = option == "rbind";
    } else if (option == "remount") {
      out.remount = true;
    } else if (among(kNotDone, option) || option.starts_with("idmap=") || option.starts_with("ridmap=")) {
      return invalid("mount option '" + option + "' is not supported");
    } else if (const Attribute* plain = attribute_named(option)) {
      apply(*plain, out.attributes);
    } else if (const Propagation* propagation = propagation_named(option)) {
      out.propagation = *propagation;
    } else if (const Attribute* recursive =
                   option.starts_with('r') ? attribute_named(std::string_view(option).substr(1)) : nullptr) {
      apply(*recursive, out.recursive_attributes);
    } else if (!option.empty() && !among(kNothing, option)) {
      out.data.push_back(fs_option(option));
    }
  }
  return out;
}

Result<Propagation> parse_propagation(const std::string& text) {
  if (text.empty()) return Propagation{};
  if (const Propagation* known = propagation_named(text)) return *known;
  return invalid("'" + text +
                 "' is not a mount propagation: expected private, slave, shared, unbindable or "
                 "one of them with an 'r' before it");
}

}  // namespace plimsoll::launch
