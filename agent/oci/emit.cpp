#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/oci/spec.h"

namespace plimsoll::oci {
namespace {

using Json = nlohmann::ordered_json;

// Sets out[name] where there is something to say.
template <typename T>
void put(Json& out, const char* name, const T& value) {
  if constexpr (requires { value.has_value(); }) {
    if (value) out[name] = *value;
  } else if constexpr (requires { value.empty(); }) {
    if (!value.empty()) out[name] = value;
  } else {
    if (value != T{}) out[name] = value;
  }
}

template <typename T, typename F>
void put_list(Json& out, const char* name, const std::vector<T>& values, F&& emit_one) {
  if (values.empty()) return;
  Json list = Json::array();
  for (const T& value : values) list.push_back(emit_one(value));
  out[name] = std::move(list);
}

Json emit(const User& user) {
  Json out = {{"uid", user.uid}, {"gid", user.gid}};
  put(out, "umask", user.umask);
  put(out, "additionalGids", user.additional_gids);
  return out;
}

Json emit(const Capabilities& capabilities) {
  return {{"bounding", capabilities.bounding},
          {"effective", capabilities.effective},
          {"inheritable", capabilities.inheritable},
          {"permitted", capabilities.permitted},
          {"ambient", capabilities.ambient}};
}

Json emit(const Process& process) {
  Json out = Json::object();
  put(out, "terminal", process.terminal);
  if (process.console_size) {
    out["consoleSize"] = {{"height", process.console_size->height}, {"width", process.console_size->width}};
  }
  out["user"] = emit(process.user);
  out["args"] = process.args;
  put(out, "env", process.env);
  out["cwd"] = process.cwd;
  if (process.capabilities) out["capabilities"] = emit(*process.capabilities);
  put_list(out, "rlimits", process.rlimits, [](const Rlimit& limit) -> Json {
    return {{"type", limit.type}, {"hard", limit.hard}, {"soft", limit.soft}};
  });
  out["noNewPrivileges"] = process.no_new_privileges;
  put(out, "oomScoreAdj", process.oom_score_adj);
  return out;
}

Json emit(const Mount& mount) {
  Json out = {{"destination", mount.destination}};
  put(out, "type", mount.type);
  put(out, "source", mount.source);
  put(out, "options", mount.options);
  return out;
}

Json emit(const Namespace& space) {
  Json out = {{"type", name_of(space.type)}};
  put(out, "path", space.path);
  return out;
}

Json emit(const Device& device) {
  Json out = {{"type", std::string(1, device.type)}, {"path", device.path}};
  if (device.type != 'p') {
    out["major"] = device.major;
    out["minor"] = device.minor;
  }
  put(out, "fileMode", device.file_mode);
  put(out, "uid", device.uid);
  put(out, "gid", device.gid);
  return out;
}

Json emit(const DeviceRule& rule) {
  Json out = {{"allow", rule.allow}, {"type", std::string(1, rule.type)}};
  put(out, "major", rule.major);
  put(out, "minor", rule.minor);
  out["access"] = rule.access;
  return out;
}

Json emit(const BlockIoResources& io) {
  Json out = Json::object();
  put(out, "weight", io.weight);
  put_list(out, "weightDevice", io.weight_devices, [](const WeightDevice& device) -> Json {
    return {{"major", device.major}, {"minor", device.minor}, {"weight", device.weight}};
  });
  const auto throttle = [](const ThrottleDevice& device) -> Json {
    return {{"major", device.major}, {"minor", device.minor}, {"rate", device.rate}};
  };
  put_list(out, "throttleReadBpsDevice", io.read_bps, throttle);
  put_list(out, "throttleWriteBpsDevice", io.write_bps, throttle);
  put_list(out, "throttleReadIOPSDevice", io.read_iops, throttle);
  put_list(out, "throttleWriteIOPSDevice", io.write_iops, throttle);
  return out;
}

Json emit(const MemoryResources& memory) {
  Json out = Json::object();
  put(out, "limit", memory.limit);
  put(out, "reservation", memory.reservation);
  put(out, "swap", memory.swap);
  return out;
}

Json emit(const CpuResources& cpu) {
  Json out = Json::object();
  put(out, "shares", cpu.shares);
  put(out, "quota", cpu.quota);
  put(out, "burst", cpu.burst);
  put(out, "period", cpu.period);
  put(out, "idle", cpu.idle);
  put(out, "cpus", cpu.cpus);
  put(out, "mems", cpu.mems);
  return out;
}

Json emit(const Resources& resources) {
  Json out = Json::object();
  put_list(out, "devices", resources.devices, [](const DeviceRule& rule) { return emit(rule); });
  if (resources.memory) out["memory"] = emit(*resources.memory);
  if (resources.cpu) out["cpu"] = emit(*resources.cpu);
  if (resources.pids_limit) out["pids"] = {{"limit", *resources.pids_limit}};
  if (resources.block_io) out["blockIO"] = emit(*resources.block_io);
  put_list(out, "hugepageLimits", resources.hugepage_limits, [](const HugepageLimit& limit) -> Json {
    return {{"pageSize", limit.page_size}, {"limit", limit.limit}};
  });
  put(out, "unified", resources.unified);
  return out;
}

Json emit(const SeccompArg& arg) {
  Json out = {{"index", arg.index}, {"value", arg.value}};
  put(out, "valueTwo", arg.value_two);
  out["op"] = arg.op;
  return out;
}

Json emit(const Seccomp& seccomp) {
  Json out = {{"defaultAction", seccomp.default_action}};
  put(out, "defaultErrnoRet", seccomp.default_errno_ret);
  put(out, "architectures", seccomp.architectures);
  put(out, "flags", seccomp.flags);
  put_list(out, "syscalls", seccomp.syscalls, [](const SeccompRule& rule) {
    Json one = {{"names", rule.names}, {"action", rule.action}};
    put(one, "errnoRet", rule.errno_ret);
    put_list(one, "args", rule.args, [](const SeccompArg& arg) { return emit(arg); });
    return one;
  });
  return out;
}

Json emit(const Linux& in) {
  Json out = Json::object();
  put_list(out, "namespaces", in.namespaces, [](const Namespace& space) { return emit(space); });
  put_list(out, "devices", in.devices, [](const Device& device) { return emit(device); });
  if (in.resources) out["resources"] = emit(*in.resources);
  put(out, "cgroupsPath", in.cgroups_path);
  put(out, "sysctl", in.sysctl);
  if (in.seccomp) out["seccomp"] = emit(*in.seccomp);
  put(out, "rootfsPropagation", in.rootfs_propagation);
  put(out, "maskedPaths", in.masked_paths);
  put(out, "readonlyPaths", in.readonly_paths);
  return out;
}

// Text that is not UTF-8 (an environment variable may be anything) cannot be said in JSON; it is replaced.
std::string text_of(const Json& document) { return json_text(document, 2) + "\n"; }

}  // namespace

std::string to_json(const Spec& spec) {
  Json out = {{"ociVersion", spec.oci_version}};
  if (spec.process) out["process"] = emit(*spec.process);
  out["root"] = {{"path", spec.root.path}};
  put(out["root"], "readonly", spec.root.readonly);
  put(out, "hostname", spec.hostname);
  put(out, "domainname", spec.domainname);
  put_list(out, "mounts", spec.mounts, [](const Mount& mount) { return emit(mount); });
  put(out, "annotations", spec.annotations);
  out["linux"] = emit(spec.linux_);
  return text_of(out);
}

std::string to_json(const Process& process) { return text_of(emit(process)); }

}  // namespace plimsoll::oci
