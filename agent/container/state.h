// What is kept of a container on disk: one JSON document, replaced atomically.
#pragma once

#include <optional>
#include <string>

#include "agent/base/clock.h"
#include "agent/container/config.h"
#include "agent/container/containers.h"

namespace plimsoll::container {

struct Usage {
  std::uint64_t cpu_usec = 0, cpu_user_usec = 0, cpu_system_usec = 0, memory_peak = 0;
  std::uint64_t oom_kills = 0;
};

// exit.json of a shim.
struct ExitRecord {
  int code = 137;
  bool oom_killed = false;
  WallTime started, exited;
  Usage usage;
  model::CgroupId cgroup;  // of the run; 0 where nobody knows
};

struct State {
  std::string id;
  Config config;
  std::string image_id;  // 64 hex digits
  std::string layer;     // the folder that is the overlay's lower
  std::vector<std::string> path_and_args;
  WallTime created;
  Status status = Status::kCreated;
  int exit_code = 0;
  bool oom_killed = false;
  std::string error;  // why the last start failed
  std::optional<WallTime> started, finished;
  int pid = 0;
  std::uint32_t restarts = 0;
  int failures = 0;              // in a row, for the backoff
  bool stopped_by_user = false;  // `unless-stopped` stays down over a restart of the agent
  bool stopping = false;         // the end that comes is the user's; not once another agent finds it running
  Usage usage;                   // of the last run, known at its end
};

std::string to_json(const State& state);
// `forgiven`: see stored_config().
Result<State> parse_state(const std::string& text, std::vector<std::string>& forgiven);
// What can still be told of a container whose state is refused by parse_state(): its name and image, if any.
State salvage_state(const std::string& id, const std::string& text);
Result<ExitRecord> parse_exit(const std::string& text);

}  // namespace plimsoll::container
