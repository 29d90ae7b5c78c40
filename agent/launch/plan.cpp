#include "agent/launch/plan.h"

#include <sched.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>

#include "agent/launch/plan_checks.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace plimsoll::launch {
namespace {

std::uint64_t flag_of(oci::NamespaceType type) {
  switch (type) {
    case oci::NamespaceType::kMount:
      return CLONE_NEWNS;
    case oci::NamespaceType::kPid:
      return CLONE_NEWPID;
    case oci::NamespaceType::kNetwork:
      return CLONE_NEWNET;
    case oci::NamespaceType::kIpc:
      return CLONE_NEWIPC;
    case oci::NamespaceType::kUts:
      return CLONE_NEWUTS;
    case oci::NamespaceType::kCgroup:
      return CLONE_NEWCGROUP;
    case oci::NamespaceType::kUser:
      return CLONE_NEWUSER;
    case oci::NamespaceType::kTime:
      return CLONE_NEWTIME;
  }
  return 0;
}

Result<NamespacePlan> plan_namespaces(const oci::Spec& spec) {
  NamespacePlan out;
  for (const oci::Namespace& space : spec.linux_.namespaces) {
    const std::uint64_t flag = flag_of(space.type);
    const std::string name(oci::name_of(space.type));
    if ((out.all & flag) != 0) return invalid("linux.namespaces: " + name + " is listed twice");
    out.all |= flag;
    if (!space.path.empty()) {
      out.join.push_back({flag, space.path});
    } else if (flag == CLONE_NEWUSER) {
      return fail("linux.namespaces: a new user namespace wants uidMappings, which are not supported yet",
                  ErrorKind::kUnsupported);
    } else if (flag == CLONE_NEWCGROUP) {
      out.create_cgroup = true;
    } else {
      out.create |= flag;
    }
  }
  if ((out.all & CLONE_NEWNS) == 0) {
    return invalid(
        "linux.namespaces: a mount namespace is missing; without one the host's mounts would change");
  }
  // A joined user namespace must be entered first: it gives the right to enter the others.
  std::ranges::stable_partition(out.join, [](const JoinNamespace& one) { return one.flag == CLONE_NEWUSER; });
  return out;
}

bool is_bind(const oci::Mount& mount, const MountOptions& options) {
  return options.bind || mount.type == "bind" || mount.type == "rbind";
}

Result<RootStep> plan_mount(const oci::Mount& mount, const PlanInput& input) {
  PLIMSOLL_ASSIGN(MountOptions options, parse_mount_options(mount.options));
  const std::string destination = clean_path(mount.destination);
  if (options.remount) return Remount{destination, std::move(options)};
  if (is_bind(mount, options)) {
    if (mount.source.empty()) return invalid("a bind mount wants a source");
    if (mount.type == "rbind") options.recursive_bind = true;
    const std::string source =
        mount.source.starts_with('/') ? mount.source : input.bundle + "/" + mount.source;
    return BindMount{destination, source, std::move(options)};
  }
  if (mount.type.empty()) return invalid("type is missing");
  // Only version 2 is ever mounted; the old name is what every generator writes.
  const std::string type = mount.type == "cgroup" ? "cgroup2" : mount.type;
  return MountFilesystem{destination, type, mount.source, std::move(options)};
}

// config-linux.md, "Default Devices": only where /dev is the container's own.
void add_default_devices(std::vector<RootStep>& steps, bool terminal) {
  struct Node {
    const char* path;
    unsigned major, minor;
  };
  for (const Node& node : {Node{"/dev/null", 1, 3}, Node{"/dev/zero", 1, 5}, Node{"/dev/full", 1, 7},
                           Node{"/dev/random", 1, 8}, Node{"/dev/urandom", 1, 9}, Node{"/dev/tty", 5, 0}}) {
    steps.emplace_back(MakeNode{.path = node.path, .major = node.major, .minor = node.minor});
  }
  steps.emplace_back(MakeSymlink{"/dev/fd", "/proc/self/fd"});
  steps.emplace_back(MakeSymlink{"/dev/stdin", "/proc/self/fd/0"});
  steps.emplace_back(MakeSymlink{"/dev/stdout", "/proc/self/fd/1"});
  steps.emplace_back(MakeSymlink{"/dev/stderr", "/proc/self/fd/2"});
  steps.emplace_back(MakeSymlink{"/dev/ptmx", "pts/ptmx"});
  if (terminal) steps.emplace_back(MakeConsole{});
}

Result<> add_devices(const oci::Spec& spec, std::vector<RootStep>& steps) {
  for (const oci::Device& device : spec.linux_.devices) {
    const std::string path = clean_path(device.path);
    std::erase_if(steps, [&](const RootStep& step) {
      const auto* node = std::get_if<MakeNode>(&step);
      return node != nullptr && node->path == path;
    });
    if (device.major < 0 || device.minor < 0 || device.major > 0xfff || device.minor > 0xfffff) {
      return invalid("linux.devices: " + device.path + " has an impossible number");
    }
    steps.emplace_back(MakeNode{path, device.type == 'u' ? 'c' : device.type,
                                static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor),
                                device.file_mode.value_or(0666) & 07777, device.uid.value_or(0),
                                device.gid.value_or(0)});
  }
  return {};
}

