#include "agent/container/core.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "agent/container/names.h"
#include "agent/kernel/file.h"

namespace plimsoll::container {

Containers::Core::Core(Paths paths, image::Store& images, const Clock& clock)
    : paths_(std::move(paths)), images_(images), clock_(clock), events_(clock) {}

Result<> Containers::Core::link_shim_dir(const std::string& id) const {
  // Socket paths are limited to 107 bytes: a short link stands for the long folder.
  const std::string target = folder(id) + "/shim";
  std::error_code error;
  std::filesystem::create_directories(paths_.run + "/s", error);
  std::filesystem::create_directories(target, error);
  if (error) return fail("make " + target + ": " + error.message());
  if (::symlink(target.c_str(), shim_dir(id).c_str()) != 0 && errno != EEXIST)
    return fail_errno("make " + shim_dir(id));
  return {};
}

Result<Containers::Core::ItemPtr> Containers::Core::find_locked(const std::string& name) const {
  const std::string text = name.starts_with('/') ? name.substr(1) : name;
  if (const auto named = names_.find(text); named != names_.end()) return items_.at(named->second);
  if (!text.empty()) {
    const auto first = items_.lower_bound(text);
    if (first != items_.end() && first->first.starts_with(text)) {
      const auto second = std::next(first);
      if (first->first != text && second != items_.end() && second->first.starts_with(text))
        return invalid("multiple containers found with id prefix: " + text);
      return first->second;
    }
  }
  return fail("No such container: " + text, ErrorKind::kNotFound);
}

Result<Containers::Core::ItemPtr> Containers::Core::find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return find_locked(name);
}

Result<State> Containers::Core::state_of(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  PLIMSOLL_ASSIGN(const ItemPtr item, find_locked(name));
  return item->state;
}

Result<> Containers::Core::save(Item& item) const {
  const std::lock_guard saving(item.saving);
  State state;
  {
    const std::lock_guard lock(mutex_);
    // Another version of the agent may understand what is there.
    if (!item.unreadable.empty() && item.state.status != Status::kRemoving) return {};
    state = item.state;
  }
  return kernel::replace_file(folder(state.id) + "/state.json", to_json(state));
}

void Containers::Core::tell(const Item& item, const std::string& action,
                            std::map<std::string, std::string> more) {
  more.insert(item.state.config.labels.begin(), item.state.config.labels.end());
  more["name"] = item.state.config.name;
  more["image"] = item.state.config.image;
  events_.tell(action, item.state.id, more);
}

void Containers::Core::tell_waiters(Item& item, bool removed) {
  std::vector<std::weak_ptr<Waiter>> left;
  for (auto& weak : item.waiters) {
    const auto waiter = weak.lock();
    if (!waiter) continue;
    const bool down =
        item.state.status != Status::kRestarting || waiter->condition == WaitCondition::kNextExit;
    if (removed || (waiter->condition != WaitCondition::kRemoved && down)) {
      waiter->done(item.state.exit_code);
    } else {
      left.push_back(weak);
    }
  }
  item.waiters = std::move(left);
}

Result<Subscription> Containers::Core::wait(const std::string& name, WaitCondition condition,
                                            std::function<void(int)> done) {
  const std::lock_guard lock(mutex_);
  PLIMSOLL_ASSIGN(const ItemPtr item, find_locked(name));
  const Status status = item->state.status;
  auto waiter = std::make_shared<Waiter>(condition, std::move(done));
  if (condition == WaitCondition::kNotRunning && status != Status::kRunning &&
      status != Status::kRestarting) {
    waiter->done(item->state.exit_code);
  } else {
    item->waiters.push_back(waiter);
  }
  return waiter;
}

std::map<Status, int> Containers::Core::counts() const {
  const std::lock_guard lock(mutex_);
  std::map<Status, int> out;
  for (const auto& [id, item] : items_) ++out[item->state.status];
  return out;
}

Subscription Containers::Core::on_exit(ExitListener listener) {
  auto kept = std::make_shared<ExitListener>(std::move(listener));
  const std::lock_guard lock(mutex_);
  exit_listeners_.push_back(kept);
  if (untold_) std::ranges::for_each(*untold_, *kept);
  untold_.reset();
  return kept;
}

Result<std::unique_ptr<LogReader>> Containers::Core::logs(const std::string& name,
                                                          const LogOptions& options) const {
  PLIMSOLL_ASSIGN(const ItemPtr item, find(name));
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    id = item->state.id;
  }
  const auto alive = [this, item] {
    const std::lock_guard lock(mutex_);
    return item->state.status == Status::kRunning || item->state.status == Status::kRestarting ||
           item->prepared;
  };
  return LogReader::open(folder(id) + "/shim", options, alive);
}

Result<UniqueFd> Containers::Core::attach(const std::string& name, Streams streams) {
  PLIMSOLL_ASSIGN(const ItemPtr item, find(name));
  const std::lock_guard busy(item->busy);
  bool there = false;
  {
    const std::lock_guard lock(mutex_);
    if (item->state.status == Status::kRemoving)
      return fail("the container is being removed", ErrorKind::kConflict);
    there = item->state.status == Status::kRunning || item->prepared;
  }
  if (!there) PLIMSOLL_TRY(prepare(item));
  PLIMSOLL_ASSIGN(UniqueFd socket, connect_shim(shim_dir(item->state.id)));
  const std::string wanted = std::string(streams.out ? "stdout" : "") +
                             (streams.out && streams.err ? "," : "") + (streams.err ? "stderr" : "");
  PLIMSOLL_TRY(send_frame(socket.get(), shim::FrameKind::kAttach, wanted));
  PLIMSOLL_TRY(await_answer(socket.get(), std::chrono::seconds(30)));
  return socket;
}

Result<> Containers::Core::resize(const std::string& name, int rows, int columns) {
  PLIMSOLL_ASSIGN(const State state, state_of(name));
  PLIMSOLL_TRY(ask_shim(shim_dir(state.id), shim::FrameKind::kResize,
                        std::to_string(rows) + " " + std::to_string(columns)));
  return {};
}

Result<> Containers::Core::rename(const std::string& name, const std::string& new_name) {
  PLIMSOLL_TRY(check_name(new_name));
  const std::string fresh = new_name.starts_with('/') ? new_name.substr(1) : new_name;
  const std::lock_guard naming(naming_);
  ItemPtr item;
  std::string old;
  {
    const std::lock_guard lock(mutex_);
    PLIMSOLL_ASSIGN(item, find_locked(name));
    if (!item->unreadable.empty()) return fail(item->unreadable, ErrorKind::kConflict);
    if (item->state.status == Status::kRemoving)
      return fail("the container is being removed", ErrorKind::kConflict);
    if (const auto used = names_.find(fresh); used != names_.end())
      return fail("the name \"" + fresh + "\" is in use by container " + used->second, ErrorKind::kConflict);
    old = std::exchange(item->state.config.name, fresh);
    names_.erase(old);
    names_[fresh] = item->state.id;
  }
  auto saved = save(*item);
  const std::lock_guard lock(mutex_);
  if (!items_.contains(item->state.id)) return fail("No such container: " + old, ErrorKind::kNotFound);
  if (!saved) {
    names_.erase(fresh);
    names_[old] = item->state.id;
    item->state.config.name = old;
    return saved;
  }
  tell(*item, "rename", {{"oldName", "/" + old}});
  return {};
}

}  // namespace plimsoll::container
