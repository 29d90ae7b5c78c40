#include "agent/cli/container_flags.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/base/units.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

struct Pair {
  std::string key, value;
  bool has_value;
};

Pair split(const std::string& text, char separator) {
  const auto at = text.find(separator);
  if (at == std::string::npos) return {text, "", false};
  return {text.substr(0, at), text.substr(at + 1), true};
}

Error bad(std::string_view flag, std::string_view value, std::string_view expected) {
  return Error(fmt::format("--{} '{}': expected {}", flag, value, expected), ErrorKind::kInvalid);
}

Result<> set_bytes(json& host, const char* key, std::string_view flag, const std::string& text) {
  if (text.empty()) return {};
  if (text == "-1") {
    host[key] = -1;
    return {};
  }
  const auto bytes = parse_bytes(text);
  if (!bytes) return std::unexpected(bad(flag, text, "a size such as 256m or 1.5g"));
  host[key] = bytes->value;
  return {};
}

Result<> set_integer(json& host, const char* key, std::string_view flag, const std::string& text) {
  if (text.empty()) return {};
  const auto number = parse_number(text);
  if (!number || std::floor(*number) != *number || std::abs(*number) > 1e15) {
    return std::unexpected(bad(flag, text, "a whole number"));
  }
  host[key] = static_cast<std::int64_t>(*number);
  return {};
}

