// Exec sessions: each has a shim of its own, which lives as long as its process.
#include <sys/epoll.h>
#include <sys/random.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/container/bundle.h"
#include "agent/container/core.h"
#include "agent/container/json_member.h"
#include "agent/kernel/file.h"

namespace plimsoll::container {
namespace {

using nlohmann::json;
constexpr std::chrono::seconds kAnswer{30};

Result<std::string> exec_id() {
  std::string out;
  while (out.size() < 64) {
    std::uint32_t word = 0;
    if (::getrandom(&word, sizeof word, 0) != sizeof word) return fail_errno("get random bytes");
    for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[word >> shift & 15];
  }
  return out;
}

}  // namespace

Result<ExecConfig> parse_exec(const std::string& body) {
  const json document = json::parse(body, nullptr, false);
  if (document.is_discarded()) return invalid("the request's body is not JSON");
  std::optional<Error> error;
  const Members in(&document, "", error);
  ExecConfig out{.cmd = in.texts("Cmd"),
                 .env = in.texts("Env"),
                 .user = in.text("User"),
                 .working_dir = in.text("WorkingDir"),
                 .tty = in.boolean("Tty"),
                 .privileged = in.boolean("Privileged"),
                 .attach_stdin = in.boolean("AttachStdin"),
                 .attach_stdout = in.boolean("AttachStdout"),
                 .attach_stderr = in.boolean("AttachStderr")};
  if (const json* size = in.find("ConsoleSize"); size != nullptr && size->is_array() && size->size() == 2 &&
                                                 (*size)[0].is_number_unsigned() &&
                                                 (*size)[1].is_number_unsigned()) {
    out.console_height = static_cast<std::uint16_t>((*size)[0].get<std::uint64_t>());
    out.console_width = static_cast<std::uint16_t>((*size)[1].get<std::uint64_t>());
  }
  in.refuse_rest({"DetachKeys", "Detach", "Container"});
  if (error) return std::unexpected(std::move(*error));
  if (out.cmd.empty() || out.cmd[0].empty()) return invalid("No exec command specified");
  return out;
}

Result<std::string> Containers::Core::exec_create(const std::string& name, const ExecConfig& config) {
  PLIMSOLL_ASSIGN(const std::string id, exec_id());
  const std::lock_guard lock(mutex_);
  PLIMSOLL_ASSIGN(const ItemPtr item, find_locked(name));
  if (!item->unreadable.empty()) return fail(item->unreadable, ErrorKind::kConflict);
  if (item->state.status != Status::kRunning)
    return fail("container " + item->state.id + " is not running", ErrorKind::kConflict);
  auto session = std::make_shared<ExecSession>();
  session->id = id;
  session->container = item->state.id;
  session->config = config;
  session->forget_at = clock_.boot() + kSessionKept;
  sessions_[id] = session;
  due_.notify_one();  // who keeps the time
  tell(*item, "exec_create: " + config.cmd[0], {{"execID", id}});
  return id;
}

Result<UniqueFd> Containers::Core::exec_start(const std::string& id, bool detach) {
  std::shared_ptr<ExecSession> session;
  State state;
  {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return fail("No such exec instance: " + id, ErrorKind::kNotFound);
    session = found->second;
    const auto item = items_.find(session->container);
    if (item == items_.end() || item->second->state.status != Status::kRunning)
      return fail("container " + session->container + " is not running", ErrorKind::kConflict);
    if (session->started) return fail("exec " + id + " has been started already", ErrorKind::kConflict);
    session->started = true;
    session->forget_at.reset();
    state = item->second->state;
  }
  auto client = [&]() -> Result<UniqueFd> {
    PLIMSOLL_TRY(launch_exec(*session, state));
    return run_exec(*session);
  }();
  if (!client) {
    (void)end_shim(exec_dir(id), kAnswer);
    std::error_code ignored;
    std::filesystem::remove_all(exec_dir(id), ignored);
    const std::lock_guard lock(mutex_);
    session->forget_at = clock_.boot() + kSessionKept;
    due_.notify_one();
    session->exit_code = client.error().message().find("Permission denied") != std::string::npos ? 126 : 127;
    return client;
  }
  if (detach) return UniqueFd();
  return client;
}

Result<> Containers::Core::launch_exec(const ExecSession& session, const State& state) {
  const std::string dir = exec_dir(session.id);
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) return fail("make " + dir + ": " + error.message());
  PLIMSOLL_TRY(kernel::replace_file(dir + "/container", state.id));
  PLIMSOLL_ASSIGN(const oci::Process process,
                  make_exec_process(state.config, session.config, folder(state.id) + "/rootfs"));
  PLIMSOLL_TRY(kernel::replace_file(dir + "/process.json", oci::to_json(process)));
  PLIMSOLL_ASSIGN(const LaunchedShim launched, launch_shim({.binary = paths_.runtime_binary,
                                                            .id = state.id,
                                                            .bundle = folder(state.id),
                                                            .root = paths_.run + "/runtime",
                                                            .dir = dir,
                                                            .cgroup_root = paths_.cgroup_root,
                                                            .cgroup = cgroup(state.id),
                                                            .shim_cgroup = paths_.cgroup_parent + "-shims",
                                                            .exec_process = dir + "/process.json",
                                                            .tty = session.config.tty,
                                                            .open_stdin = session.config.attach_stdin}));
  const std::lock_guard lock(mutex_);
  children_.insert(launched.shim);
  return {};
}

