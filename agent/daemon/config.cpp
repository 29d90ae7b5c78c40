#include "agent/daemon/config.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "agent/api/address.h"
#include "bpf/probes.h"
#include "exporters/render.h"

namespace plimsoll::daemon {
Result<std::string> runtime_beside_this_program() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail("find plimsoll-runtime beside this program: " + error.message());
  return (self.parent_path() / "plimsoll-runtime").string();
}

namespace {

Result<> are_probes(const std::string& flag, const std::set<std::string>& names) {
  const auto known = bpf::probe_names();
  for (const std::string& name : names) {
    if (name == "all" || std::ranges::find(known, name) != known.end()) continue;
    std::string list = "all";
    for (const std::string_view one : known) list += ", " + std::string(one);
    return invalid(flag + " '" + name + "': expected one of " + list);
  }
  return {};
}

// "All but this one" can be meant; "none but this one" is not how it would be said.
Result<> are_of_one_mind(const std::set<std::string>& on, const std::set<std::string>& off) {
  for (const std::string& name : on) {
    const std::string against = off.contains(name) ? name : "all";
    if (off.contains(against))
      return invalid("--probe '" + name + "': --no-probe '" + against + "' is there too");
  }
  return {};
}

}  // namespace

Result<Config> completed(Config config) {
  using namespace std::chrono_literals;
  if (config.tick < 100ms || config.tick > 1min) {
    return invalid("--interval '" + format_duration(config.tick) + "': expected 100ms to 1m");
  }
  std::map<std::string, std::string> label_names;
  for (const std::string& key : config.label_keys) {
    const auto [other, added] = label_names.emplace(exporters::container_label_name(key), key);
    if (!added) {
      return invalid("--metric-label '" + key + "': has the same name in metrics as '" + other->second +
                     "', " + other->first);
    }
  }
  PLIMSOLL_TRY(are_probes("--no-probe", config.probes_off));
  PLIMSOLL_TRY(are_probes("--probe", config.probes_on));
  PLIMSOLL_TRY(are_of_one_mind(config.probes_on, config.probes_off));
  constexpr std::string_view kScheme = "unix://";
  if (config.socket.starts_with(kScheme)) config.socket.erase(0, kScheme.size());
  if (config.socket.find("://") != std::string::npos) {
    return invalid("-H '" + config.socket + "': the agent's own socket is a Unix socket; see also --listen");
  }
  if (config.socket.empty()) config.socket = config.run + "/plimsoll.sock";
  if (config.runtime_binary.empty()) {
    PLIMSOLL_ASSIGN(config.runtime_binary, runtime_beside_this_program());
  }
  std::error_code error;
  for (std::string* path :
       {&config.state, &config.run, &config.socket, &config.policies, &config.runtime_binary}) {
    *path = std::filesystem::absolute(*path, error).lexically_normal().string();
    if (error) return fail("the path " + *path + ": " + error.message());
    if (path->size() > 1 && path->ends_with('/')) path->pop_back();
  }
  if (::access(config.runtime_binary.c_str(), X_OK) != 0 ||
      !std::filesystem::is_regular_file(config.runtime_binary, error)) {
    return invalid("--runtime " + config.runtime_binary + ": no program is there");
  }
  // A folder that comes later is taken up then.
  if (std::filesystem::exists(config.policies, error) &&
      !std::filesystem::is_directory(config.policies, error))
    return invalid("--policies " + config.policies + ": not a folder");
  if (!config.listen.empty()) PLIMSOLL_TRY(api::tcp_address(config.listen));
  return config;
}

Result<> check_probe_room(const Config& config, Bytes wanted, Bytes memory) {
  const Bytes most{memory.value / 16};
  if (wanted <= most) return {};
  return invalid("--probe-containers " + std::to_string(config.probe_containers) + ", --probe-cells " +
                 std::to_string(config.probe_cells) + ": their maps would take " + format_bytes(wanted) +
                 ", and a 16th of this host's memory is " + format_bytes(most));
}

}  // namespace plimsoll::daemon
