// Taking the state folder over from an agent that may have been killed at any instant.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "agent/base/log.h"
#include "agent/base/units.h"
#include "agent/container/core.h"
#include "agent/image/overlay.h"
#include "agent/kernel/cgroup.h"
#include "agent/kernel/file.h"

namespace plimsoll::container {
namespace {

namespace fs = std::filesystem;
// A launch or a release that hangs must not keep the others from theirs.
constexpr int kWorkers = 4;

Result<> make_folder(const std::string& path, unsigned mode) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail("make " + path + ": " + error.message());
  if (::chmod(path.c_str(), mode) != 0) return fail_errno("chmod " + path);
  return {};
}

std::vector<std::string> entries_of(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) out.push_back(entry.path().filename());
  return out;
}

// The value of --dir in a shim's command line, "" where it is another program.
std::string shim_dir_of(const std::string& command_line) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < command_line.size();) {
    const std::size_t end = std::min(command_line.find('\0', at), command_line.size());
    words.push_back(command_line.substr(at, end - at));
    at = end + 1;
  }
  const auto verb = std::ranges::find(words, "shim");
  if (verb == words.end()) return "";
  const auto flag = std::ranges::find(words, "--dir");
  return flag == words.end() || flag + 1 == words.end() ? "" : *(flag + 1);
}

bool is_absent(const std::string& path) {
  std::error_code ignored;  // anything else than "not found" says nothing
  return fs::symlink_status(path, ignored).type() == fs::file_type::not_found;
}

}  // namespace

Result<> Containers::Core::take_lock() {
  const std::string path = paths_.state + "/lock";
  lock_ = UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_) return fail_errno("open " + path);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno == EWOULDBLOCK)
    return fail("another agent uses the state folder " + paths_.state + " (its lock is held)",
                ErrorKind::kConflict);
  return fail_errno("lock " + path);
}

Result<> Containers::Core::make_cgroups() const {
  PLIMSOLL_ASSIGN(const auto root, kernel::Cgroup::open(paths_.cgroup_root));
  const auto available = root.controllers();
  std::vector<std::string> wanted;
  if (available) {
    for (const char* name : {"cpu", "cpuset", "io", "memory", "pids", "hugetlb"}) {
      if (std::ranges::find(*available, name) != available->end()) wanted.emplace_back(name);
    }
    if (!wanted.empty()) PLIMSOLL_TRY(root.enable(wanted));
  }
  PLIMSOLL_ASSIGN(const auto parent, kernel::Cgroup::create(paths_.cgroup_root + paths_.cgroup_parent));
  if (!wanted.empty()) PLIMSOLL_TRY(parent.enable(wanted));
  PLIMSOLL_TRY(kernel::Cgroup::create(paths_.cgroup_root + paths_.cgroup_parent + "-shims"));
  return {};
}

Result<> Containers::Core::open() {
  PLIMSOLL_TRY(make_folder(paths_.state, 0711));
  PLIMSOLL_TRY(take_lock());
  PLIMSOLL_TRY(make_folder(paths_.state + "/containers", 0711));
  for (const char* part : {"", "/s", "/e", "/runtime"}) PLIMSOLL_TRY(make_folder(paths_.run + part, 0711));
  PLIMSOLL_TRY(make_cgroups());
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_ || !wake_) return fail_errno("make the supervisor's descriptors");
  epoll_event event{.events = EPOLLIN, .data = {.fd = wake_.get()}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0)
    return fail_errno("watch an eventfd");
  PLIMSOLL_TRY(recover());
  supervisor_ = std::thread([this] { supervise(); });
  for (int i = 0; i < kWorkers; ++i) workers_.emplace_back([this] { work(); });
  return {};
}

Containers::Core::~Core() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  due_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  if (supervisor_.joinable()) {
    wake();
    supervisor_.join();
  }
}

std::map<std::string, int> Containers::Core::find_shims() const {
  std::map<std::string, int> out;
  for (const std::string& name : entries_of(paths_.proc)) {
    const auto pid = parse_u64(name);
    if (!pid) continue;
    const auto line = kernel::read_file(paths_.proc + "/" + name + "/cmdline");
    if (!line) continue;
    const std::string dir = shim_dir_of(*line);
    if (dir.starts_with(paths_.run + "/")) out[dir] = static_cast<int>(*pid);
  }
  return out;
}

Result<> Containers::Core::recover() {
  const auto shims = find_shims();
  for (const std::string& id : entries_of(paths_.state + "/containers")) {
    if (auto done = recover_item(id, shims); !done)
      log::error("container " + id + ": " + done.error().message());
  }
  recover_execs();
  // What belongs to no container: a shim of one that was half made. One that is merely not understood goes
  // on.
  for (const auto& [dir, pid] : shims) {
    const std::string id = fs::path(dir).filename();
    const bool owned = dir == exec_dir(id) ? sessions_.contains(id) : !is_absent(folder(id));
    if (!owned) ::kill(pid, SIGKILL);
  }
  for (const std::string& link : entries_of(paths_.run + "/s")) {
    std::error_code ignored;
    if (!items_.contains(link)) fs::remove(paths_.run + "/s/" + link, ignored);
  }
  return {};
}

