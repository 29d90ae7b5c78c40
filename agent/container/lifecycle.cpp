// Making, starting, stopping and removing. Each step leaves on disk what recovery.cpp can go on from.
#include <sys/epoll.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>

#include "agent/container/bundle.h"
#include "agent/container/config_json.h"
#include "agent/container/core.h"
#include "agent/container/names.h"
#include "agent/image/overlay.h"
#include "agent/kernel/cgroup.h"
#include "agent/kernel/file.h"

namespace plimsoll::container {
namespace {

constexpr std::chrono::seconds kStopDefault{10}, kDeath{30};

Result<std::string> fresh_id() {
  std::array<unsigned char, 32> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return fail_errno("get random bytes");
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

Result<> remove_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return fail("remove " + path + ": " + error.message());
  return {};
}

}  // namespace

Result<> Containers::Core::check_unused(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto used = names_.find(name);
  if (used == names_.end()) return {};
  return fail("Conflict. The container name \"/" + name + "\" is already in use by container \"" +
                  used->second +
                  "\". You have to remove (or rename) that container to be able to reuse that name.",
              ErrorKind::kConflict);
}

Result<Created> Containers::Core::create(Config config) {
  PLIMSOLL_ASSIGN(const image::Image image, images_.find(config.image));
  PLIMSOLL_ASSIGN(auto command, command_of(config, image.config));
  apply_image(image.config, config);
  auto item = std::make_shared<Item>();
  PLIMSOLL_ASSIGN(item->state.id, fresh_id());
  const std::string id = item->state.id;
  if (config.name.starts_with('/')) config.name.erase(0, 1);
  if (config.name.empty()) config.name = made_up_name(id);
  PLIMSOLL_TRY(check_name(config.name));
  item->state.config = std::move(config);
  item->state.image_id = image.id;
  item->state.layer = images_.layer_folder(image);
  item->state.path_and_args = std::move(command);
  item->state.created = clock_.wall();

  const std::lock_guard naming(naming_);
  const std::string name = item->state.config.name;
  PLIMSOLL_TRY(check_unused(name));
  PLIMSOLL_TRY(images_.pin(image.id, id));
  auto made = [&]() -> Result<> {
    for (const char* part : {"/rootfs", "/upper", "/work", "/shim"}) {
      std::error_code error;
      std::filesystem::create_directories(folder(id) + part, error);
      if (error) return fail("make " + folder(id) + part + ": " + error.message());
    }
    PLIMSOLL_TRY(link_shim_dir(id));
    return save(*item);
  }();
  if (!made) {
    images_.unpin(image.id, id);
    std::error_code ignored;
    std::filesystem::remove(shim_dir(id), ignored);
    (void)remove_folder(folder(id));
    return std::unexpected(std::move(made).error());
  }
  const std::lock_guard lock(mutex_);
  items_[id] = item;
  names_[name] = id;
  tell(*item, "create");
  return Created{id, {}};
}

Result<> Containers::Core::prepare(const ItemPtr& item) {
  State state;
  {
    const std::lock_guard lock(mutex_);
    if (!item->unreadable.empty()) return fail(item->unreadable, ErrorKind::kConflict);
    state = item->state;
  }
  settle(item);  // the shim of the run before
  const std::string home = folder(state.id);
  PLIMSOLL_TRY(link_shim_dir(state.id));
  for (const char* stale : {"/shim/exit.json", "/shim/shim.sock", "/shim/pid", "/shim/init"}) {
    std::error_code ignored;
    std::filesystem::remove(home + stale, ignored);
  }
  PLIMSOLL_TRY(image::mount_overlay(
      {.lower = state.layer, .upper = home + "/upper", .work = home + "/work", .target = home + "/rootfs"}));
  auto launched = [&]() -> Result<LaunchedShim> {
    PLIMSOLL_ASSIGN(const oci::Spec spec,
                    make_spec(state.id, state.config, state.path_and_args,
                              {.rootfs = home + "/rootfs", .folder = home, .cgroup = cgroup(state.id)}));
    PLIMSOLL_TRY(kernel::replace_file(home + "/config.json", oci::to_json(spec)));
    return launch_shim({.binary = paths_.runtime_binary,
                        .id = state.id,
                        .bundle = home,
                        .root = paths_.run + "/runtime",
                        .dir = shim_dir(state.id),
                        .cgroup_root = paths_.cgroup_root,
                        .cgroup = cgroup(state.id),
                        .shim_cgroup = paths_.cgroup_parent + "-shims",
                        .tty = state.config.tty,
                        .open_stdin = state.config.open_stdin,
                        .log_size = state.config.log_size.value,
                        .log_files = state.config.log_files});
  }();
  if (!launched) {
    (void)image::unmount(home + "/rootfs");
    return std::unexpected(std::move(launched).error());
  }
  {
    const std::lock_guard lock(mutex_);
    children_.insert(launched->shim);
    item->prepared = true;
    item->ended_early.reset();
    item->state.pid = launched->init;
  }
  if (auto heard = watch(item); !heard) {
    (void)drop_shim(item);
    return heard;
  }
  return {};
}

Result<> Containers::Core::watch(const ItemPtr& item) {
  PLIMSOLL_ASSIGN(UniqueFd socket, connect_shim(shim_dir(item->state.id)));
  const std::lock_guard lock(mutex_);
  epoll_event event{.events = EPOLLIN, .data = {.fd = socket.get()}};
  heard_[socket.get()] = "c" + item->state.id;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event) != 0) {
    heard_.erase(socket.get());
    return fail_errno("watch a shim");
  }
  item->frames = FrameBuffer();
  item->connection = std::move(socket);
  return {};
}