Result<> plan_root(const oci::Spec& spec, const PlanInput& input, Plan& plan) {
  bool own_dev = false;
  for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
    const oci::Mount& mount = spec.mounts[i];
    auto step = plan_mount(mount, input);
    if (step) {
      if (auto safe = check_mount(*step); !safe) step = std::unexpected(std::move(safe).error());
    }
    if (!step) return std::unexpected(std::move(step).error().in("mounts[" + std::to_string(i) + "]"));
    if (const auto* made = std::get_if<MountFilesystem>(&*step);
        made != nullptr && made->destination == "/dev") {
      own_dev = true;
    }
    plan.steps.push_back(std::move(*step));
  }
  // A terminal wants its console even where /dev is the image's own folder or the host's.
  if (own_dev) {
    add_default_devices(plan.steps, plan.process.terminal);
  } else if (plan.process.terminal) {
    plan.steps.emplace_back(MakeConsole{});
  }
  PLIMSOLL_TRY(add_devices(spec, plan.steps));
  plan.steps.emplace_back(MakeFolder{plan.process.cwd});
  for (const std::string& path : spec.linux_.readonly_paths)
    plan.steps.emplace_back(MakeReadonly{clean_path(path)});
  for (const std::string& path : spec.linux_.masked_paths) plan.steps.emplace_back(Mask{clean_path(path)});
  return {};
}