Result<> set_cpus(json& host, const std::string& text) {
  if (text.empty()) return {};
  const auto cpus = parse_number(text);
  if (!cpus || *cpus <= 0 || *cpus > 100'000)
    return std::unexpected(bad("cpus", text, "a number of cores such as 0.5"));
  host["NanoCpus"] = std::llround(*cpus * 1e9);
  return {};
}

// "no", "always", "unless-stopped", "on-failure", "on-failure:3"
Result<> set_restart(json& host, const std::string& text, bool remove) {
  if (text.empty()) return {};
  const auto [name, count, counted] = split(text, ':');
  const bool known = name == "no" || name == "always" || name == "unless-stopped" || name == "on-failure";
  const auto most = parse_u64(count);
  if (!known || (counted && (name != "on-failure" || !most || *most > 1'000'000'000))) {
    return std::unexpected(bad("restart", text, "no, always, unless-stopped, on-failure or on-failure:N"));
  }
  if (remove && name != "no") return invalid("--rm and --restart exclude each other");
  host["RestartPolicy"] = {{"Name", name}, {"MaximumRetryCount", most.value_or(0)}};
  return {};
}

Result<> set_ulimits(json& host, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    const auto [name, values, has_values] = split(text, '=');
    const auto [soft, hard, has_hard] = split(values, ':');
    const auto soft_value = soft == "unlimited" ? -1.0 : parse_number(soft).value_or(-2);
    const auto hard_value = !has_hard             ? soft_value
                            : hard == "unlimited" ? -1.0
                                                  : parse_number(hard).value_or(-2);
    if (!has_values || soft_value < -1 || hard_value < -1) {
      return std::unexpected(bad("ulimit", text, "NAME=SOFT[:HARD] such as nofile=1024:4096"));
    }
    host["Ulimits"].push_back({{"Name", name},
                               {"Soft", static_cast<std::int64_t>(soft_value)},
                               {"Hard", static_cast<std::int64_t>(hard_value)}});
  }
  return {};
}

Result<> set_volumes(json& host, const std::vector<std::string>& volumes) {
  for (const std::string& text : volumes) {
    std::string bind = text;
    if (text.starts_with("./") || text.starts_with("../") || text == "." || text.starts_with(".:")) {
      const auto [source, rest, has_rest] = split(text, ':');
      char* absolute = ::realpath(source.c_str(), nullptr);
      if (absolute == nullptr) return std::unexpected(bad("volume", text, "a folder that exists"));
      bind = std::string(absolute) + ":" + rest;
      std::free(absolute);
    }
    if (!bind.starts_with('/') || bind.find(":/") == std::string::npos) {
      return std::unexpected(bad("volume", text, "/HOST/FOLDER:/CONTAINER/FOLDER[:ro]"));
    }
    host["Binds"].push_back(bind);
  }
  return {};
}

Result<> set_pairs(json& object, std::string_view flag, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    const auto [key, value, has_value] = split(text, '=');
    if (key.empty() || !has_value) return std::unexpected(bad(flag, text, "KEY=VALUE"));
    object[key] = value;
  }
  return {};
}

// "/dev/sda[:/dev/xvda[:rwm]]"
Result<> set_devices(json& host, const std::vector<std::string>& devices) {
  for (const std::string& text : devices) {
    const auto [on_host, rest, has_rest] = split(text, ':');
    const auto [inside, permissions, has_permissions] = split(rest, ':');
    if (!on_host.starts_with('/'))
      return std::unexpected(bad("device", text, "/dev/NAME[:/dev/INSIDE[:rwm]]"));
    host["Devices"].push_back({{"PathOnHost", on_host},
                               {"PathInContainer", has_rest && !inside.empty() ? inside : on_host},
                               {"CgroupPermissions", has_permissions ? permissions : "rwm"}});
  }
  return {};
}

Result<json> environment(const ContainerFlags& flags) {
  json env = json::array();
  for (const std::string& path : flags.env_files) {
    PLIMSOLL_ASSIGN(const auto lines, read_pairs_file(path));
    for (const std::string& line : lines) env.push_back(line);
  }
  for (const std::string& text : flags.env) {
    if (text.empty() || text.starts_with('=')) return std::unexpected(bad("env", text, "KEY=VALUE or KEY"));
    if (text.find('=') != std::string::npos) {
      env.push_back(text);
    } else if (const char* value = std::getenv(text.c_str())) {
      env.push_back(text + "=" + value);
    }
  }
  return env;
}

Result<json> labels_of(const ContainerFlags& flags) {
  json labels = json::object();
  for (const std::string& path : flags.label_files) {
    PLIMSOLL_ASSIGN(const auto lines, read_pairs_file(path));
    for (const std::string& line : lines) {
      const auto [key, value, has_value] = split(line, '=');
      labels[key] = value;
    }
  }
  for (const std::string& text : flags.labels) {
    const auto [key, value, has_value] = split(text, '=');
    if (key.empty()) return std::unexpected(bad("label", text, "KEY=VALUE or KEY"));
    labels[key] = value;
  }
  return labels;
}

Result<json> host_config(const ContainerFlags& flags) {
  json host = {
      {"AutoRemove", flags.remove}, {"ReadonlyRootfs", flags.read_only}, {"Privileged", flags.privileged}};
  PLIMSOLL_TRY(set_bytes(host, "Memory", "memory", flags.memory));
  PLIMSOLL_TRY(set_bytes(host, "MemorySwap", "memory-swap", flags.memory_swap));
  PLIMSOLL_TRY(set_bytes(host, "MemoryReservation", "memory-reservation", flags.memory_reservation));
  PLIMSOLL_TRY(set_bytes(host, "ShmSize", "shm-size", flags.shm_size));
  PLIMSOLL_TRY(set_cpus(host, flags.cpus));
  PLIMSOLL_TRY(set_integer(host, "CpuShares", "cpu-shares", flags.cpu_shares));
  PLIMSOLL_TRY(set_integer(host, "PidsLimit", "pids-limit", flags.pids_limit));
  PLIMSOLL_TRY(set_integer(host, "OomScoreAdj", "oom-score-adj", flags.oom_score_adj));
  PLIMSOLL_TRY(set_restart(host, flags.restart, flags.remove));
  PLIMSOLL_TRY(set_ulimits(host, flags.ulimits));
  PLIMSOLL_TRY(set_volumes(host, flags.volumes));
  PLIMSOLL_TRY(set_devices(host, flags.devices));
  if (!flags.sysctls.empty())
    PLIMSOLL_TRY(set_pairs(host["Sysctls"] = json::object(), "sysctl", flags.sysctls));
  if (!flags.log_opts.empty()) {
    host["LogConfig"] = {{"Type", "json-file"}, {"Config", json::object()}};
    PLIMSOLL_TRY(set_pairs(host["LogConfig"]["Config"], "log-opt", flags.log_opts));
  }
  for (const std::string& text : flags.tmpfs) {
    const auto [path, options, has_options] = split(text, ':');
    if (!path.starts_with('/')) return std::unexpected(bad("tmpfs", text, "/FOLDER[:OPTIONS]"));
    host["Tmpfs"][path] = options;
  }
  if (!flags.cpuset_cpus.empty()) host["CpusetCpus"] = flags.cpuset_cpus;
  if (!flags.network.empty()) host["NetworkMode"] = flags.network;
  if (!flags.cap_add.empty()) host["CapAdd"] = flags.cap_add;
  if (!flags.cap_drop.empty()) host["CapDrop"] = flags.cap_drop;
  if (!flags.security_opts.empty()) host["SecurityOpt"] = flags.security_opts;
  return host;
}

}  // namespace

Result<std::vector<std::string>> read_pairs_file(const std::string& path) {
  std::ifstream in(path);
  if (!in) return fail_errno("open " + path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.starts_with('#')) continue;
    if (line.find('=') == std::string::npos || line.starts_with('=')) {
      return invalid(fmt::format("{}: line '{}': expected KEY=VALUE", path, line));
    }
    lines.push_back(line);
  }
  return lines;
}