Result<> Containers::Core::drop_shim(const ItemPtr& item) {
  const std::string id = item->state.id;
  {
    const std::lock_guard lock(mutex_);
    if (item->connection) heard_.erase(item->connection.get());
    item->connection.reset();
    item->prepared = false;
    item->state.pid = 0;
  }
  auto released = end_shim(shim_dir(id), kDeath);
  std::error_code ignored;
  std::filesystem::remove(folder(id) + "/shim/exit.json", ignored);
  PLIMSOLL_TRY(image::unmount(folder(id) + "/rootfs"));
  return released;
}

void Containers::Core::note_failed_start(Item& item, const std::string& why) {
  State& state = item.state;
  item.prepared = false;
  item.restart_at.reset();
  const bool missing = why.find("No such file or directory") != std::string::npos ||
                       why.find("executable file not found") != std::string::npos;
  state.error = why;
  state.exit_code = missing ? 127 : why.find("Permission denied") != std::string::npos ? 126 : 128;
  const bool restarting = state.status == Status::kRestarting;
  if (!restarting) return;
  state.status = Status::kExited;
  // Whoever waits for its end was told of none while it was to come back.
  tell(item, "die", {{"exitCode", std::to_string(state.exit_code)}});
  tell_waiters(item, false);
  changed_.notify_all();
}

Result<> Containers::Core::start_item(const ItemPtr& item) {
  bool prepared = false;
  {
    const std::lock_guard lock(mutex_);
    prepared = item->prepared;
  }
  auto started = prepared ? Result<>{} : prepare(item);
  if (started) {
    const auto answer = ask_shim(shim_dir(item->state.id), shim::FrameKind::kStart, "");
    // A process that ended at once has run nevertheless: its exit is on the way.
    if (!answer && answer.error().kind() != ErrorKind::kConflict) {
      started = std::unexpected(answer.error());
      (void)drop_shim(item);
    }
  }
  if (!started) {
    {
      const std::lock_guard lock(mutex_);
      note_failed_start(*item, started.error().message());
    }
    (void)save(*item);
    return started;
  }
  note_start(item);
  return save(*item);
}

void Containers::Core::note_start(const ItemPtr& item) {
  const std::lock_guard lock(mutex_);
  State& state = item->state;
  item->prepared = false;
  item->restart_at.reset();
  item->remove_at.reset();  // after a failed start, one that removes itself still does
  state.status = Status::kRunning;
  state.error.clear();
  state.started = clock_.wall();
  state.exit_code = 0;
  state.oom_killed = false;
  state.stopped_by_user = state.stopping = false;
  item->start_guessed = false;
  tell(*item, "start");
  if (const auto record = std::exchange(item->ended_early, std::nullopt)) ended(item, *record);
}

