// The workers' threads: what takes long and nobody waits for, so that the supervisor only hears. An ended
// run is settled, a policy's restart is made, what is to go is removed.
#include <algorithm>
#include <filesystem>

#include "agent/base/log.h"
#include "agent/container/core.h"
#include "agent/image/overlay.h"

namespace plimsoll::container {
namespace {

using namespace std::chrono_literals;
// Until it is looked again whether a container that is busy has become free.
constexpr std::chrono::nanoseconds kRetry = 50ms;
// A host that slept is not noticed by the wait itself.
constexpr std::chrono::nanoseconds kMostSleep = 1s;

}  // namespace

// One thing to do. A container's is done with its `busy`; declared last, so that it is let go of first.
struct Containers::Core::Chore {
  std::shared_ptr<ExecSession> session;
  ItemPtr item;
  std::unique_lock<std::mutex> busy;
};

void Containers::Core::work() {
  std::unique_lock lock(mutex_);
  while (!leaving_) {
    std::optional<std::chrono::nanoseconds> next;
    if (auto chore = take_chore(next)) {
      due_.notify_one();  // another one keeps the time meanwhile
      lock.unlock();
      chore->session ? settle_exec(*chore->session) : do_chores(chore->item);
      chore.reset();
      lock.lock();
    } else if (next) {
      due_.wait_for(lock, *next);
    } else {
      due_.wait(lock);
    }
  }
}

std::optional<Containers::Core::Chore> Containers::Core::take_chore(
    std::optional<std::chrono::nanoseconds>& next) {
  for (const auto& [id, session] : sessions_) {
    if (std::exchange(session->unsettled, false)) return Chore{session, nullptr, {}};
  }
  const BootTime now = clock_.boot();
  forget_sessions(now);
  const auto look_in = [&next](std::chrono::nanoseconds wait) {
    next = std::min({next.value_or(kMostSleep), wait, kMostSleep});
  };
  for (const auto& [id, session] : sessions_) {
    if (session->forget_at) look_in(*session->forget_at - now);
  }
  for (const auto& [id, item] : items_) {
    bool due = item->unsettled;
    for (const auto& when : {item->restart_at, item->remove_at}) {
      if (!when) continue;
      due = due || *when <= now;
      if (*when > now) look_in(*when - now);
    }
    if (!due) continue;
    if (std::unique_lock busy(item->busy, std::try_to_lock); busy) return Chore{{}, item, std::move(busy)};
    look_in(kRetry);
  }
  return std::nullopt;
}

void Containers::Core::forget_sessions(BootTime now) {
  std::erase_if(sessions_, [now](const auto& one) {
    const auto& session = *one.second;
    return !session.unsettled && session.forget_at && *session.forget_at <= now;
  });
}

void Containers::Core::do_chores(const ItemPtr& item) {
  settle(item);
  bool restart = false, remove = false;
  std::string name;
  {
    const std::lock_guard lock(mutex_);
    const BootTime now = clock_.boot();
    restart = item->restart_at && *item->restart_at <= now;
    remove = !restart && item->remove_at && *item->remove_at <= now;
    if (restart) ++item->state.restarts;
    name = item->state.config.name;
  }
  if (restart) {
    if (auto started = start_item(item); !started)
      log::error("restart " + name + ": " + started.error().message());
  }
  if (!remove) return;
  if (auto removed = remove_item(item); !removed) {
    log::warning("remove " + name + ": " + removed.error().message());
    const std::lock_guard lock(mutex_);
    item->remove_at = clock_.boot() + 1s;
  }
}

// Steps of an end that wait for a process or a disk. An agent that is killed before them finds the shim with
// its exit.json, and comes to the same end again: see adopt().
void Containers::Core::settle(const ItemPtr& item) {
  const std::string id = item->state.id;
  Status status{};
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(item->unsettled, false)) return;
    status = item->state.status;
  }
  if (auto released = release_shim(shim_dir(id)); !released)
    log::warning(id + ": " + released.error().message());
  if (status != Status::kRestarting) {
    if (auto gone = image::unmount(folder(id) + "/rootfs"); !gone)
      log::warning(id + ": " + gone.error().message());
  }
  if (auto saved = save(*item); !saved) log::error(id + ": " + saved.error().message());
}

void Containers::Core::settle_exec(const ExecSession& session) {
  (void)release_shim(exec_dir(session.id));
  std::error_code ignored;
  std::filesystem::remove_all(exec_dir(session.id), ignored);
}

}  // namespace plimsoll::container