void ContainerFlags::declare(Flags& flags) {
  flags.value(0, "name", name, "NAME", "name of the container (made up if not given)")
      .flag('i', "interactive", interactive, "keep standard input open")
      .flag('t', "tty", tty, "give it a terminal")
      .flag(0, "rm", remove, "remove it when it ends")
      .value(0, "restart", restart, "POLICY", "no, on-failure[:N], always or unless-stopped")
      .list('e', "env", env, "KEY=VALUE", "an environment variable; KEY alone passes the caller's")
      .list(0, "env-file", env_files, "FILE", "a file of KEY=VALUE lines")
      .list('l', "label", labels, "KEY=VALUE", "a label, for `ps --filter` and policies")
      .list(0, "label-file", label_files, "FILE", "a file of KEY=VALUE lines")
      .list('v', "volume", volumes, "HOST:INSIDE[:ro]", "mount a folder or file of the host")
      .list(0, "tmpfs", tmpfs, "PATH[:OPTIONS]", "mount an empty tmpfs")
      .value('w', "workdir", workdir, "PATH", "working folder inside")
      .value('u', "user", user, "USER[:GROUP]", "name or number")
      .value(0, "entrypoint", entrypoint, "COMMAND", "instead of the image's entrypoint")
      .value('h', "hostname", hostname, "NAME", "host name inside")
      .value('m', "memory", memory, "SIZE", "memory.max")
      .value(0, "memory-swap", memory_swap, "SIZE", "memory and swap together; -1: swap without limit")
      .value(0, "memory-reservation", memory_reservation, "SIZE", "memory.low")
      .value(0, "shm-size", shm_size, "SIZE", "size of /dev/shm")
      .value(0, "cpus", cpus, "CORES", "cpu.max, such as 0.5")
      .value('c', "cpu-shares", cpu_shares, "SHARES", "relative weight, 1024 is normal")
      .value(0, "cpuset-cpus", cpuset_cpus, "LIST", "CPUs it may use, such as 0-3,7")
      .value(0, "pids-limit", pids_limit, "N", "pids.max; -1: none")
      .value(0, "network", network, "MODE", "none or host")
      .flag(0, "read-only", read_only, "the container's root is read-only")
      .flag(0, "privileged", privileged, "all capabilities and devices, no masks: root on the host")
      .list(0, "cap-add", cap_add, "CAP", "add a Linux capability, or ALL")
      .list(0, "cap-drop", cap_drop, "CAP", "take a Linux capability away, or ALL")
      .list(0, "security-opt", security_opts, "OPTION", "no-new-privileges, seccomp=unconfined")
      .list(0, "sysctl", sysctls, "KEY=VALUE", "a kernel parameter of its namespaces")
      .list(0, "ulimit", ulimits, "NAME=SOFT[:HARD]", "a resource limit, such as nofile=1024")
      .list(0, "device", devices, "HOST[:INSIDE[:rwm]]", "a device of the host")
      .list(0, "log-opt", log_opts, "KEY=VALUE", "max-size=SIZE, max-file=N")
      .value(0, "oom-score-adj", oom_score_adj, "N", "-1000 to 1000")
      .value(0, "stop-signal", stop_signal, "SIGNAL", "what `stop` sends first")
      .value(0, "stop-timeout", stop_timeout, "SECONDS", "how long `stop` waits before SIGKILL")
      .value(0, "cidfile", cidfile, "FILE", "write the container's id to a new file");
}

Result<json> ContainerFlags::body(const std::vector<std::string>& words, bool attached) const {
  json body = {{"Image", words.front()},
               {"Tty", tty},
               {"OpenStdin", interactive},
               {"StdinOnce", interactive && attached},
               {"AttachStdin", interactive && attached},
               {"AttachStdout", attached},
               {"AttachStderr", attached}};
  PLIMSOLL_ASSIGN(body["Env"], environment(*this));
  PLIMSOLL_ASSIGN(body["Labels"], labels_of(*this));
  PLIMSOLL_ASSIGN(body["HostConfig"], host_config(*this));
  if (words.size() > 1) body["Cmd"] = std::vector<std::string>(words.begin() + 1, words.end());
  if (!entrypoint.empty()) body["Entrypoint"] = json::array({entrypoint});
  if (!hostname.empty()) body["Hostname"] = hostname;
  if (!user.empty()) body["User"] = user;
  if (!workdir.empty()) body["WorkingDir"] = workdir;
  if (!stop_signal.empty()) body["StopSignal"] = stop_signal;
  PLIMSOLL_TRY(set_integer(body, "StopTimeout", "stop-timeout", stop_timeout));
  return body;
}

}  // namespace plimsoll::cli
