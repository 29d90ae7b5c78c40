#include "agent/container/config_json.h"

#include <nlohmann/json.hpp>

#include "agent/base/units.h"
#include "agent/container/json_member.h"
#include "agent/container/mount_text.h"

namespace plimsoll::container {
namespace {

using nlohmann::json;

void read_process(const Members& in, Config& out) {
  out.image = in.text("Image");
  out.hostname = in.text("Hostname");
  out.domainname = in.text("Domainname");
  out.user = in.text("User");
  out.working_dir = in.text("WorkingDir");
  out.env = in.texts("Env");
  out.cmd = in.optional_texts("Cmd");
  out.entrypoint = in.optional_texts("Entrypoint");
  out.labels = in.text_map("Labels");
  out.tty = in.boolean("Tty");
  out.open_stdin = in.boolean("OpenStdin");
  out.stdin_once = in.boolean("StdinOnce");
  out.attach_stdin = in.boolean("AttachStdin");
  out.attach_stdout = in.boolean("AttachStdout");
  out.attach_stderr = in.boolean("AttachStderr");
  out.stop_signal = in.text("StopSignal");
  if (in.find("StopTimeout") != nullptr) out.stop_timeout = static_cast<int>(in.integer("StopTimeout"));
  out.exposed_ports = in.keys("ExposedPorts");
  if (const json* check = in.find("Healthcheck"); check != nullptr && !check->empty()) {
    const json test = check->is_object() ? check->value("Test", json::array()) : json::array();
    if (test != json::array({"NONE"}) && !test.empty())
      in.refuse("Healthcheck", "health checks (--health-cmd and its kin) are not supported yet");
  }
  in.refuse("Volumes",
            "anonymous volumes (--volume with one path) are not supported yet; --tmpfs or a host path is");
  in.refuse("NetworkDisabled", "is not supported; --network none is");
  in.refuse("MacAddress", "--mac-address needs a bridge network, which comes later");
  for (const std::string& one : out.env) {
    if (one.empty() || one.front() == '=') in.fail("Env", "'" + one + "' has no name");
  }
  if (!out.stop_signal.empty()) {
    if (const auto number = signal_from(out.stop_signal); !number)
      in.fail("StopSignal", number.error().message());
  }
}

void read_limits(const Members& in, Limits& out) {
  constexpr std::int64_t kLeastMemory = 6 << 20;
  out.memory.value = in.natural("Memory");
  if (out.memory.value != 0 && out.memory.value < kLeastMemory)
    in.fail("Memory", "--memory: the least limit is 6 MiB");
  if (const std::int64_t swap = in.integer("MemorySwap"); swap != 0) out.memory_swap = swap;
  if (out.memory_swap && *out.memory_swap != -1) {
    if (out.memory.value == 0) in.fail("MemorySwap", "needs Memory to be set too");
    if (*out.memory_swap < static_cast<std::int64_t>(out.memory.value)) {
      in.fail("MemorySwap", "is memory and swap together, and less than Memory");
    }
  }
  out.memory_reservation.value = in.natural("MemoryReservation");
  out.nano_cpus = in.natural("NanoCpus");
  out.cpu_quota = in.integer("CpuQuota");
  out.cpu_period = in.natural("CpuPeriod");
  out.cpu_shares = in.natural("CpuShares");
  out.cpuset_cpus = in.text("CpusetCpus");
  out.cpuset_mems = in.text("CpusetMems");
  out.pids = in.integer("PidsLimit");
  if (out.nano_cpus != 0 && (out.cpu_quota != 0 || out.cpu_period != 0)) {
    in.fail("NanoCpus", "excludes CpuQuota and CpuPeriod");
  }
  if (const std::int64_t swappiness = in.integer("MemorySwappiness"); swappiness != 0 && swappiness != -1) {
    in.fail("MemorySwappiness", "--memory-swappiness: cgroup v2 cannot hold it", ErrorKind::kUnsupported);
  }
}

// Members of HostConfig, docker's flag for each, and why it is refused where it is set.
struct Refused {
  const char* member;
  const char* flag;
  const char* why;
};
constexpr const char* kCgroup2 = "cgroup v2 cannot hold it";
constexpr const char* kBridge = "needs a bridge network, which comes later";
constexpr const char* kNotYet = "is not supported yet";
constexpr Refused kRefused[] = {
    {"OomKillDisable", "--oom-kill-disable", kCgroup2},
    {"KernelMemory", "--kernel-memory", kCgroup2},
    {"KernelMemoryTCP", "--kernel-memory-tcp", kCgroup2},
    {"CpuRealtimePeriod", "--cpu-rt-period", kCgroup2},
    {"CpuRealtimeRuntime", "--cpu-rt-runtime", kCgroup2},
    {"BlkioWeight", "--blkio-weight", kNotYet},
    {"BlkioWeightDevice", "--blkio-weight-device", kNotYet},
    {"BlkioDeviceReadBps", "--device-read-bps", kNotYet},
    {"BlkioDeviceWriteBps", "--device-write-bps", kNotYet},
    {"BlkioDeviceReadIOps", "--device-read-iops", kNotYet},
    {"BlkioDeviceWriteIOps", "--device-write-iops", kNotYet},
    {"DeviceRequests", "--gpus", kNotYet},
    {"DeviceCgroupRules", "--device-cgroup-rule", kNotYet},
    {"CgroupParent", "--cgroup-parent", kNotYet},
    {"PortBindings", "--publish", kBridge},
    {"PublishAllPorts", "--publish-all", kBridge},
    {"Links", "--link", kBridge},
    {"Dns", "--dns", kBridge},
    {"DnsSearch", "--dns-search", kBridge},
    {"DnsOptions", "--dns-option", kBridge},
    {"UsernsMode", "--userns", kNotYet},
    {"VolumesFrom", "--volumes-from", kNotYet},
    {"VolumeDriver", "--volume-driver", kNotYet},
    {"StorageOpt", "--storage-opt", kNotYet},
    {"Annotations", "--annotation", kNotYet},
    {"Init", "--init", kNotYet},
};

std::string capability_name(const std::string& text) {
  std::string name = text;
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name == "ALL" || name.starts_with("CAP_") ? name : "CAP_" + name;
}

void read_security(const Members& in, Config& out) {
  out.privileged = in.boolean("Privileged");
  out.readonly_rootfs = in.boolean("ReadonlyRootfs");
  for (const std::string& one : in.texts("CapAdd")) out.cap_add.push_back(capability_name(one));
  for (const std::string& one : in.texts("CapDrop")) out.cap_drop.push_back(capability_name(one));
  out.security_opt = in.texts("SecurityOpt");
  for (const std::string& option : out.security_opt) {
    if (option == "no-new-privileges" || option == "no-new-privileges:true" ||
        option == "no-new-privileges=true") {
      out.no_new_privileges = true;
    } else if (option == "seccomp=unconfined" || option == "seccomp:unconfined") {
      out.seccomp_unconfined = true;
    } else if (option != "no-new-privileges:false" && option != "no-new-privileges=false" &&
               option != "label=disable" && option != "label:disable" && option != "apparmor=unconfined" &&
               option != "apparmor:unconfined") {
      in.fail("SecurityOpt",
              "--security-opt '" + option.substr(0, 60) +
                  "' is not supported; no-new-privileges and seccomp=unconfined are",
              ErrorKind::kUnsupported);
    }
  }
  out.sysctls = in.text_map("Sysctls");
  out.masked_paths = in.optional_texts("MaskedPaths");
  out.readonly_paths = in.optional_texts("ReadonlyPaths");
  in.each("Ulimits", [&](const Members& one) {
    out.ulimits.push_back(
        {.name = one.text("Name"), .soft = one.integer("Soft"), .hard = one.integer("Hard")});
    if (out.ulimits.back().name.empty()) one.fail("Name", "is missing");
  });
  in.each("Devices", [&](const Members& one) {
    DeviceMapping device{.on_host = one.text("PathOnHost"),
                         .in_container = one.text("PathInContainer"),
                         .access = one.text("CgroupPermissions")};
    if (device.in_container.empty()) device.in_container = device.on_host;
    if (device.access.empty()) device.access = "rwm";
    if (!device.on_host.starts_with('/'))
      one.fail("PathOnHost", "'" + device.on_host + "' is not an absolute path");
    if (device.access.find_first_not_of("rwm") != std::string::npos)
      one.fail("CgroupPermissions", "has other letters than r, w, m");
    out.devices.push_back(std::move(device));
  });
}

// "" or one of the modes that this agent has; `host` tells whether it is the host's.
void read_mode(const Members& in, const char* name, const char* flag, bool& host) {
  const std::string mode = in.text(name);
  host = mode == "host";
  if (mode.empty() || host || mode == "private" ||
      (std::string_view(name) == "IpcMode" && mode == "shareable"))
    return;
  in.fail(name, flag + (" '" + mode) + "' is not supported; private and host are", ErrorKind::kUnsupported);
}

void read_network(const Members& in, Config& out) {
  out.network_mode = in.text("NetworkMode");
  if (out.network_mode.empty()) out.network_mode = "default";
  if (out.network_mode != "default" && out.network_mode != "none" && out.network_mode != "host") {
    in.fail("NetworkMode",
            "--network '" + out.network_mode +
                "': bridge networks come later; 'none' (loopback only, the default) and 'host' are there",
            ErrorKind::kUnsupported);
  }
  out.extra_hosts = in.texts("ExtraHosts");
}

void read_logs(const Members& in, Config& out) {
  const std::string type = in.text("Type");
  if (!type.empty() && type != "json-file" && type != "local") {
    in.fail("Type", "--log-driver '" + type + "': only the agent's own log (json-file, local) is there",
            ErrorKind::kUnsupported);
  }
  for (const auto& [key, value] : in.text_map("Config")) {
    if (key == "max-size") {
      const auto size = parse_bytes(value);
      if (!size || size->value < (32U << 10))
        in.fail("Config.max-size", "'" + value + "' is not a size of 32 KiB or more");
      if (size) out.log_size = *size;
    } else if (key == "max-file") {
      const auto files = parse_u64(value);
      if (!files || *files < 1 || *files > 100)
        in.fail("Config.max-file", "'" + value + "' is not a number from 1 to 100");
      if (files) out.log_files = static_cast<int>(*files);
    } else {
      in.fail("Config." + key, "--log-opt " + key + " is not supported; max-size and max-file are",
              ErrorKind::kUnsupported);
    }
  }
  in.refuse_rest();
}

void read_restart(const Members& in, Config& out) {
  const std::string name = in.text("Name");
  if (name.empty()) return;
  auto policy = parse_restart_policy(name);
  if (!policy) return in.fail("Name", policy.error().message());
  out.restart = *policy;
  out.restart.maximum_retries = static_cast<int>(in.natural("MaximumRetryCount"));
  if (out.restart.maximum_retries != 0 && out.restart.kind != RestartKind::kOnFailure) {
    in.fail("MaximumRetryCount", "goes only with on-failure");
  }
  in.refuse_rest();
}

void read_host(const Members& in, Config& out) {
  read_limits(in, out.limits);
  read_security(in, out);
  read_network(in, out);
  read_logs(in.inside("LogConfig"), out);
  read_restart(in.inside("RestartPolicy"), out);
  read_mounts(in, out);
  read_mode(in, "PidMode", "--pid", out.host_pid);
  read_mode(in, "IpcMode", "--ipc", out.host_ipc);
  read_mode(in, "UTSMode", "--uts", out.host_uts);
  bool host_cgroup = false;
  read_mode(in, "CgroupnsMode", "--cgroupns", host_cgroup);
  if (host_cgroup) in.fail("CgroupnsMode", "--cgroupns 'host' is not supported", ErrorKind::kUnsupported);
  const std::string runtime = in.text("Runtime");
  if (!runtime.empty() && runtime != "plimsoll")
    in.fail("Runtime", "--runtime '" + runtime + "': containers are launched by plimsoll itself",
            ErrorKind::kUnsupported);
  out.auto_remove = in.boolean("AutoRemove");
  if (out.auto_remove && out.restart.kind != RestartKind::kNo)
    in.fail("AutoRemove", "can't be combined with a restart policy");
  out.group_add = in.texts("GroupAdd");
  out.oom_score_adj = static_cast<int>(in.integer("OomScoreAdj"));
  if (out.oom_score_adj < -1000 || out.oom_score_adj > 1000) in.fail("OomScoreAdj", "is not in -1000..1000");
  if (const std::int64_t shm = in.natural("ShmSize"); shm != 0) out.shm_size.value = shm;
  if (const json* size = in.find("ConsoleSize"); size != nullptr && size->is_array() && size->size() == 2 &&
                                                 (*size)[0].is_number_unsigned() &&
                                                 (*size)[1].is_number_unsigned()) {
    out.console_height =
        static_cast<std::uint16_t>(std::min<std::uint64_t>((*size)[0].get<std::uint64_t>(), UINT16_MAX));
    out.console_width =
        static_cast<std::uint16_t>(std::min<std::uint64_t>((*size)[1].get<std::uint64_t>(), UINT16_MAX));
  }
}

// A network other than these has been refused by its mode; what an endpoint asks for beside it needs a
// bridge.
void read_endpoints(const Members& in) {
  const Members endpoints = in.inside("EndpointsConfig");
  for (const std::string& name : in.keys("EndpointsConfig")) {
    if (name != "default" && name != "none" && name != "host" && name != "bridge") {
      in.fail("EndpointsConfig", "--network '" + name + "': bridge networks come later",
              ErrorKind::kUnsupported);
    }
    const Members endpoint = endpoints.inside(name.c_str());
    endpoint.refuse("IPAMConfig", std::string("--ip ") + kBridge);
    endpoint.refuse("Aliases", std::string("--network-alias ") + kBridge);
    endpoint.refuse("MacAddress", std::string("--mac-address ") + kBridge);
    endpoint.refuse("Links", std::string("--link ") + kBridge);
    endpoint.refuse_rest({"NetworkID"});
  }
}

Result<Config> read_config(const json& document, std::vector<std::string>* forgiven) {
  std::optional<Error> error;
  Config config;
  const Members in(&document, "", error, forgiven);
  read_process(in, config);
  const Members host = in.inside("HostConfig");
  read_host(host, config);
  for (const Refused& one : kRefused) host.refuse(one.member, std::string(one.flag) + " " + one.why);
  host.refuse_rest({"ContainerIDFile", "Isolation"});
  read_endpoints(in.inside("NetworkingConfig"));
  in.refuse_rest({"OnBuild", "ArgsEscaped"});
  if (error) return std::unexpected(std::move(*error));
  return config;
}

}  // namespace

Result<Config> config_from_json(const json& document) { return read_config(document, nullptr); }

Result<Config> stored_config(const json& document, std::vector<std::string>& forgiven) {
  return read_config(document, &forgiven);
}

}  // namespace plimsoll::container
