#include "agent/launch/plan_checks.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace plimsoll::launch {
namespace {

// What lxcfs and friends replace. Everything else below /proc could lead a later write elsewhere
// (CVE-2019-16884, CVE-2025-52881).
constexpr std::array<std::string_view, 12> kReplaceable = {"/proc/cpuinfo",
                                                           "/proc/diskstats",
                                                           "/proc/meminfo",
                                                           "/proc/stat",
                                                           "/proc/swaps",
                                                           "/proc/uptime",
                                                           "/proc/loadavg",
                                                           "/proc/slabinfo",
                                                           "/proc/net/dev",
                                                           "/proc/sys/kernel/ns_last_pid",
                                                           "/proc/sys/crypto/fips_enabled",
                                                           "/proc/vmstat"};

constexpr std::array<std::string_view, 9> kIpcSysctls = {
    "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni",          "kernel.sem", "kernel.shmall",
    "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced", "fs.mqueue."};

bool own(const NamespacePlan& namespaces, std::uint64_t flag) { return (namespaces.all & flag) != 0; }

}  // namespace

Result<> check_mount(const RootStep& step) {
  const auto* made = std::get_if<MountFilesystem>(&step);
  const auto* bound = std::get_if<BindMount>(&step);
  if (made == nullptr && bound == nullptr) return {};
  const std::string& destination = made != nullptr ? made->destination : bound->destination;
  if (destination == "/") return invalid("destination: '/' is the root itself");
  if (destination == "/proc" && made != nullptr && made->type != "proc") {
    return invalid("destination: /proc takes a procfs only");
  }
  if (destination.starts_with("/proc/") &&
      std::ranges::find(kReplaceable, destination) == kReplaceable.end()) {
    return invalid("destination: " + destination + " is inside /proc");
  }
  return {};
}

Result<> check_names(const oci::Spec& spec, const NamespacePlan& namespaces) {
  if (own(namespaces, CLONE_NEWUTS)) return {};
  if (!spec.hostname.empty()) return invalid("hostname: wants a UTS namespace, or it would rename the host");
  if (!spec.domainname.empty())
    return invalid("domainname: wants a UTS namespace, or it would rename the host");
  return {};
}

Result<std::string> sysctl_path(const std::string& name, const NamespacePlan& namespaces) {
  const std::string place = "linux.sysctl[" + name + "]";
  // sysctl(8): either separator may be first, and then the other one stands for itself.
  std::string dotted = name;
  const std::size_t first = name.find_first_of("./");
  const bool slashes = first != std::string::npos && name[first] == '/';
  for (char& c : dotted) {
    if (slashes && (c == '/' || c == '.')) c = c == '/' ? '.' : '/';
  }
  if (first == std::string::npos || dotted.find("..") != std::string::npos || dotted.starts_with('.') ||
      dotted.ends_with('.')) {
    return invalid(place + ": is not the name of a sysctl");
  }
  const bool ipc = std::ranges::any_of(kIpcSysctls, [&](std::string_view known) {
    return known.ends_with('.') ? dotted.starts_with(known) : dotted == known;
  });
  const bool uts = dotted == "kernel.hostname" || dotted == "kernel.domainname";
  const bool net = dotted.starts_with("net.");
  if ((ipc && !own(namespaces, CLONE_NEWIPC)) || (uts && !own(namespaces, CLONE_NEWUTS)) ||
      (net && !own(namespaces, CLONE_NEWNET))) {
    return invalid(place + ": belongs to a namespace that this container shares with the host");
  }
  if (!ipc && !uts && !net) return invalid(place + ": is not in a namespace, it would change the host");
  for (char& c : dotted) {
    if (c == '.' || c == '/') c = c == '.' ? '/' : '.';
  }
  return dotted;
}

Result<std::string> cgroup_path(const std::string& asked, const std::string& id) {
  if (asked.empty()) return "/plimsoll-runtime/" + id;
  if (!asked.starts_with('/')) {
    return invalid("linux.cgroupsPath: expected an absolute path below the cgroup mount, got '" + asked +
                   "'");
  }
  std::string clean = clean_path(asked);
  if (clean == "/") return invalid("linux.cgroupsPath: a container cannot live in the root cgroup");
  return clean;
}

Result<> check_environment(const oci::Process& process) {
  for (const std::string& entry : process.env) {
    const std::size_t equals = entry.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return invalid("process.env: expected NAME=VALUE, got '" + entry.substr(0, 60) + "'");
    }
  }
  return {};
}

Result<> check_id(const std::string& id) {
  constexpr std::size_t kMost = 1024;
  const bool good = std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '+' || c == '-' || c == '.';
  });
  if (!good || id.empty() || id.size() > kMost || id == "." || id == "..") {
    return invalid("container id '" + id.substr(0, 60) +
                   "': expected 1 to 1024 letters, digits, '_', '+', '-' or '.'");
  }
  return {};
}

}  // namespace plimsoll::launch