// The client's connection, which is attached before the process runs.
Result<UniqueFd> Containers::Core::run_exec(ExecSession& session) {
  const std::string dir = exec_dir(session.id);
  PLIMSOLL_ASSIGN(UniqueFd client, connect_shim(dir));
  PLIMSOLL_TRY(send_frame(client.get(), shim::FrameKind::kAttach, "stdout,stderr"));
  PLIMSOLL_TRY(await_answer(client.get(), kAnswer));
  PLIMSOLL_ASSIGN(UniqueFd watched, connect_shim(dir));
  const auto answer = ask_shim(dir, shim::FrameKind::kStart, "");
  if (!answer && answer.error().kind() != ErrorKind::kConflict) return std::unexpected(answer.error());
  const std::lock_guard lock(mutex_);
  session.running = true;
  // "running PID", or "created PID" before it: the protocol's status.
  if (const auto pid = parse_u64(answer ? answer->substr(answer->find(' ') + 1) : ""))
    session.pid = static_cast<int>(*pid);
  epoll_event event{.events = EPOLLIN, .data = {.fd = watched.get()}};
  heard_[watched.get()] = "e" + session.id;
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, watched.get(), &event);
  session.connection = std::move(watched);
  return client;
}

bool Containers::Core::exec_wait(const std::string& id, std::chrono::milliseconds most) const {
  std::unique_lock lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return true;
  const std::shared_ptr<ExecSession> session = found->second;
  return changed_.wait_for(lock, most, [&] { return !session->running; });
}

Result<json> Containers::Core::exec_inspect(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return fail("No such exec instance: " + id, ErrorKind::kNotFound);
  const ExecSession& session = *found->second;
  const ExecConfig& config = session.config;
  const std::vector<std::string> arguments(config.cmd.begin() + (config.cmd.empty() ? 0 : 1),
                                           config.cmd.end());
  return json{{"ID", id},
              {"ContainerID", session.container},
              {"Running", session.running},
              {"ExitCode", session.exit_code ? json(*session.exit_code) : json(nullptr)},
              {"Pid", session.pid},
              {"CanRemove", !session.running},
              {"OpenStdin", config.attach_stdin},
              {"OpenStdout", config.attach_stdout},
              {"OpenStderr", config.attach_stderr},
              {"DetachKeys", ""},
              {"ProcessConfig",
               {{"tty", config.tty},
                {"entrypoint", config.cmd.empty() ? "" : config.cmd[0]},
                {"arguments", arguments},
                {"privileged", config.privileged},
                {"user", config.user}}}};
}

Result<ExecConfig> Containers::Core::exec_config(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return fail("No such exec instance: " + id, ErrorKind::kNotFound);
  return found->second->config;
}

Result<> Containers::Core::exec_resize(const std::string& id, int rows, int columns) {
  PLIMSOLL_TRY(exec_config(id));
  PLIMSOLL_TRY(
      ask_shim(exec_dir(id), shim::FrameKind::kResize, std::to_string(rows) + " " + std::to_string(columns)));
  return {};
}

}  // namespace plimsoll::container
