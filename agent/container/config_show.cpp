// Config as Docker's JSON, the other half of config_json.cpp.
#include <nlohmann/json.hpp>

#include "agent/container/config_json.h"

namespace plimsoll::container {
namespace {

using nlohmann::json;

json empty_objects(const std::set<std::string>& keys) {
  json out = json::object();
  for (const std::string& key : keys) out[key] = json::object();
  return out;
}

json texts_or_null(const std::optional<std::vector<std::string>>& texts) {
  return texts ? json(*texts) : json(nullptr);
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ",") + text;
  return out;
}

// config.mounts begins with those of config.binds, which go back as they were written.
void show_mounts(const Config& config, json& out) {
  json tmpfs = json::object();
  json mounts = json::array();
  for (std::size_t i = config.binds.size(); i < config.mounts.size(); ++i) {
    const MountPoint& mount = config.mounts[i];
    if (mount.kind == MountPoint::Kind::kTmpfs) {
      std::vector<std::string> options = mount.options;
      if (mount.read_only) options.emplace_back("ro");
      tmpfs[mount.target] = joined(options);
    } else {
      json one = {{"Type", "bind"},
                  {"Source", mount.source},
                  {"Target", mount.target},
                  {"ReadOnly", mount.read_only},
                  {"BindOptions", {{"CreateMountpoint", mount.make_source}}}};
      if (!mount.propagation.empty()) one["BindOptions"]["Propagation"] = mount.propagation;
      mounts.push_back(std::move(one));
    }
  }
  out["Binds"] = config.binds;
  if (!tmpfs.empty()) out["Tmpfs"] = std::move(tmpfs);
  if (!mounts.empty()) out["Mounts"] = std::move(mounts);
}

void show_limits(const Limits& limits, json& out) {
  out["Memory"] = limits.memory.value;
  out["MemorySwap"] = limits.memory_swap.value_or(0);
  out["MemoryReservation"] = limits.memory_reservation.value;
  out["NanoCpus"] = limits.nano_cpus;
  out["CpuQuota"] = limits.cpu_quota;
  out["CpuPeriod"] = limits.cpu_period;
  out["CpuShares"] = limits.cpu_shares;
  out["CpusetCpus"] = limits.cpuset_cpus;
  out["CpusetMems"] = limits.cpuset_mems;
  out["PidsLimit"] = limits.pids;
}

void show_security(const Config& config, json& out) {
  out["Privileged"] = config.privileged;
  out["ReadonlyRootfs"] = config.readonly_rootfs;
  out["CapAdd"] = config.cap_add;
  out["CapDrop"] = config.cap_drop;
  out["SecurityOpt"] = config.security_opt;
  out["Sysctls"] = config.sysctls;
  if (config.masked_paths) out["MaskedPaths"] = *config.masked_paths;
  if (config.readonly_paths) out["ReadonlyPaths"] = *config.readonly_paths;
  out["Ulimits"] = json::array();
  for (const Ulimit& one : config.ulimits) {
    out["Ulimits"].push_back({{"Name", one.name}, {"Soft", one.soft}, {"Hard", one.hard}});
  }
  out["Devices"] = json::array();
  for (const DeviceMapping& one : config.devices) {
    out["Devices"].push_back({{"PathOnHost", one.on_host},
                              {"PathInContainer", one.in_container},
                              {"CgroupPermissions", one.access}});
  }
}

}  // namespace

json config_to_json(const Config& config) {
  json out = {{"Hostname", config.hostname},
              {"Domainname", config.domainname},
              {"User", config.user},
              {"AttachStdin", config.attach_stdin},
              {"AttachStdout", config.attach_stdout},
              {"AttachStderr", config.attach_stderr},
              {"Tty", config.tty},
              {"OpenStdin", config.open_stdin},
              {"StdinOnce", config.stdin_once},
              {"Env", config.env},
              {"Cmd", texts_or_null(config.cmd)},
              {"Entrypoint", texts_or_null(config.entrypoint)},
              {"Image", config.image},
              {"WorkingDir", config.working_dir},
              {"Labels", config.labels}};
  if (!config.stop_signal.empty()) out["StopSignal"] = config.stop_signal;
  if (config.stop_timeout) out["StopTimeout"] = *config.stop_timeout;
  if (!config.exposed_ports.empty()) out["ExposedPorts"] = empty_objects(config.exposed_ports);
  return out;
}

json host_config_to_json(const Config& config) {
  json out = json::object();
  show_mounts(config, out);
  show_limits(config.limits, out);
  show_security(config, out);
  out["NetworkMode"] = config.network_mode;
  out["RestartPolicy"] = {{"Name", std::string(to_string(config.restart.kind))},
                          {"MaximumRetryCount", config.restart.maximum_retries}};
  out["AutoRemove"] = config.auto_remove;
  out["GroupAdd"] = config.group_add;
  out["ExtraHosts"] = config.extra_hosts;
  out["PidMode"] = config.host_pid ? "host" : "";
  out["IpcMode"] = config.host_ipc ? "host" : "private";
  out["UTSMode"] = config.host_uts ? "host" : "";
  out["OomScoreAdj"] = config.oom_score_adj;
  out["ShmSize"] = config.shm_size.value;
  out["ConsoleSize"] = {config.console_height, config.console_width};
  out["LogConfig"] = {{"Type", "json-file"},
                      {"Config",
                       {{"max-size", std::to_string(config.log_size.value)},
                        {"max-file", std::to_string(config.log_files)}}}};
  return out;
}

json document_of(const Config& config) {
  json out = config_to_json(config);
  out["HostConfig"] = host_config_to_json(config);
  return out;
}

}  // namespace plimsoll::container
