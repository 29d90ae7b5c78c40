#include "agent/container/privileges.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>

namespace plimsoll::container {
namespace {

// linux/capability.h, in the order of their numbers.
constexpr auto kCapabilities = std::to_array<std::string_view>({"CAP_CHOWN",
                                                                "CAP_DAC_OVERRIDE",
                                                                "CAP_DAC_READ_SEARCH",
                                                                "CAP_FOWNER",
                                                                "CAP_FSETID",
                                                                "CAP_KILL",
                                                                "CAP_SETGID",
                                                                "CAP_SETUID",
                                                                "CAP_SETPCAP",
                                                                "CAP_LINUX_IMMUTABLE",
                                                                "CAP_NET_BIND_SERVICE",
                                                                "CAP_NET_BROADCAST",
                                                                "CAP_NET_ADMIN",
                                                                "CAP_NET_RAW",
                                                                "CAP_IPC_LOCK",
                                                                "CAP_IPC_OWNER",
                                                                "CAP_SYS_MODULE",
                                                                "CAP_SYS_RAWIO",
                                                                "CAP_SYS_CHROOT",
                                                                "CAP_SYS_PTRACE",
                                                                "CAP_SYS_PACCT",
                                                                "CAP_SYS_ADMIN",
                                                                "CAP_SYS_BOOT",
                                                                "CAP_SYS_NICE",
                                                                "CAP_SYS_RESOURCE",
                                                                "CAP_SYS_TIME",
                                                                "CAP_SYS_TTY_CONFIG",
                                                                "CAP_MKNOD",
                                                                "CAP_LEASE",
                                                                "CAP_AUDIT_WRITE",
                                                                "CAP_AUDIT_CONTROL",
                                                                "CAP_SETFCAP",
                                                                "CAP_MAC_OVERRIDE",
                                                                "CAP_MAC_ADMIN",
                                                                "CAP_SYSLOG",
                                                                "CAP_WAKE_ALARM",
                                                                "CAP_BLOCK_SUSPEND",
                                                                "CAP_AUDIT_READ",
                                                                "CAP_PERFMON",
                                                                "CAP_BPF",
                                                                "CAP_CHECKPOINT_RESTORE"});

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

Result<std::vector<std::string>> capabilities_of(const Config& config,
                                                 const std::vector<std::string>& defaults) {
  for (const auto* list : {&config.cap_add, &config.cap_drop}) {
    for (const std::string& name : *list) {
      if (name != "ALL" && std::ranges::find(kCapabilities, name) == kCapabilities.end())
        return invalid("unknown capability: " + name);
    }
  }
  std::vector<std::string> out;
  const bool all = config.privileged || has(config.cap_add, "ALL");
  const bool none = !config.privileged && has(config.cap_drop, "ALL");
  for (const std::string_view name : kCapabilities) {
    const bool base = all || (!none && has(defaults, name));
    const bool dropped = !config.privileged && has(config.cap_drop, name);
    if ((base && !dropped) || (has(config.cap_add, name) && !dropped)) out.emplace_back(name);
  }
  return out;
}

Result<> add_device(const DeviceMapping& mapping, oci::Spec& spec) {
  struct stat about{};
  if (::stat(mapping.on_host.c_str(), &about) != 0) return fail_errno("device " + mapping.on_host);
  if (!S_ISCHR(about.st_mode) && !S_ISBLK(about.st_mode))
    return invalid("device " + mapping.on_host + ": not a device node");
  const char type = S_ISCHR(about.st_mode) ? 'c' : 'b';
  const std::int64_t major_number = major(about.st_rdev), minor_number = minor(about.st_rdev);
  spec.linux_.devices.push_back({.type = type,
                                 .path = mapping.in_container,
                                 .major = major_number,
                                 .minor = minor_number,
                                 .file_mode = about.st_mode & 07777U,
                                 .uid = about.st_uid,
                                 .gid = about.st_gid});
  if (spec.linux_.resources) {
    spec.linux_.resources->devices.push_back({.allow = true,
                                              .type = type,
                                              .major = major_number,
                                              .minor = minor_number,
                                              .access = mapping.access});
  }
  return {};
}

void make_privileged(oci::Spec& spec) {
  spec.linux_.masked_paths.clear();
  spec.linux_.readonly_paths.clear();
  spec.linux_.seccomp.reset();
  if (spec.linux_.resources) spec.linux_.resources->devices = {{.allow = true, .type = 'a', .access = "rwm"}};
  for (oci::Mount& mount : spec.mounts) {
    if (mount.destination.starts_with("/sys")) std::erase(mount.options, "ro");
  }
}

}  // namespace

Result<> set_privileges(const Config& config, oci::Spec& spec) {
  if (!spec.process) return invalid("a specification without a process");
  oci::Capabilities& capabilities =
      spec.process->capabilities ? *spec.process->capabilities : spec.process->capabilities.emplace();
  PLIMSOLL_ASSIGN(const auto names, capabilities_of(config, capabilities.bounding));
  capabilities.bounding = names;
  // Others than root get them by file capabilities or set-user-id only, as in Docker.
  const bool root = spec.process->user.uid == 0;
  capabilities.permitted = capabilities.effective = root ? names : std::vector<std::string>{};
  if (config.seccomp_unconfined) spec.linux_.seccomp.reset();
  if (config.privileged) make_privileged(spec);
  for (const DeviceMapping& device : config.devices) PLIMSOLL_TRY(add_device(device, spec));
  return {};
}

}  // namespace plimsoll::container
