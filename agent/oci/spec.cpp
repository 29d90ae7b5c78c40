#include "agent/oci/spec.h"

#include <algorithm>
#include <array>

#include "agent/oci/json_place.h"

namespace plimsoll::oci {
namespace {

struct NamedNamespace {
  std::string_view name;
  NamespaceType type;
};
constexpr std::array kNamespaces = {
    NamedNamespace{"mount", NamespaceType::kMount},     NamedNamespace{"pid", NamespaceType::kPid},
    NamedNamespace{"network", NamespaceType::kNetwork}, NamedNamespace{"ipc", NamespaceType::kIpc},
    NamedNamespace{"uts", NamespaceType::kUts},         NamedNamespace{"cgroup", NamespaceType::kCgroup},
    NamedNamespace{"user", NamespaceType::kUser},       NamedNamespace{"time", NamespaceType::kTime},
};

// Notes members of `place` that are there and not empty, and that nobody here carries out.
void note_unsupported(const Place& place, std::initializer_list<const char*> names,
                      std::vector<std::string>& out) {
  for (const char* name : names) {
    const Place member = place[name];
    if (!member.present()) continue;
    const auto& value = member.value();
    const bool nothing = (value.is_structured() && value.empty()) || (value.is_string() && value == "") ||
                         (value.is_boolean() && !value.get<bool>());
    if (!nothing) out.push_back(member.path());
  }
}

template <typename T, typename F>
void read_list(const Place& place, std::vector<T>& out, F&& read_one) {
  place.each([&](const Place& element) { read_one(element, out.emplace_back()); });
}

void read_absolute(const Place& place, std::string& out) {
  place.require(out);
  if (place.present() && !out.starts_with('/')) place.expected("an absolute path");
}

void read_user(const Place& place, User& user) {
  place["uid"].read(user.uid);
  place["gid"].read(user.gid);
  place["umask"].read(user.umask);
  place["additionalGids"].read(user.additional_gids);
  // setresuid(2) and chown(2) take it for "leave it as it is": the process would stay root.
  constexpr std::uint32_t kNoChange = 0xFFFFFFFF;
  if (user.uid == kNoChange) place["uid"].wrong("4294967295 is no user");
  if (user.gid == kNoChange) place["gid"].wrong("4294967295 is no group");
  if (std::ranges::find(user.additional_gids, kNoChange) != user.additional_gids.end())
    place["additionalGids"].wrong("4294967295 is no group");
}

void read_rlimit(const Place& place, Rlimit& rlimit) {
  place["type"].require(rlimit.type);
  place["soft"].require(rlimit.soft);
  place["hard"].require(rlimit.hard);
  if (rlimit.soft > rlimit.hard) place["soft"].expected("a number not above hard");
}

void read_capabilities(const Place& place, Capabilities& capabilities) {
  place["bounding"].read(capabilities.bounding);
  place["effective"].read(capabilities.effective);
  place["inheritable"].read(capabilities.inheritable);
  place["permitted"].read(capabilities.permitted);
  place["ambient"].read(capabilities.ambient);
}

void read_process(const Place& place, Process& process) {
  place["terminal"].read(process.terminal);
  if (const Place size = place["consoleSize"]; size.present()) {
    process.console_size.emplace();
    size["height"].require(process.console_size->height);
    size["width"].require(process.console_size->width);
  }
  read_user(place["user"], process.user);
  const Place args = place["args"];
  args.require(process.args);
  if (args.present() && process.args.empty()) args.wrong("is empty: there is nothing to run");
  place["env"].read(process.env);
  read_absolute(place["cwd"], process.cwd);
  if (const Place capabilities = place["capabilities"]; capabilities.present()) {
    read_capabilities(capabilities, process.capabilities.emplace());
  }
  read_list(place["rlimits"], process.rlimits, read_rlimit);
  place["noNewPrivileges"].read(process.no_new_privileges);
  const Place adjustment = place["oomScoreAdj"];
  adjustment.read(process.oom_score_adj);
  if (process.oom_score_adj && (*process.oom_score_adj < -1000 || *process.oom_score_adj > 1000)) {
    adjustment.expected("an integer from -1000 to 1000");
  }
  note_unsupported(place, {"apparmorProfile", "selinuxLabel", "ioPriority", "scheduler", "execCPUAffinity"},
                   process.unsupported);
}

void read_mount(const Place& place, Mount& mount, std::vector<std::string>& unsupported) {
  place["destination"].require(mount.destination);
  place["type"].read(mount.type);
  place["source"].read(mount.source);
  place["options"].read(mount.options);
  note_unsupported(place, {"uidMappings", "gidMappings"}, unsupported);
}

void read_namespace(const Place& place, Namespace& space) {
  std::string name;
  place["type"].require(name);
  bool known = false;
  for (const NamedNamespace& candidate : kNamespaces) {
    if (candidate.name != name) continue;
    space.type = candidate.type;
    known = true;
  }
  if (!known && place["type"].present()) {
    place["type"].expected("mount, pid, network, ipc, uts, cgroup, user or time");
  }
  if (place["path"].present()) read_absolute(place["path"], space.path);
}

// A one-letter type out of `letters`.
void read_letter(const Place& place, std::string_view letters, std::string_view expected, char& out) {
  std::string text;
  place.read(text);
  if (!place.present()) return;
  if (text.size() != 1 || letters.find(text[0]) == std::string_view::npos) return place.expected(expected);
  out = text[0];
}

void read_device(const Place& place, Device& device) {
  if (!place["type"].present()) place["type"].wrong("is missing");
  read_letter(place["type"], "cubp", "c, u, b or p", device.type);
  read_absolute(place["path"], device.path);
  if (device.type != 'p') {
    place["major"].require(device.major);
    place["minor"].require(device.minor);
  }
  place["fileMode"].read(device.file_mode);
  place["uid"].read(device.uid);
  place["gid"].read(device.gid);
}

void read_device_rule(const Place& place, DeviceRule& rule) {
  place["allow"].require(rule.allow);
  read_letter(place["type"], "abc", "a, b or c", rule.type);
  place["major"].read(rule.major);
  place["minor"].read(rule.minor);
  // Go's runtimes write -1 for "any".
  if (rule.major == -1) rule.major.reset();
  if (rule.minor == -1) rule.minor.reset();
  const Place access = place["access"];
  access.read(rule.access);
  if (rule.access.find_first_not_of("rwm") != std::string::npos) access.expected("letters out of r, w, m");
  if (rule.access.empty()) rule.access = "rwm";
}

void read_throttle(const Place& place, ThrottleDevice& device) {
  place["major"].require(device.major);
  place["minor"].require(device.minor);
  place["rate"].require(device.rate);
}

void read_weight_device(const Place& place, WeightDevice& device, std::vector<std::string>& unsupported) {
  place["major"].require(device.major);
  place["minor"].require(device.minor);
  place["weight"].read(device.weight);
  note_unsupported(place, {"leafWeight"}, unsupported);
}

void read_block_io(const Place& place, BlockIoResources& io, std::vector<std::string>& unsupported) {
  place["weight"].read(io.weight);
  note_unsupported(place, {"leafWeight"}, unsupported);
  read_list(place["weightDevice"], io.weight_devices, [&](const Place& element, WeightDevice& device) {
    read_weight_device(element, device, unsupported);
  });
  read_list(place["throttleReadBpsDevice"], io.read_bps, read_throttle);
  read_list(place["throttleWriteBpsDevice"], io.write_bps, read_throttle);
  read_list(place["throttleReadIOPSDevice"], io.read_iops, read_throttle);
  read_list(place["throttleWriteIOPSDevice"], io.write_iops, read_throttle);
}

void read_memory(const Place& place, MemoryResources& memory, std::vector<std::string>& unsupported) {
  place["limit"].read(memory.limit);
  place["reservation"].read(memory.reservation);
  place["swap"].read(memory.swap);
  // cgroup v2 has neither; `kernel` and `kernelTCP` are deprecated and may be ignored, `useHierarchy` holds.
  note_unsupported(place, {"swappiness", "disableOOMKiller"}, unsupported);
}

void read_cpu(const Place& place, CpuResources& cpu, std::vector<std::string>& unsupported) {
  place["shares"].read(cpu.shares);
  place["quota"].read(cpu.quota);
  place["burst"].read(cpu.burst);
  place["period"].read(cpu.period);
  place["idle"].read(cpu.idle);
  place["cpus"].read(cpu.cpus);
  place["mems"].read(cpu.mems);
  note_unsupported(place, {"realtimeRuntime", "realtimePeriod"}, unsupported);
}

void read_resources(const Place& place, Resources& resources, std::vector<std::string>& unsupported) {
  read_list(place["devices"], resources.devices, read_device_rule);
  if (const Place memory = place["memory"]; memory.present()) {
    read_memory(memory, resources.memory.emplace(), unsupported);
  }
  if (const Place cpu = place["cpu"]; cpu.present()) read_cpu(cpu, resources.cpu.emplace(), unsupported);
  if (const Place pids = place["pids"]; pids.present()) pids["limit"].read(resources.pids_limit);
  if (const Place io = place["blockIO"]; io.present()) {
    read_block_io(io, resources.block_io.emplace(), unsupported);
  }
  read_list(place["hugepageLimits"], resources.hugepage_limits,
            [](const Place& element, HugepageLimit& limit) {
              element["pageSize"].require(limit.page_size);
              element["limit"].require(limit.limit);
            });
  place["unified"].read(resources.unified);
  const Place network = place["network"];
  note_unsupported(network, {"classID", "priorities"}, unsupported);
  note_unsupported(place, {"rdma"}, unsupported);
}

void read_seccomp(const Place& place, Seccomp& seccomp, std::vector<std::string>& unsupported) {
  place["defaultAction"].require(seccomp.default_action);
  place["defaultErrnoRet"].read(seccomp.default_errno_ret);
  place["architectures"].read(seccomp.architectures);
  place["flags"].read(seccomp.flags);
  read_list(place["syscalls"], seccomp.syscalls, [](const Place& element, SeccompRule& rule) {
    element["names"].require(rule.names);
    element["action"].require(rule.action);
    element["errnoRet"].read(rule.errno_ret);
    read_list(element["args"], rule.args, [](const Place& argument, SeccompArg& arg) {
      argument["index"].require(arg.index);
      argument["value"].require(arg.value);
      argument["valueTwo"].read(arg.value_two);
      argument["op"].require(arg.op);
    });
  });
  note_unsupported(place, {"listenerPath", "listenerMetadata"}, unsupported);
}

void read_linux(const Place& place, Linux& out, std::vector<std::string>& unsupported) {
  read_list(place["namespaces"], out.namespaces, read_namespace);
  read_list(place["devices"], out.devices, read_device);
  if (const Place resources = place["resources"]; resources.present()) {
    read_resources(resources, out.resources.emplace(), unsupported);
  }
  place["cgroupsPath"].read(out.cgroups_path);
  place["sysctl"].read(out.sysctl);
  if (const Place seccomp = place["seccomp"]; seccomp.present()) {
    read_seccomp(seccomp, out.seccomp.emplace(), unsupported);
  }
  place["rootfsPropagation"].read(out.rootfs_propagation);
  place["maskedPaths"].read(out.masked_paths);
  place["readonlyPaths"].read(out.readonly_paths);
  note_unsupported(place,
                   {"uidMappings", "gidMappings", "mountLabel", "intelRdt", "personality", "timeOffsets"},
                   unsupported);
}

void read_spec(const Place& root, Spec& spec) {
  const Place version = root["ociVersion"];
  version.require(spec.oci_version);
  if (version.present() && !spec.oci_version.starts_with("1.")) version.expected("a version 1.x");
  const Place process = root["process"];
  if (process.present()) {
    read_process(process, spec.process.emplace());
    spec.unsupported.insert(spec.unsupported.end(), spec.process->unsupported.begin(),
                            spec.process->unsupported.end());
  }
  const Place folder = root["root"];
  if (!folder.present()) folder.wrong("is missing");
  folder["path"].require(spec.root.path);
  folder["readonly"].read(spec.root.readonly);
  root["hostname"].read(spec.hostname);
  root["domainname"].read(spec.domainname);
  read_list(root["mounts"], spec.mounts,
            [&](const Place& element, Mount& mount) { read_mount(element, mount, spec.unsupported); });
  root["annotations"].read(spec.annotations);
  read_linux(root["linux"], spec.linux_, spec.unsupported);
  note_unsupported(
      root["hooks"],
      {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"},
      spec.unsupported);
}

}  // namespace

std::string_view name_of(NamespaceType type) {
  for (const NamedNamespace& candidate : kNamespaces) {
    if (candidate.type == type) return candidate.name;
  }
  return "?";
}

Result<Spec> parse_spec(std::string_view json) {
  PLIMSOLL_ASSIGN(const nlohmann::json document, parse_json("config.json", json));
  Place::Failure failure{.file = "config.json"};
  Spec spec;
  const Place root(document, failure);
  if (!document.is_object()) root.expected("an object");
  if (!failure.error) read_spec(root, spec);
  if (failure.error) return std::unexpected(std::move(*failure.error));
  return spec;
}

Result<Process> parse_process(std::string_view json) {
  PLIMSOLL_ASSIGN(const nlohmann::json document, parse_json("process.json", json));
  Place::Failure failure{.file = "process.json"};
  Process process;
  const Place root(document, failure);
  if (!document.is_object()) root.expected("an object");
  if (!failure.error) read_process(root, process);
  if (failure.error) return std::unexpected(std::move(*failure.error));
  return process;
}

}  // namespace plimsoll::oci
