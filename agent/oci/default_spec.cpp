// Docker's defaults for a container (moby: oci/defaults.go, 28.x), as a specification.
#include "agent/oci/spec.h"

namespace plimsoll::oci {
namespace {

std::vector<Mount> default_mounts() {
  return {
      {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
      {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
      {"/dev/pts",
       "devpts",
       "devpts",
       {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
      {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
      {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
      {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
      {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}},
  };
}

Capabilities default_capabilities() {
  const std::vector<std::string> names = {
      "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",     "CAP_FOWNER",           "CAP_MKNOD",
      "CAP_NET_RAW", "CAP_SETGID",       "CAP_SETUID",     "CAP_SETFCAP",          "CAP_SETPCAP",
      "CAP_KILL",    "CAP_AUDIT_WRITE",  "CAP_SYS_CHROOT", "CAP_NET_BIND_SERVICE",
  };
  // Inheritable stays empty: CVE-2022-24769.
  return {.bounding = names, .effective = names, .inheritable = {}, .permitted = names, .ambient = {}};
}

// Nothing but the nodes that every container has; making nodes is allowed, using them is not.
std::vector<DeviceRule> default_device_rules() {
  std::vector<DeviceRule> rules = {
      {.allow = false, .type = 'a', .access = "rwm"},
      {.allow = true, .type = 'c', .access = "m"},
      {.allow = true, .type = 'b', .access = "m"},
  };
  const auto allow = [&rules](std::int64_t major, std::optional<std::int64_t> minor) {
    rules.push_back({.allow = true, .type = 'c', .major = major, .minor = minor, .access = "rwm"});
  };
  for (const std::int64_t minor : {3, 5, 7, 8, 9}) allow(1, minor);  // null zero full random urandom
  allow(5, 0);                                                       // tty
  allow(5, 1);                                                       // console
  allow(5, 2);                                                       // ptmx
  allow(136, std::nullopt);                                          // pts
  return rules;
}

}  // namespace

Spec default_spec() {
  Spec spec;
  spec.oci_version = "1.0.2";
  Process& process = spec.process.emplace();
  process.cwd = "/";
  process.capabilities = default_capabilities();
  spec.root.path = "rootfs";
  spec.mounts = default_mounts();
  for (const NamespaceType type : {NamespaceType::kMount, NamespaceType::kNetwork, NamespaceType::kUts,
                                   NamespaceType::kPid, NamespaceType::kIpc, NamespaceType::kCgroup}) {
    spec.linux_.namespaces.push_back({type, ""});
  }
  spec.linux_.resources.emplace().devices = default_device_rules();
  spec.linux_.masked_paths = {"/proc/asound",     "/proc/acpi",        "/proc/interrupts",
                              "/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
                              "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                              "/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap"};
  spec.linux_.readonly_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  spec.linux_.seccomp = default_seccomp();
  return spec;
}

}  // namespace plimsoll::oci
