// The containers of this agent: made, started, stopped, waited for and found again after the agent was
// killed.
//
// On disk (Paths::state):
//   lock                         held (flock) while a process has the folder open
//   containers/ID/state.json     the truth; replaced atomically
//   containers/ID/rootfs, upper, work, config.json   the OCI bundle and its overlay
//   containers/ID/shim/          the shim's folder: socket, log, exit.json
// and Paths::run/e/EXEC_ID/   the shim's folder of one exec session.
//
// NAME arguments take a name (with or without "/"), an id or its unique prefix. kNotFound: "No such
// container: x". kConflict: the state forbids it. All calls are thread-safe; those that launch or stop block
// until it is done. Callbacks run on a thread of this class or of a caller, must not block and must not call
// back into this class.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/container/config.h"
#include "agent/container/logs.h"
#include "agent/model/container_ref.h"
#include "agent/model/sample.h"

namespace plimsoll::image {
class Store;
}

namespace plimsoll::container {

struct Paths {
  std::string state, run;                   // "/var/lib/plimsoll", "/run/plimsoll"
  std::string cgroup_root;                  // "/sys/fs/cgroup"
  std::string cgroup_parent = "/plimsoll";  // below cgroup_root; made, with its controllers on
  std::string runtime_binary;               // plimsoll-runtime
  std::string proc = "/proc";
};

enum class Status { kCreated, kRunning, kRestarting, kExited, kRemoving };
std::string_view to_string(Status status);  // Docker's: "created", "running", ...

using CreateRequest = Config;
// The body of POST /containers/create. Errors name the member; see config_json.h. The name is the caller's to
// set.
Result<CreateRequest> parse_create(const std::string& body);

struct Created {
  std::string id;  // 64 hex digits
  std::vector<std::string> warnings;
};

enum class WaitCondition { kNotRunning, kNextExit, kRemoved };
Result<WaitCondition> parse_wait_condition(const std::string& text);  // "" is not-running

// Dropping it ends the subscription; a call that is under way may still end after that.
using Subscription = std::shared_ptr<void>;

struct ExecConfig {
  std::vector<std::string> cmd, env;
  std::string user, working_dir;
  bool tty = false, privileged = false;
  bool attach_stdin = false, attach_stdout = false, attach_stderr = false;
  std::uint16_t console_height = 0, console_width = 0;
};
Result<ExecConfig> parse_exec(const std::string& body);  // the body of POST /containers/NAME/exec

struct Streams {
  bool out = true, err = true;
};

using ExitListener = std::function<void(const model::EndedContainer&)>;

// One line of Docker's /events, already JSON, without the newline.
struct EventText {
  WallTime when;
  std::string json;
};

struct ListOptions {
  bool all = false;   // else only the running
  int limit = 0;      // the newest N, running or not; 0: no limit
  bool size = false;  // SizeRw
  // Docker's filters: see list_filters.h. kInvalid for others.
  std::map<std::string, std::vector<std::string>> filters;
};

struct Top {
  std::vector<std::string> titles;
  std::vector<std::vector<std::string>> processes;
};

class Containers {
 public:
  // Takes the lock (kConflict: another agent has the folder), finds every container again, reconnects to the
  // living, cleans up what was half-made or half-removed, and restarts what its policy says. `clock` and
  // `images` outlive it.
  static Result<std::unique_ptr<Containers>> open(const Paths& paths, image::Store& images,
                                                  const Clock& clock);
  // Lets go of everything; containers go on.
  ~Containers();

  Result<Created> create(const CreateRequest& request);
  Result<bool> start(const std::string& name);  // false: it runs already
  // `timeout` nullopt: the container's own, else 10 s; negative: for ever. Then SIGKILL. false: it was not
  // running.
  Result<bool> stop(const std::string& name, std::optional<std::chrono::seconds> timeout = std::nullopt,
                    const std::string& signal = "");
  Result<> kill(const std::string& name, const std::string& signal = "");  // "": SIGKILL
  Result<> restart(const std::string& name, std::optional<std::chrono::seconds> timeout = std::nullopt,
                   const std::string& signal = "");
  // Those that wait in stop() and restart(), now and later, get an error instead of waiting on: for the
  // agent's end.
  void interrupt();
  Result<> remove(const std::string& name, bool force);
  Result<> rename(const std::string& name, const std::string& new_name);
  // `done` gets the exit code once. kNotRunning is told at once where it does not run.
  Result<Subscription> wait(const std::string& name, WaitCondition condition,
                            std::function<void(int code)> done);

  Result<std::string> id_of(const std::string& name) const;
  Result<nlohmann::json> inspect(const std::string& name,
                                 bool size = false) const;        // GET /containers/NAME/json
  Result<nlohmann::json> list(const ListOptions& options) const;  // GET /containers/json
  Result<Top> top(const std::string& name) const;
  Result<Config> config(const std::string& name) const;
  std::map<Status, int> counts() const;

  // A connected stream socket that speaks shim/protocol.h: output frames come in, kStdin, kStdinEnd and
  // kResize may go out; kExited is the end. A container that does not run yet is prepared, so that nothing of
  // its output is missed.
  Result<UniqueFd> attach(const std::string& name, Streams streams);
  Result<> resize(const std::string& name, int rows, int columns);
  Result<std::unique_ptr<LogReader>> logs(const std::string& name, const LogOptions& options) const;

  Result<std::string> exec_create(const std::string& name, const ExecConfig& config);  // its id
  // Attached: as attach(), begun before the process runs. detach: an empty UniqueFd.
  Result<UniqueFd> exec_start(const std::string& exec_id, bool detach);
  Result<nlohmann::json> exec_inspect(const std::string& exec_id) const;
  // Waits until the end of a session's process is noted, so that exec_inspect tells its exit code; false: the
  // time is up.
  bool exec_wait(const std::string& exec_id, std::chrono::milliseconds most) const;
  Result<ExecConfig> exec_config(const std::string& exec_id) const;
  Result<> exec_resize(const std::string& exec_id, int rows, int columns);

  // The last 1000 events at or after `since`, then new ones as they happen, in order and none twice.
  std::vector<EventText> events(WallTime since) const;
  Subscription subscribe(std::optional<WallTime> since, std::function<void(const EventText&)> tell);

  // Who a container is, for the watch flow; nullopt where the id is not one of ours.
  std::optional<model::ContainerRef> identity(const std::string& container_id) const;
  // Called at each exit, with what its shim read last: CPU time, the memory's peak, OOM kills. The first who
  // subscribes is also told, at once, of those that were found ended by open() or ended since. `vanished` is
  // when the process ended; ref.id is 0 where the shim could not tell.
  Subscription on_exit(ExitListener tell);

  class Core;  // this room's own

 private:
  explicit Containers(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace plimsoll::container