Result<bool> Containers::Core::start_busy(const ItemPtr& item) {
  {
    const std::lock_guard lock(mutex_);
    if (item->state.status == Status::kRunning) return false;
    if (item->state.status == Status::kRemoving)
      return fail("container " + item->state.config.name + " is marked for removal and cannot be started",
                  ErrorKind::kConflict);
    item->backoff = {};
  }
  PLIMSOLL_TRY(start_item(item));
  return true;
}

Result<bool> Containers::Core::start(const std::string& name) {
  PLIMSOLL_ASSIGN(const ItemPtr item, find(name));
  const std::lock_guard busy(item->busy);
  return start_busy(item);
}

bool Containers::Core::wait_stopped(const ItemPtr& item, std::optional<std::chrono::nanoseconds> ceiling) {
  std::unique_lock lock(mutex_);
  const auto stopped = [&] { return item->state.status != Status::kRunning; };
  const auto enough = [&] { return interrupted_ || stopped(); };
  if (ceiling) {
    changed_.wait_for(lock, *ceiling, enough);
  } else {
    changed_.wait(lock, enough);
  }
  return stopped();
}

void Containers::Core::interrupt() {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  changed_.notify_all();
}

Result<bool> Containers::Core::stop_item(const ItemPtr& item, std::optional<std::chrono::seconds> timeout,
                                         int signal) {
  bool running = false;
  {
    const std::lock_guard lock(mutex_);
    item->restart_at.reset();
    running = item->state.status == Status::kRunning;
    (running ? item->state.stopping : item->state.stopped_by_user) = true;
    if (item->state.status == Status::kRestarting) {
      item->state.status = Status::kExited;
      item->unsettled = true;  // its root was kept mounted
      tell_waiters(*item, false);
    }
  }
  PLIMSOLL_TRY(save(*item));
  if (!running) {
    settle(item);
    return false;
  }
  const std::string dir = shim_dir(item->state.id);
  (void)ask_shim(dir, shim::FrameKind::kSignal, std::to_string(signal));
  std::optional<std::chrono::nanoseconds> ceiling = timeout.value_or(kStopDefault);
  if (*ceiling < std::chrono::nanoseconds(0)) ceiling.reset();
  if (!wait_stopped(item, ceiling)) {
    if (interrupted_) return fail("the agent is ending; the container was sent its signal");
    (void)ask_shim(dir, shim::FrameKind::kKillAll, "");
    if (!wait_stopped(item, kDeath)) return fail("the container did not end after SIGKILL");
  }
  settle(item);
  const std::lock_guard lock(mutex_);
  tell(*item, "stop");
  return true;
}

Result<bool> Containers::Core::stop_busy(const ItemPtr& item, std::optional<std::chrono::seconds> timeout,
                                         const std::string& signal) {
  std::string chosen = signal;
  {
    const std::lock_guard lock(mutex_);
    const Config& config = item->state.config;
    if (chosen.empty()) chosen = config.stop_signal.empty() ? "SIGTERM" : config.stop_signal;
    if (!timeout && config.stop_timeout) timeout = std::chrono::seconds(*config.stop_timeout);
  }
  PLIMSOLL_ASSIGN(const int number, signal_from(chosen));
  return stop_item(item, timeout, number);
}

Result<bool> Containers::Core::stop(const std::string& name, std::optional<std::chrono::seconds> timeout,
                                    const std::string& signal) {
  PLIMSOLL_ASSIGN(const ItemPtr item, find(name));
  std::unique_lock busy(item->busy, std::try_to_lock);
  if (!busy) {
    // Somebody else waits for its end, maybe for longer than is meant here.
    auto patience = timeout.value_or(kStopDefault);
    if (patience >= std::chrono::seconds(0)) {
      if (!wait_stopped(item, patience) && !interrupted_)
        (void)ask_shim(shim_dir(item->state.id), shim::FrameKind::kKillAll, "");
    }
    busy.lock();
  }
  return stop_busy(item, timeout, signal);
}

