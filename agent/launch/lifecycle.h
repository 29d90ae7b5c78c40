// The operations of the OCI runtime (runtime.md, "Operations") on containers below a state folder. Errors
// name the container. For single-threaded processes.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/launch/spawn.h"
#include "agent/launch/store.h"

namespace plimsoll::launch {

// Where things are on this host.
struct Roots {
  std::string state;   // "/run/plimsoll-runtime"
  std::string proc;    // "/proc"
  std::string cgroup;  // the cgroup v2 mount; empty: found from PROC/self/mounts
};

struct LaunchOptions {
  std::string bundle;
  std::string pid_file;     // "": none
  int console_socket = -1;  // connected
  int preserve_fds = 0;
  bool no_pivot = false;
  bool new_keyring = true;
  bool sibling = false;  // see SpawnInput
  bool hold = true;      // true: wait for start() before the exec
};

// create (hold) or the first half of run. On failure no process, cgroup or folder stays.
Result<Spawned> launch(const Roots& roots, const Clock& clock, const std::string& id,
                       const LaunchOptions& options);

Result<> start(const Roots& roots, const std::string& id);
// kConflict where it is not running. all: every process of its cgroup.
Result<> kill(const Roots& roots, const std::string& id, int signal, bool all);
// kConflict while it runs, unless `force`. With `force` a missing container is no error.
Result<> remove(const Roots& roots, const std::string& id, bool force);

struct Known {
  Record record;
  Status status = Status::kStopped;
};
Result<Known> look_up(const Roots& roots, const std::string& id);
// Those that vanish meanwhile, or whose creation was cut off, are left out.
Result<std::vector<Known>> list(const Roots& roots);

struct ExecOptions {
  std::string process_file;  // a process document; else the container's own process is changed by the rest
  std::vector<std::string> args, env, capabilities;
  std::string cwd, user;  // user: "UID[:GID]"
  bool terminal = false, no_new_privileges = false;
  std::string pid_file;
  int console_socket = -1;
  int preserve_fds = 0;
  int hold_fd = -1;  // the process waits here for one byte before its exec; end of file ends it
  bool sibling = false;
};
// The process of an exec, planned from the container's configuration.
Result<ProcessPlan> plan_exec(const std::string& config, const ExecOptions& options);
// Held before its exec: the caller lets it go.
Result<Spawned> exec(const Roots& roots, const std::string& id, const ProcessPlan& process,
                     const ExecOptions& options);

// Field 22 of /proc/PID/stat; nullopt where the process is gone or a zombie.
std::optional<std::uint64_t> start_time(const std::string& proc, int pid);

}  // namespace plimsoll::launch