struct NamedLimit {
  std::string_view name;
  int resource;
};
constexpr std::array kLimits = {
    NamedLimit{"RLIMIT_AS", RLIMIT_AS},
    NamedLimit{"RLIMIT_CORE", RLIMIT_CORE},
    NamedLimit{"RLIMIT_CPU", RLIMIT_CPU},
    NamedLimit{"RLIMIT_DATA", RLIMIT_DATA},
    NamedLimit{"RLIMIT_FSIZE", RLIMIT_FSIZE},
    NamedLimit{"RLIMIT_LOCKS", RLIMIT_LOCKS},
    NamedLimit{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    NamedLimit{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    NamedLimit{"RLIMIT_NICE", RLIMIT_NICE},
    NamedLimit{"RLIMIT_NOFILE", RLIMIT_NOFILE},
    NamedLimit{"RLIMIT_NPROC", RLIMIT_NPROC},
    NamedLimit{"RLIMIT_RSS", RLIMIT_RSS},
    NamedLimit{"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    NamedLimit{"RLIMIT_RTTIME", RLIMIT_RTTIME},
    NamedLimit{"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    NamedLimit{"RLIMIT_STACK", RLIMIT_STACK},
};

Result<std::vector<Limit>> plan_limits(const std::vector<oci::Rlimit>& limits) {
  std::vector<Limit> out;
  for (const oci::Rlimit& limit : limits) {
    const auto* known = std::ranges::find(kLimits, limit.type, &NamedLimit::name);
    if (known == kLimits.end()) return invalid("process.rlimits: unknown limit '" + limit.type + "'");
    const bool twice =
        std::ranges::any_of(out, [&](const Limit& one) { return one.resource == known->resource; });
    if (twice) return invalid("process.rlimits: " + limit.type + " is listed twice");
    out.push_back({known->resource, limit.type, {limit.soft, limit.hard}});
  }
  return out;
}

Result<> plan_linux(const oci::Spec& spec, const PlanInput& input, Plan& plan) {
  const oci::Linux& in = spec.linux_;
  PLIMSOLL_ASSIGN(plan.namespaces, plan_namespaces(spec));
  auto propagation = parse_propagation(in.rootfs_propagation);
  if (!propagation) return std::unexpected(std::move(propagation).error().in("linux.rootfsPropagation"));
  plan.root_propagation = *propagation;
  plan.make_root = (plan.namespaces.create & CLONE_NEWNS) != 0;
  PLIMSOLL_TRY(check_names(spec, plan.namespaces));
  for (const auto& [name, value] : in.sysctl) {
    PLIMSOLL_ASSIGN(std::string path, sysctl_path(name, plan.namespaces));
    plan.steps.emplace_back(WriteSysctl{std::move(path), value});
  }
  plan.seccomp = in.seccomp;
  PLIMSOLL_ASSIGN(plan.cgroup, cgroup_path(in.cgroups_path, input.id));
  if (!in.resources) return {};
  PLIMSOLL_ASSIGN(plan.control_writes, control_writes(*in.resources));
  if (!in.resources->devices.empty()) plan.device_rules = in.resources->devices;
  return {};
}

}  // namespace

std::string clean_path(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t end = path.find('/');
    const std::string_view part = path.substr(0, end);
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  std::string out;
  for (const std::string_view part : parts) out.append("/").append(part);
  return out.empty() ? "/" : out;
}

Result<ProcessPlan> make_process_plan(const oci::Process& process) {
  if (!process.unsupported.empty()) {
    return fail(process.unsupported.front() + ": not supported yet", ErrorKind::kUnsupported);
  }
  PLIMSOLL_TRY(check_environment(process));
  ProcessPlan plan{.terminal = process.terminal,
                   .console_size = process.console_size,
                   .user = process.user,
                   .args = process.args,
                   .env = process.env,
                   .cwd = clean_path(process.cwd),
                   .no_new_privileges = process.no_new_privileges,
                   .oom_score_adj = process.oom_score_adj};
  // Without the object there are none: config.md leaves it to the runtime, and less is safer.
  if (process.capabilities) {
    PLIMSOLL_ASSIGN(plan.capabilities, capability_sets(*process.capabilities));
  }
  PLIMSOLL_ASSIGN(plan.limits, plan_limits(process.rlimits));
  return plan;
}

Result<Plan> make_plan(const oci::Spec& spec, const PlanInput& input) {
  if (!spec.unsupported.empty()) {
    return fail("config.json: " + spec.unsupported.front() + ": not supported yet", ErrorKind::kUnsupported);
  }
  if (!spec.process) return invalid("config.json: process: is missing");
  Plan plan;
  plan.root = spec.root.path.starts_with('/') ? spec.root.path : input.bundle + "/" + spec.root.path;
  plan.root_readonly = spec.root.readonly;
  plan.hostname = spec.hostname;
  plan.domainname = spec.domainname;
  const auto planned = [&]() -> Result<> {
    PLIMSOLL_ASSIGN(plan.process, make_process_plan(*spec.process));
    PLIMSOLL_TRY(plan_root(spec, input, plan));
    return plan_linux(spec, input, plan);
  }();
  if (!planned) {
    Error error = planned.error();
    return std::unexpected(std::move(error).in("config.json"));
  }
  return plan;
}

}  // namespace plimsoll::launch