Result<> Containers::Core::recover_item(const std::string& id, const std::map<std::string, int>& shims) {
  std::error_code ignored;
  const auto text = kernel::read_file(folder(id) + "/state.json");
  if (!text && text.error().kind() == ErrorKind::kNotFound && !shims.contains(shim_dir(id))) {
    // Creation did not come to its end; nothing of it runs.
    PLIMSOLL_TRY(image::unmount(folder(id) + "/rootfs"));
    fs::remove(shim_dir(id), ignored);
    fs::remove_all(folder(id), ignored);
    return {};
  }
  auto item = std::make_shared<Item>();
  std::vector<std::string> forgiven;
  auto state_read = text ? parse_state(*text, forgiven) : Result<State>(std::unexpected(text.error()));
  if (state_read) {
    item->state = std::move(*state_read);
  } else {
    item->state.id = id;
    keep_unreadable(item, state_read.error(), text ? *text : "");
  }
  for (const std::string& one : forgiven)
    log::warning(item->state.config.name + ": its state holds what this version does not: " + one);
  items_[id] = item;
  names_[item->state.config.name] = id;
  if (auto pinned = images_.pin(item->state.image_id, id); !pinned && item->unreadable.empty())
    log::warning(item->state.config.name + ": its image is gone: " + pinned.error().message());
  item->backoff.restore(item->state.failures);
  PLIMSOLL_TRY(link_shim_dir(id));
  State& state = item->state;
  const bool removing = state.status == Status::kRemoving;
  PLIMSOLL_TRY(adopt(item, shims));
  if (removing) {  // whatever end was found
    state.status = Status::kRemoving;
    item->restart_at.reset();
    item->remove_at = clock_.boot();
  }
  if (state.status == Status::kRestarting) item->restart_at = clock_.boot();
  if (state.status == Status::kExited && state.config.auto_remove && state.started)
    item->remove_at = clock_.boot();
  return {};
}

void Containers::Core::keep_unreadable(const ItemPtr& item, const Error& why, const std::string& text) {
  const std::string id = item->state.id;
  item->state = salvage_state(id, text);
  if (names_.contains(item->state.config.name)) item->state.config.name = id;
  item->unreadable = "its state.json is not understood, remove it by force: " + why.message();
  item->state.error = item->unreadable;
  log::error("container " + id + ": " + item->unreadable);
}

// What is true of its process, whatever the state on disk says.
Result<> Containers::Core::adopt(const ItemPtr& item, const std::map<std::string, int>& shims) {
  State& state = item->state;
  const std::string id = state.id;
  const bool was_running = state.status == Status::kRunning;
  const auto shim = shims.find(shim_dir(id));
  const std::string exit_file = folder(id) + "/shim/exit.json";
  if (shim != shims.end()) {
    auto answer = ask_shim(shim_dir(id), shim::FrameKind::kStatusAsked, "");
    if (answer && answer->starts_with("running") && state.status != Status::kRemoving) {
      if (!was_running) {  // killed between the start and the note of it
        state.status = Status::kRunning;
        state.started = clock_.wall();  // the exit will tell better
        item->start_guessed = true;
        state.stopped_by_user = false;
      }
      // Who asked for its end heard a failure, and nobody is left to see to it.
      state.stopping = false;
      if (const auto pid = parse_u64(answer->substr(answer->find(' ') + 1)))
        state.pid = static_cast<int>(*pid);
      PLIMSOLL_TRY(save(*item));
      return watch(item);
    }
    const bool over = fs::exists(exit_file);
    if (answer && !over) {  // prepared, never started; or to be removed
      (void)drop_shim(item);
    } else if (!over) {
      ::kill(shim->second, SIGKILL);
    }
  }
  state.pid = 0;
  if (fs::exists(exit_file) && (was_running || shim != shims.end())) {
    const ExitRecord record = read_exit(id);
    if (!was_running && record.started != WallTime{}) state.started = record.started;
    ended(item, record);
  } else if (was_running) {
    ExitRecord unknown;
    unknown.exited = clock_.wall();
    ended(item, unknown);
    // The machine was started anew, or the shim killed: `always` and `unless-stopped` come back.
  }
  const std::string path = paths_.cgroup_root + cgroup(id);
  if (auto left = kernel::Cgroup::open(path); left) (void)left->kill();
  return {};
}

void Containers::Core::recover_execs() {
  // An exec session's client went with the old agent; the session itself goes on and is forgotten at its end.
  for (const std::string& id : entries_of(paths_.run + "/e")) {
    auto session = std::make_shared<ExecSession>();
    session->id = id;
    const auto owner = kernel::read_file(exec_dir(id) + "/container");
    session->container = owner ? *owner : "";
    auto answer = ask_shim(exec_dir(id), shim::FrameKind::kStatusAsked, "");
    auto socket = connect_shim(exec_dir(id));
    if (answer && answer->starts_with("running") && socket) {
      session->started = session->running = true;
      session->connection = std::move(*socket);
      heard_[session->connection.get()] = "e" + id;
      epoll_event event{.events = EPOLLIN, .data = {.fd = session->connection.get()}};
      (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, session->connection.get(), &event);
      sessions_[id] = session;
      continue;
    }
    (void)end_shim(exec_dir(id), std::chrono::seconds(5));
    std::error_code ignored;
    fs::remove_all(exec_dir(id), ignored);
  }
}

}  // namespace plimsoll::container
