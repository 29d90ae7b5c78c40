#include "agent/launch/capabilities.h"

#include <array>

namespace plimsoll::launch {
namespace {

// In the order of linux/capability.h.
constexpr std::array<std::string_view, 41> kNames = {"CHOWN",
                                                     "DAC_OVERRIDE",
                                                     "DAC_READ_SEARCH",
                                                     "FOWNER",
                                                     "FSETID",
                                                     "KILL",
                                                     "SETGID",
                                                     "SETUID",
                                                     "SETPCAP",
                                                     "LINUX_IMMUTABLE",
                                                     "NET_BIND_SERVICE",
                                                     "NET_BROADCAST",
                                                     "NET_ADMIN",
                                                     "NET_RAW",
                                                     "IPC_LOCK",
                                                     "IPC_OWNER",
                                                     "SYS_MODULE",
                                                     "SYS_RAWIO",
                                                     "SYS_CHROOT",
                                                     "SYS_PTRACE",
                                                     "SYS_PACCT",
                                                     "SYS_ADMIN",
                                                     "SYS_BOOT",
                                                     "SYS_NICE",
                                                     "SYS_RESOURCE",
                                                     "SYS_TIME",
                                                     "SYS_TTY_CONFIG",
                                                     "MKNOD",
                                                     "LEASE",
                                                     "AUDIT_WRITE",
                                                     "AUDIT_CONTROL",
                                                     "SETFCAP",
                                                     "MAC_OVERRIDE",
                                                     "MAC_ADMIN",
                                                     "SYSLOG",
                                                     "WAKE_ALARM",
                                                     "BLOCK_SUSPEND",
                                                     "AUDIT_READ",
                                                     "PERFMON",
                                                     "BPF",
                                                     "CHECKPOINT_RESTORE"};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

Result<std::uint64_t> bits(const std::vector<std::string>& names, std::string_view set) {
  std::uint64_t out = 0;
  for (const std::string& name : names) {
    auto bit = capability_bit(name);
    if (!bit) return std::unexpected(std::move(bit).error().in("process.capabilities." + std::string(set)));
    out |= *bit;
  }
  return out;
}

}  // namespace

Result<std::uint64_t> capability_bit(std::string_view name) {
  const std::string wanted = upper(name);
  std::string_view bare = wanted;
  if (bare.starts_with("CAP_")) bare.remove_prefix(4);
  for (std::size_t number = 0; number < kNames.size(); ++number) {
    if (kNames[number] == bare) return std::uint64_t{1} << number;
  }
  return invalid("unknown capability '" + std::string(name) + "'");
}

Result<CapabilitySets> capability_sets(const oci::Capabilities& capabilities) {
  CapabilitySets sets;
  PLIMSOLL_ASSIGN(sets.bounding, bits(capabilities.bounding, "bounding"));
  PLIMSOLL_ASSIGN(sets.effective, bits(capabilities.effective, "effective"));
  PLIMSOLL_ASSIGN(sets.inheritable, bits(capabilities.inheritable, "inheritable"));
  PLIMSOLL_ASSIGN(sets.permitted, bits(capabilities.permitted, "permitted"));
  PLIMSOLL_ASSIGN(sets.ambient, bits(capabilities.ambient, "ambient"));
  if ((sets.effective & ~sets.permitted) != 0) {
    return invalid("process.capabilities.effective: has capabilities that are not in permitted");
  }
  if ((sets.ambient & ~(sets.permitted & sets.inheritable)) != 0) {
    return invalid(
        "process.capabilities.ambient: has capabilities that are not both permitted and inheritable");
  }
  return sets;
}

}  // namespace plimsoll::launch