Result<> Containers::Core::kill(const std::string& name, const std::string& signal) {
  PLIMSOLL_ASSIGN(const int number, signal_from(signal.empty() ? "SIGKILL" : signal));
  PLIMSOLL_ASSIGN(const ItemPtr item, find(name));
  bool meant_to_end = false;
  {
    const std::lock_guard lock(mutex_);
    if (item->state.status != Status::kRunning)
      return fail("container " + name + " is not running", ErrorKind::kConflict);
    const int stop_signal =
        signal_from(item->state.config.stop_signal.empty() ? "SIGTERM" : item->state.config.stop_signal)
            .value_or(SIGTERM);
    meant_to_end = number == SIGKILL || number == stop_signal;
    if (meant_to_end) item->state.stopping = true;
  }
  if (meant_to_end) PLIMSOLL_TRY(save(*item));
  PLIMSOLL_TRY(ask_shim(shim_dir(item->state.id), shim::FrameKind::kSignal, std::to_string(number)));
  const std::lock_guard lock(mutex_);
  tell(*item, "kill", {{"signal", std::to_string(number)}});
  return {};
}

// `busy` is held throughout: one that removes itself at its end (--rm) must outlive the end between.
Result<> Containers::Core::restart(const std::string& name, std::optional<std::chrono::seconds> timeout,
                                   const std::string& signal) {
  PLIMSOLL_ASSIGN(const ItemPtr item, find(name));
  const std::lock_guard busy(item->busy);
  PLIMSOLL_TRY(stop_busy(item, timeout, signal));
  PLIMSOLL_TRY(start_busy(item));
  const std::lock_guard lock(mutex_);
  tell(*item, "restart");
  return {};
}

Result<> Containers::Core::may_be_removed(const Item& item, const std::string& name, bool force) const {
  const std::lock_guard lock(mutex_);
  if (!items_.contains(item.state.id)) return fail("No such container: " + name, ErrorKind::kNotFound);
  const Status status = item.state.status;
  if (force || (status != Status::kRunning && status != Status::kRestarting)) return {};
  return fail("cannot remove container \"/" + item.state.config.name +
                  "\": container is running: stop the container before removing or force remove",
              ErrorKind::kConflict);
}

Result<> Containers::Core::remove(const std::string& name, bool force) {
  PLIMSOLL_ASSIGN(const ItemPtr item, find(name));
  PLIMSOLL_TRY(may_be_removed(*item, name, force));
  std::unique_lock busy(item->busy, std::try_to_lock);
  if (!busy) {
    // Somebody may be waiting for its end, for however long.
    if (force) (void)ask_shim(shim_dir(item->state.id), shim::FrameKind::kKillAll, "");
    busy.lock();
  }
  PLIMSOLL_TRY(may_be_removed(*item, name, force));
  PLIMSOLL_TRY(stop_item(item, std::chrono::seconds(0), SIGKILL));
  return remove_item(item);
}

Result<> Containers::Core::remove_item(const ItemPtr& item) {
  const std::string id = item->state.id;
  bool prepared = false;
  {
    const std::lock_guard lock(mutex_);
    item->state.status = Status::kRemoving;
    item->remove_at.reset();
    prepared = item->prepared;
  }
  PLIMSOLL_TRY(save(*item));
  settle(item);
  if (prepared) PLIMSOLL_TRY(drop_shim(item));
  PLIMSOLL_TRY(image::unmount(folder(id) + "/rootfs"));
  PLIMSOLL_TRY(kernel::remove_cgroup_tree(paths_.cgroup_root + cgroup(id)));
  std::error_code error;
  std::filesystem::remove(shim_dir(id), error);
  // state.json goes last: until then a new agent knows that the rest is to go.
  for (const auto& entry : std::filesystem::directory_iterator(folder(id), error)) {
    if (entry.path().filename() != "state.json") PLIMSOLL_TRY(remove_folder(entry.path()));
  }
  PLIMSOLL_TRY(remove_folder(folder(id)));
  images_.unpin(item->state.image_id, id);
  const std::lock_guard lock(mutex_);
  items_.erase(id);
  names_.erase(item->state.config.name);
  std::erase_if(sessions_, [&](const auto& one) {
    return one.second->container == id && !one.second->running && !one.second->unsettled;
  });
  tell_waiters(*item, true);
  tell(*item, "destroy");
  changed_.notify_all();
  return {};
}

}  // namespace plimsoll::container
