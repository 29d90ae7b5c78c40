// What Docker's API tells of containers.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/base/rfc3339.h"
#include "agent/container/config_json.h"
#include "agent/container/core.h"
#include "agent/container/list_filters.h"
#include "agent/container/time_words.h"
#include "agent/kernel/cgroup.h"
#include "agent/kernel/file.h"

namespace plimsoll::container {
namespace {

using nlohmann::json;
constexpr const char* kNever = "0001-01-01T00:00:00Z";

std::string moment(const std::optional<WallTime>& when) { return when ? format_rfc3339(*when) : kNever; }

std::uint64_t size_of(const std::string& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (auto at = std::filesystem::recursive_directory_iterator(folder, error);
       !error && at != std::filesystem::recursive_directory_iterator(); at.increment(error)) {
    struct stat about{};
    if (::lstat(at->path().c_str(), &about) == 0 && S_ISREG(about.st_mode))
      bytes += static_cast<std::uint64_t>(about.st_size);
  }
  return bytes;
}

json mounts_of(const Config& config) {
  json out = json::array();
  for (const MountPoint& mount : config.mounts) {
    out.push_back({{"Type", mount.kind == MountPoint::Kind::kBind ? "bind" : "tmpfs"},
                   {"Source", mount.source},
                   {"Destination", mount.target},
                   {"Mode", ""},
                   {"RW", !mount.read_only},
                   {"Propagation", mount.propagation.empty() ? "rprivate" : mount.propagation}});
  }
  return out;
}

json state_json(const State& state) {
  return {{"Status", std::string(to_string(state.status))},
          {"Running", state.status == Status::kRunning || state.status == Status::kRestarting},
          {"Paused", false},
          {"Restarting", state.status == Status::kRestarting},
          {"OOMKilled", state.oom_killed},
          {"Dead", false},
          {"Pid", state.status == Status::kRunning ? state.pid : 0},
          {"ExitCode", state.exit_code},
          {"Error", state.error},
          {"StartedAt", moment(state.started)},
          {"FinishedAt", moment(state.finished)}};
}

std::string status_words(const State& state, WallTime now) {
  const auto since = [&](const std::optional<WallTime>& when) {
    return duration_words(now - when.value_or(now));
  };
  switch (state.status) {
    case Status::kRunning:
      return "Up " + since(state.started);
    case Status::kRestarting:
      return "Restarting (" + std::to_string(state.exit_code) + ") " + since(state.finished) + " ago";
    case Status::kExited:
      return "Exited (" + std::to_string(state.exit_code) + ") " + since(state.finished) + " ago";
    case Status::kRemoving:
      return "Removal In Progress";
    case Status::kCreated:
      break;
  }
  return "Created";
}

// As Docker shows a command: arguments with a space are quoted, the program is not.
std::string command_text(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool quoted = i > 0 && words[i].find(' ') != std::string::npos;
    out += (i > 0 ? " " : "") + (quoted ? "'" + words[i] + "'" : words[i]);
  }
  return out;
}

json summary(const State& state, WallTime now) {
  return {{"Id", state.id},
          {"Names", {"/" + state.config.name}},
          {"Image", state.config.image},
          {"ImageID", "sha256:" + state.image_id},
          {"Command", command_text(state.path_and_args)},
          {"Created", std::chrono::floor<std::chrono::seconds>(state.created).time_since_epoch().count()},
          {"Ports", json::array()},
          {"Labels", state.config.labels},
          {"State", std::string(to_string(state.status))},
          {"Status", status_words(state, now)},
          {"HostConfig", {{"NetworkMode", state.config.network_mode}}},
          {"NetworkSettings", {{"Networks", {{network_of(state.config), json::object()}}}}},
          {"Mounts", mounts_of(state.config)}};
}

}  // namespace

