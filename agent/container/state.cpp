#include "agent/container/state.h"

#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/base/rfc3339.h"
#include "agent/container/config_json.h"
#include "agent/container/json_member.h"

namespace plimsoll::container {
namespace {

using nlohmann::json;

Result<json> parse_document(const std::string& text, const char* what) {
  json document = json::parse(text, nullptr, false);
  if (document.is_discarded() || !document.is_object())
    return invalid(std::string(what) + ": not a JSON object");
  return document;
}

Status status_from(const Members& in) {
  const std::string text = in.text("status");
  for (const Status status :
       {Status::kCreated, Status::kRunning, Status::kRestarting, Status::kExited, Status::kRemoving}) {
    if (text == to_string(status)) return status;
  }
  in.fail("status", "'" + text + "' is unknown");
  return Status::kExited;
}

json moment_or_null(const std::optional<WallTime>& when) {
  return when ? json(format_rfc3339(*when)) : json(nullptr);
}

}  // namespace

std::string_view to_string(Status status) {
  switch (status) {
    case Status::kCreated:
      return "created";
    case Status::kRunning:
      return "running";
    case Status::kRestarting:
      return "restarting";
    case Status::kExited:
      return "exited";
    case Status::kRemoving:
      break;
  }
  return "removing";
}

std::string to_json(const State& state) {
  const json out = {{"id", state.id},
                    {"name", state.config.name},
                    {"config", document_of(state.config)},
                    {"imageId", state.image_id},
                    {"layer", state.layer},
                    {"command", state.path_and_args},
                    {"created", format_rfc3339(state.created)},
                    {"status", std::string(to_string(state.status))},
                    {"exitCode", state.exit_code},
                    {"oomKilled", state.oom_killed},
                    {"error", state.error},
                    {"started", moment_or_null(state.started)},
                    {"finished", moment_or_null(state.finished)},
                    {"pid", state.pid},
                    {"restarts", state.restarts},
                    {"failures", state.failures},
                    {"stoppedByUser", state.stopped_by_user},
                    {"stopping", state.stopping},
                    {"cpuUsageUsec", state.usage.cpu_usec},
                    {"cpuUserUsec", state.usage.cpu_user_usec},
                    {"cpuSystemUsec", state.usage.cpu_system_usec},
                    {"memoryPeakBytes", state.usage.memory_peak}};
  return json_text(out, 1);
}

Result<State> parse_state(const std::string& text, std::vector<std::string>& forgiven) {
  PLIMSOLL_ASSIGN(const json document, parse_document(text, "state.json"));
  std::optional<Error> error;
  const Members in(&document, "", error);
  State state;
  state.id = in.text("id");
  const json* config = in.find("config");
  PLIMSOLL_ASSIGN(state.config, stored_config(config == nullptr ? json::object() : *config, forgiven));
  state.config.name = in.text("name");
  state.image_id = in.text("imageId");
  state.layer = in.text("layer");
  state.path_and_args = in.texts("command");
  state.created = parse_rfc3339(in.text("created")).value_or(WallTime{});
  state.status = status_from(in);
  state.exit_code = static_cast<int>(in.integer("exitCode"));
  state.oom_killed = in.boolean("oomKilled");
  state.error = in.text("error");
  state.started = parse_rfc3339(in.text("started"));
  state.finished = parse_rfc3339(in.text("finished"));
  state.pid = static_cast<int>(in.integer("pid"));
  state.restarts = static_cast<std::uint32_t>(in.natural("restarts"));
  state.failures = static_cast<int>(in.natural("failures"));
  state.stopped_by_user = in.boolean("stoppedByUser");
  state.stopping = in.boolean("stopping");
  state.usage = {.cpu_usec = static_cast<std::uint64_t>(in.natural("cpuUsageUsec")),
                 .cpu_user_usec = static_cast<std::uint64_t>(in.natural("cpuUserUsec")),
                 .cpu_system_usec = static_cast<std::uint64_t>(in.natural("cpuSystemUsec")),
                 .memory_peak = static_cast<std::uint64_t>(in.natural("memoryPeakBytes"))};
  if (state.id.size() != 64) in.fail("id", "is not one");
  if (error) return std::unexpected(std::move(*error).in("state.json"));
  return state;
}

State salvage_state(const std::string& id, const std::string& text) {
  constexpr std::size_t kShortId = 12;
  State state;
  state.id = id;
  state.status = Status::kExited;
  state.config.name = id.substr(0, kShortId);
  const auto document = parse_document(text, "state.json");
  if (!document) return state;
  std::optional<Error> ignored;
  const Members in(&*document, "", ignored);
  if (const std::string name = in.text("name"); !name.empty()) state.config.name = name;
  state.image_id = in.text("imageId");
  state.layer = in.text("layer");
  return state;
}

Result<ExitRecord> parse_exit(const std::string& text) {
  PLIMSOLL_ASSIGN(const json document, parse_document(text, "exit.json"));
  std::optional<Error> error;
  const Members in(&document, "", error);
  ExitRecord out;
  if (in.find("exitCode") == nullptr) return invalid("exit.json: exitCode is missing");
  out.code = static_cast<int>(in.integer("exitCode"));
  out.oom_killed = in.boolean("oomKilled");
  out.started = parse_rfc3339(in.text("startedAt")).value_or(WallTime{});
  out.exited = parse_rfc3339(in.text("exitedAt")).value_or(WallTime{});
  out.usage = {.cpu_usec = static_cast<std::uint64_t>(in.natural("cpuUsageUsec")),
               .cpu_user_usec = static_cast<std::uint64_t>(in.natural("cpuUserUsec")),
               .cpu_system_usec = static_cast<std::uint64_t>(in.natural("cpuSystemUsec")),
               .memory_peak = static_cast<std::uint64_t>(in.natural("memoryPeakBytes")),
               .oom_kills = static_cast<std::uint64_t>(in.natural("oomKills"))};
  out.cgroup.inode = static_cast<std::uint64_t>(in.natural("cgroupId"));
  if (error) return std::unexpected(std::move(*error).in("exit.json"));
  return out;
}

}  // namespace plimsoll::container
