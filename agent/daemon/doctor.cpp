#include "agent/daemon/doctor.h"

#include <fmt/format.h>
#include <linux/capability.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/base/units.h"
#include "agent/kernel/file.h"

namespace plimsoll::daemon {
namespace {

using nlohmann::json;

struct Version {
  int major = 0, minor = 0;
  auto operator<=>(const Version&) const = default;
};

struct KernelNeed {
  Version since;
  const char* feature;
  Health without;
};
constexpr std::array kKernelNeeds = {
    KernelNeed{{5, 7}, "start inside a cgroup (clone3)", Health::kBad},
    KernelNeed{{5, 8}, "paths that cannot leave a container's root (openat2)", Health::kBad},
    KernelNeed{{5, 14}, "cgroup.kill", Health::kBad},
    KernelNeed{{5, 19}, "memory.peak", Health::kLimited},
    KernelNeed{{6, 1}, "all of it as tested", Health::kLimited},
};

struct ControllerNeed {
  const char* name;
  const char* lost;
  Health without;
};
constexpr std::array kControllers = {
    ControllerNeed{"cpu", "CPU limits and weights", Health::kBad},
    ControllerNeed{"memory", "memory limits, usage and OOM counts", Health::kBad},
    ControllerNeed{"pids", "limits on processes", Health::kLimited},
    ControllerNeed{"io", "I/O limits and counts", Health::kLimited},
    ControllerNeed{"cpuset", "pinning to CPUs", Health::kLimited},
};

struct Capability {
  int bit;
  const char* name;
  const char* for_what;
  Health without;
};
constexpr std::array kCapabilities = {
    Capability{CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "mounts and namespaces", Health::kBad},
    Capability{CAP_SETUID, "CAP_SETUID", "containers' users", Health::kBad},
    Capability{CAP_KILL, "CAP_KILL", "signals to containers", Health::kBad},
    Capability{CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "counts of open files and sockets", Health::kLimited},
    Capability{CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE",
               "pressure windows shorter than 2 s, and rlimits above the agent's own", Health::kLimited},
    Capability{CAP_NET_ADMIN, "CAP_NET_ADMIN", "containers' networks", Health::kLimited},
};

Finding kernel_version(const std::string& text) {
  Version version;
  if (std::sscanf(text.c_str(), "%d.%d", &version.major, &version.minor) != 2) {
    return {"kernel", Health::kBad, "its version '" + text + "' cannot be read", "mount procfs at /proc"};
  }
  std::string lost;
  Health health = Health::kGood;
  for (const KernelNeed& need : kKernelNeeds) {
    if (version >= need.since) continue;
    health = std::max(health, need.without);
    lost += fmt::format("{}{} ({}.{})", lost.empty() ? "" : ", ", need.feature, need.since.major,
                        need.since.minor);
  }
  if (lost.empty()) return {"kernel", health, text, ""};
  return {"kernel", health, text + " lacks " + lost, "use a kernel of 6.1 or newer"};
}

void examine_cgroups(const kernel::HostRoots& roots, const model::HostFacts& facts,
                     std::vector<Finding>& out) {
  if (facts.cgroup_mount.empty()) {
    out.push_back({"cgroup v2", Health::kBad, "not mounted",
                   "boot with systemd.unified_cgroup_hierarchy=1, or mount -t cgroup2 none /sys/fs/cgroup"});
    return;
  }
  out.push_back({"cgroup v2", Health::kGood, "mounted at " + facts.cgroup_mount, ""});
  // proc(5), /proc/cgroups: name, hierarchy, number of cgroups, enabled. A hierarchy other than 0 is a v1
  // one.
  const std::string list = kernel::read_file(roots.proc + "/cgroups").value_or("");
  for (const ControllerNeed& need : kControllers) {
    const std::string subject = std::string("controller ") + need.name;
    if (std::ranges::find(facts.controllers, need.name) != facts.controllers.end()) {
      out.push_back({subject, Health::kGood, "available", ""});
      continue;
    }
    unsigned hierarchy = 0, enabled = 1;
    const auto line = ("\n" + list).find("\n" + std::string(need.name) + "\t");
    if (line != std::string::npos) {
      std::sscanf(list.c_str() + line, "%*s %u %*u %u", &hierarchy, &enabled);
    }
    const std::string lost = std::string("no ") + need.lost;
    if (hierarchy != 0) {
      out.push_back({subject, need.without, "held by cgroup v1: " + lost,
                     "boot with cgroup_no_v1=all (systemd.unified_cgroup_hierarchy=1)"});
    } else if (enabled == 0) {
      out.push_back({subject, need.without, "switched off: " + lost,
                     fmt::format("boot with cgroup_enable={}", need.name)});
    } else {
      out.push_back({subject, need.without, "missing: " + lost, "use a kernel that has it built in"});
    }
  }
}

Finding pressure(const model::HostFacts& facts) {
  if (facts.psi) return {"pressure (PSI)", Health::kGood, "available", ""};
  return {"pressure (PSI)", Health::kLimited, "off: no pressure signals, and rules that use them never fire",
          "boot with psi=1"};
}

Finding filesystem(const kernel::HostRoots& roots) {
  const std::string list = kernel::read_file(roots.proc + "/filesystems").value_or("");
  if (list.find("\toverlay\n") != std::string::npos) return {"overlayfs", Health::kGood, "available", ""};
  return {"overlayfs", Health::kLimited,
          "not loaded; the kernel loads it on first use where it has the module", "modprobe overlay"};
}

void examine_privileges(const Privileges& privileges, std::vector<Finding>& out) {
  std::string lost;
  Health health = Health::kGood;
  for (const Capability& one : kCapabilities) {
    if ((privileges.capabilities >> one.bit & 1U) != 0) continue;
    health = std::max(health, one.without);
    lost += fmt::format("{}{} ({})", lost.empty() ? "" : ", ", one.name, one.for_what);
  }
  out.push_back({"privileges", health, lost.empty() ? "all that is needed" : "missing " + lost,
                 lost.empty() ? "" : "run the agent as root, with these capabilities"});
  constexpr std::uint64_t kEnoughFiles = 65'536;
  const bool enough = privileges.open_files >= kEnoughFiles;
  out.push_back(
      {"open files", enough ? Health::kGood : Health::kLimited,
       fmt::format("at most {}{}", privileges.open_files,
                   enough ? "" : ": files of many containers are opened anew for each sample"),
       enough ? "" : fmt::format("ulimit -n {}, or LimitNOFILE= of the agent's unit", kEnoughFiles)});
  out.push_back(privileges.has_runtime_binary
                    ? Finding{"launcher", Health::kGood, privileges.runtime_binary, ""}
                    : Finding{"launcher", Health::kBad, privileges.runtime_binary + " is not there",
                              "install plimsoll-runtime beside plimsoll"});
}

Finding inotify(const kernel::HostRoots& roots) {
  const std::string text = kernel::read_file(roots.proc + "/sys/fs/inotify/max_user_watches").value_or("");
  const auto watches = parse_u64(std::string_view(text).substr(0, text.find('\n')));
  constexpr std::uint64_t kEnough = 65'536;
  if (!watches || *watches >= kEnough) {
    return {"inotify", Health::kGood, watches ? fmt::format("{} watches", *watches) : "no bound told", ""};
  }
  return {"inotify", Health::kLimited,
          fmt::format("only {} watches: beyond, containers are seen at the next walk", *watches),
          fmt::format("sysctl fs.inotify.max_user_watches={}", kEnough)};
}

// Only what found no room in a map is a matter of the maps' size.
std::string remedy_of(const json& probe) {
  if (probe.value("lost", std::uint64_t{0}) == 0) return "";
  if (probe.value("lost_map_full", std::uint64_t{0}) > 0) return "raise --probe-containers or --probe-cells";
  return "plimsoll_probe_lost_total says why";
}

Finding examine_target(const json& target) {
  const auto count = [&](const char* key) { return target.value(key, std::uint64_t{0}); };
  Finding finding{"target " + target.value("name", ""), Health::kGood,
                  fmt::format("{} at {}: {} sent, {} waiting, {} given up", target.value("kind", ""),
                              target.value("where", ""), count("sent"), count("pending"),
                              count("failed") + count("dropped")),
                  ""};
  const std::string error = target.value("last_error", "");
  if (error.empty()) return finding;
  finding.health = Health::kLimited;
  finding.found += "; the last try failed: " + error;
  finding.remedy = "mend what it says, or the target's document; what waits is tried again for an hour";
  return finding;
}

}  // namespace

std::string_view to_string(Health health) {
  constexpr std::array<std::string_view, 3> kWords = {"good", "limited", "bad"};
  return kWords[static_cast<std::size_t>(health)];
}

std::vector<Finding> examine_host(const kernel::HostRoots& roots, const model::HostFacts& facts,
                                  const Privileges& privileges) {
  std::vector<Finding> out = {kernel_version(facts.kernel_version)};
  examine_cgroups(roots, facts, out);
  out.push_back(pressure(facts));
  out.push_back(filesystem(roots));
  out.push_back(inotify(roots));
  examine_privileges(privileges, out);
  return out;
}

std::vector<Finding> examine_agent(const std::string& health, const std::string& policies) {
  std::vector<Finding> out;
  const json told = json::parse(health, nullptr, false);
  if (!told.is_object()) return {{"agent", Health::kBad, "its answer cannot be read", "restart the agent"}};
  const bool healthy = told.value("healthy", false);
  out.push_back({"agent", healthy ? Health::kGood : Health::kBad,
                 fmt::format("{} containers watched, last sample {:.1f} s ago", told.value("containers", 0),
                             told.value("sample_age_seconds", 0.0)),
                 healthy ? "" : "its loop stands still: look at its log, restart it (containers go on)"});
  if (told.value("paused", false)) {
    out.push_back({"enforcement", Health::kLimited, "paused", "plimsoll pause --resume"});
  }
  if (told.value("failed_watches", 0) != 0) {
    out.push_back({"notification", Health::kLimited,
                   fmt::format("{} cgroups could not be watched", told.value("failed_watches", 0)),
                   "raise fs.inotify.max_user_watches"});
  }
  if (told.contains("probes") && told["probes"].empty())
    out.push_back({"probes", Health::kGood, "none: the agent was told to do without", ""});
  for (const json& probe : told.value("probes", json::array())) {
    if (probe.value("up", false)) {
      const double runs = probe.value("runs", 0.0);
      const std::string cost =
          runs > 0 ? fmt::format("; {:.0f} ns an event", probe.value("run_seconds", 0.0) * 1e9 / runs) : "";
      const auto lost = probe.value("lost", std::uint64_t{0});
      const std::string losses = lost > 0 ? fmt::format("; {} not counted", lost) : "";
      out.push_back({"probe " + probe.value("name", ""), lost > 0 ? Health::kLimited : Health::kGood,
                     "attached" + cost + losses, remedy_of(probe)});
    } else if (probe.value("unasked", false)) {
      out.push_back({"probe " + probe.value("name", ""), Health::kGood, probe.value("why", ""), ""});
    } else {
      out.push_back({"probe " + probe.value("name", ""), Health::kLimited, probe.value("why", ""),
                     "its signals and metrics are absent; it needs root or CAP_BPF and CAP_PERFMON (net: "
                     "CAP_NET_ADMIN too), and Linux 6.1"});
    }
  }
  for (const json& target : told.value("targets", json::array())) out.push_back(examine_target(target));
  const json set = json::parse(policies, nullptr, false);
  if (!set.is_object()) return out;
  const json problems = set.value("diagnostics", json::array());
  const auto is_error = [](const json& one) { return one.value("severity", "") == "error"; };
  const bool refused = std::ranges::any_of(problems, is_error);
  Finding finding{"policies", refused ? Health::kBad : Health::kGood,
                  fmt::format("{} in force{}", set.value("policies", json::array()).size(),
                              refused ? "; the folder as it stands is refused" : ""),
                  ""};
  for (const json& one : problems) {
    if (refused && !is_error(one)) continue;
    finding.remedy += fmt::format("{}{}:{}:{}: {}", finding.remedy.empty() ? "" : "\n", one.value("file", ""),
                                  one.value("line", 0), one.value("column", 0), one.value("message", ""));
    finding.health = std::max(finding.health, Health::kLimited);
  }
  out.push_back(std::move(finding));
  return out;
}

Health worst(const std::vector<Finding>& findings) {
  Health health = Health::kGood;
  for (const Finding& one : findings) health = std::max(health, one.health);
  return health;
}

std::string findings_text(const std::vector<Finding>& findings) {
  std::size_t width = 0;
  for (const Finding& one : findings) width = std::max(width, one.subject.size());
  std::string text;
  for (const Finding& one : findings) {
    text += fmt::format("{:<7}  {:<{}}  {}\n", to_string(one.health), one.subject, width, one.found);
    std::string_view rest = one.remedy;
    while (!rest.empty()) {
      const auto line = rest.substr(0, rest.find('\n'));
      text += fmt::format("{:<7}  {:<{}}  -> {}\n", "", "", width, line);
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    }
  }
  return text;
}

std::string findings_json(const std::vector<Finding>& findings) {
  json list = json::array();
  for (const Finding& one : findings) {
    list.push_back({{"subject", one.subject},
                    {"health", to_string(one.health)},
                    {"found", one.found},
                    {"remedy", one.remedy}});
  }
  return json_text(list, 2);
}

}  // namespace plimsoll::daemon