Result<json> Containers::Core::inspect(const std::string& name, bool size) const {
  PLIMSOLL_ASSIGN(const State state, state_of(name));
  const std::string home = folder(state.id);
  Config shown = state.config;
  if (shown.hostname.empty()) shown.hostname = state.id.substr(0, 12);
  const std::vector<std::string> arguments(
      state.path_and_args.begin() + (state.path_and_args.empty() ? 0 : 1), state.path_and_args.end());
  json out = {{"Id", state.id},
              {"Created", format_rfc3339(state.created)},
              {"Path", state.path_and_args.empty() ? "" : state.path_and_args[0]},
              {"Args", arguments},
              {"State", state_json(state)},
              {"Image", "sha256:" + state.image_id},
              {"LogPath", home + "/shim/log"},
              {"HostnamePath", home + "/hostname"},
              {"HostsPath", home + "/hosts"},
              {"ResolvConfPath", ""},
              {"Name", "/" + state.config.name},
              {"RestartCount", state.restarts},
              {"Driver", "overlay2"},
              {"Platform", "linux"},
              {"MountLabel", ""},
              {"ProcessLabel", ""},
              {"AppArmorProfile", ""},
              {"ExecIDs", nullptr},
              {"HostConfig", host_config_to_json(state.config)},
              {"GraphDriver",
               {{"Name", "overlay2"},
                {"Data",
                 {{"LowerDir", state.layer},
                  {"MergedDir", home + "/rootfs"},
                  {"UpperDir", home + "/upper"},
                  {"WorkDir", home + "/work"}}}}},
              {"Mounts", mounts_of(state.config)},
              {"Config", config_to_json(shown)},
              {"NetworkSettings",
               {{"Ports", json::object()}, {"Networks", {{network_of(state.config), json::object()}}}}}};
  // Not Docker's: what the last run used, known at its end.
  out["LastUsage"] = {{"CpuUsageUsec", state.usage.cpu_usec},
                      {"CpuUserUsec", state.usage.cpu_user_usec},
                      {"CpuSystemUsec", state.usage.cpu_system_usec},
                      {"MemoryPeakBytes", state.usage.memory_peak}};
  if (size) {
    out["SizeRw"] = size_of(home + "/upper");
    out["SizeRootFs"] = size_of(home + "/upper") + size_of(state.layer);
  }
  return out;
}

Result<json> Containers::Core::list(const ListOptions& options) const {
  std::vector<State> states;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, item] : items_) states.push_back(item->state);
  }
  std::ranges::sort(states, [](const State& a, const State& b) { return a.created > b.created; });
  const bool all = options.all || options.limit > 0 || options.filters.contains("status") ||
                   options.filters.contains("exited");
  json out = json::array();
  const auto created_of = [&](const std::string& name) -> Result<WallTime> {
    PLIMSOLL_ASSIGN(const State state, state_of(name));
    return state.created;
  };
  // A filter that means nothing is refused even where there is nothing to filter.
  PLIMSOLL_TRY(matches(State{}, options.filters, created_of));
  for (const State& state : states) {
    PLIMSOLL_ASSIGN(const bool matched, matches(state, options.filters, created_of));
    const bool up = state.status == Status::kRunning || state.status == Status::kRestarting;
    if (!matched || (!all && !up)) continue;
    out.push_back(summary(state, clock_.wall()));
    if (options.size) {
      out.back()["SizeRw"] = size_of(folder(state.id) + "/upper");
      out.back()["SizeRootFs"] = size_of(folder(state.id) + "/upper") + size_of(state.layer);
    }
    if (options.limit > 0 && out.size() >= static_cast<std::size_t>(options.limit)) break;
  }
  return out;
}

Result<Top> Containers::Core::top(const std::string& name) const {
  PLIMSOLL_ASSIGN(const State state, state_of(name));
  if (state.status != Status::kRunning)
    return fail("container " + state.id + " is not running", ErrorKind::kConflict);
  PLIMSOLL_ASSIGN(const auto cgroup_folder, kernel::Cgroup::open(paths_.cgroup_root + cgroup(state.id)));
  PLIMSOLL_ASSIGN(const auto pids, cgroup_folder.processes());
  Top out{.titles = {"UID", "PID", "PPID", "CMD"}, .processes = {}};
  for (const int pid : pids) {
    const std::string folder_of = paths_.proc + "/" + std::to_string(pid);
    const auto status = kernel::read_file(folder_of + "/status");
    auto command = kernel::read_file(folder_of + "/cmdline");
    if (!status || !command) continue;  // ended meanwhile
    const auto field = [&](const std::string& title) -> std::string {
      const auto at = status->find("\n" + title + ":\t");
      if (at == std::string::npos) return "";
      const auto begin = at + title.size() + 3;
      return status->substr(begin, status->find_first_of("\t\n", begin) - begin);
    };
    while (!command->empty() && command->back() == '\0') command->pop_back();
    std::ranges::replace(*command, '\0', ' ');
    out.processes.push_back({field("Uid"), std::to_string(pid), field("PPid"), *command});
  }
  return out;
}

std::optional<model::ContainerRef> Containers::Core::identity(const std::string& id) const {
  model::ContainerRef ref;
  {
    const std::lock_guard lock(mutex_);
    const auto found = items_.find(id);
    if (found == items_.end()) return std::nullopt;
    ref = ref_of(found->second->state);
  }
  if (const auto opened = kernel::Cgroup::open(paths_.cgroup_root + ref.cgroup); opened)
    ref.id = opened->id();
  return ref;
}

model::ContainerRef Containers::Core::ref_of(const State& state) const {
  model::ContainerRef ref{.id = {},
                          .cgroup = cgroup(state.id),
                          .runtime = model::Runtime::kPlimsoll,
                          .container_id = state.id,
                          .name = state.config.name,
                          .image = state.config.image,
                          .labels = state.config.labels,
                          .created = state.created,
                          .started = state.started,
                          .restarts = state.restarts};
  if (state.pid != 0) ref.init_pid = state.pid;
  return ref;
}

}  // namespace plimsoll::container
