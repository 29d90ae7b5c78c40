// The insides of class Containers: the table of containers and what is done to them. One supervisor thread
// hears the ends; a few workers do what follows from them (chores.cpp); callers' threads do the rest.
//
// Locks, in this order:
//   Item::busy    one launch, stop, settling or removal of a container at a time; held for as long as that
//                 takes. The supervisor never takes it, since who holds it may wait for the supervisor.
//                 Workers only try it.
//   naming_       one creation or renaming at a time; held while that is written.
//   Item::saving  one writing of a state.json at a time, so that the newest is the last.
//   mutex_        all data of items and sessions. The policy loop waits for it (identity()): it is never held
//                 while a process is waited for or a disk written. Waiters, listeners of exits and of events
//                 are called with it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "agent/container/backoff.h"
#include "agent/container/containers.h"
#include "agent/container/events.h"
#include "agent/container/shim_client.h"
#include "agent/container/state.h"
#include "agent/image/store.h"

namespace plimsoll::container {

constexpr std::chrono::minutes kSessionKept{5};  // one that ended or was never started, as in Docker

struct Waiter {
  WaitCondition condition;
  std::function<void(int)> done;
};

struct Item {
  State state;
  std::mutex busy, saving;
  UniqueFd connection;  // to the shim; set while one is there
  FrameBuffer frames;
  bool prepared = false;                  // the shim is there, its process is made and does not run yet
  bool start_guessed = false;             // found running by adopt(), which cannot know since when
  std::optional<ExitRecord> ended_early;  // before start_item() has noted the start
  bool unsettled = false;                 // ended, and settle() is to come
  Backoff backoff;
  std::optional<BootTime> restart_at, remove_at;
  std::vector<std::weak_ptr<Waiter>> waiters;
  std::string unreadable;  // why its state.json is not understood: it runs on, and can only be ended
};

struct ExecSession {
  std::string id, container;
  ExecConfig config;
  bool started = false, running = false;
  std::optional<int> exit_code;
  bool unsettled = false;             // ended, and settle_exec() is to come
  std::optional<BootTime> forget_at;  // while it is not under way
  int pid = 0;
  UniqueFd connection;
  FrameBuffer frames;
};

class Containers::Core {
 public:
  using ItemPtr = std::shared_ptr<Item>;
  Core(Paths paths, image::Store& images, const Clock& clock);
  ~Core();
  Result<> open();

  Result<Created> create(Config config);
  Result<bool> start(const std::string& name);
  Result<bool> stop(const std::string& name, std::optional<std::chrono::seconds> timeout,
                    const std::string& signal);
  Result<> kill(const std::string& name, const std::string& signal);
  void interrupt();
  Result<> restart(const std::string& name, std::optional<std::chrono::seconds> timeout,
                   const std::string& signal);
  Result<> remove(const std::string& name, bool force);
  Result<> rename(const std::string& name, const std::string& new_name);
  Result<Subscription> wait(const std::string& name, WaitCondition condition, std::function<void(int)> done);
  Result<UniqueFd> attach(const std::string& name, Streams streams);
  Result<> resize(const std::string& name, int rows, int columns);
  Result<std::unique_ptr<LogReader>> logs(const std::string& name, const LogOptions& options) const;

  Result<nlohmann::json> inspect(const std::string& name, bool size) const;
  Result<nlohmann::json> list(const ListOptions& options) const;
  Result<Top> top(const std::string& name) const;
  std::optional<model::ContainerRef> identity(const std::string& id) const;

  Result<std::string> exec_create(const std::string& name, const ExecConfig& config);
  Result<UniqueFd> exec_start(const std::string& id, bool detach);
  Result<nlohmann::json> exec_inspect(const std::string& id) const;
  bool exec_wait(const std::string& id, std::chrono::milliseconds most) const;
  Result<ExecConfig> exec_config(const std::string& id) const;
  Result<> exec_resize(const std::string& id, int rows, int columns);

  // A copy of what is known of it.
  Result<State> state_of(const std::string& name) const;
  std::map<Status, int> counts() const;
  Subscription on_exit(ExitListener tell);
  Events& events() { return events_; }

 private:
  std::string folder(const std::string& id) const { return paths_.state + "/containers/" + id; }
  std::string shim_dir(const std::string& id) const { return paths_.run + "/s/" + id; }
  std::string exec_dir(const std::string& id) const { return paths_.run + "/e/" + id; }
  std::string cgroup(const std::string& id) const { return paths_.cgroup_parent + "/" + id; }

  // core.cpp
  Result<> link_shim_dir(const std::string& id) const;
  Result<ItemPtr> find(const std::string& name) const;  // takes mutex_
  Result<ItemPtr> find_locked(const std::string& name) const;
  Result<> save(Item& item) const;  // takes Item::saving, mutex_
  void tell(const Item& item, const std::string& action, std::map<std::string, std::string> more = {});
  void tell_waiters(Item& item, bool removed);
  model::ContainerRef ref_of(const State& state) const;

  // lifecycle.cpp; `busy` held, mutex_ not
  Result<> check_unused(const std::string& name) const;  // takes mutex_
  Result<> prepare(const ItemPtr& item);
  Result<> start_item(const ItemPtr& item);
  void note_start(const ItemPtr& item);                        // takes mutex_
  void note_failed_start(Item& item, const std::string& why);  // with mutex_ held
  Result<bool> start_busy(const ItemPtr& item);                // what start() does
  Result<bool> stop_busy(const ItemPtr& item, std::optional<std::chrono::seconds> timeout,
                         const std::string& signal);
  Result<bool> stop_item(const ItemPtr& item, std::optional<std::chrono::seconds> timeout, int signal);
  Result<> drop_shim(const ItemPtr& item);  // one that never ran
  Result<> remove_item(const ItemPtr& item);
  Result<> may_be_removed(const Item& item, const std::string& name, bool force) const;
  bool wait_stopped(const ItemPtr& item, std::optional<std::chrono::nanoseconds> ceiling);
  Result<> watch(const ItemPtr& item);

  // exec.cpp; mutex_ not held
  Result<> launch_exec(const ExecSession& session, const State& state);
  Result<UniqueFd> run_exec(ExecSession& session);

  // recovery.cpp
  Result<> take_lock();
  Result<> make_cgroups() const;
  Result<> recover();
  Result<> recover_item(const std::string& id, const std::map<std::string, int>& shims);
  void keep_unreadable(const ItemPtr& item, const Error& why, const std::string& text);
  Result<> adopt(const ItemPtr& item, const std::map<std::string, int>& shims);
  void recover_execs();
  std::map<std::string, int> find_shims() const;  // by --dir

  // chores.cpp; `busy` held, mutex_ not, but for take_chore()
  struct Chore;
  void work();
  // nullopt: nothing is due; `next` is when to look again, nullopt: when woken.
  std::optional<Chore> take_chore(std::optional<std::chrono::nanoseconds>& next);
  void do_chores(const ItemPtr& item);
  void settle(const ItemPtr& item);
  void forget_sessions(BootTime now);  // with mutex_ held
  void settle_exec(const ExecSession& session);

  // supervise.cpp; ended(), tell_exit() and exec_ended() with mutex_ held
  void supervise();
  void hear(int fd);
  void hear_exec(const std::string& id);
  void ended(const ItemPtr& item, const ExitRecord& record);
  void tell_exit(const State& state, const ExitRecord& record);
  ExitRecord read_exit(const std::string& id) const;
  void reap();
  void wake() const;
  void exec_ended(ExecSession& session, int code);

  const Paths paths_;
  image::Store& images_;
  const Clock& clock_;
  Events events_;
  UniqueFd lock_, epoll_, wake_;
  std::atomic<bool> leaving_ = false;
  std::atomic<bool> interrupted_ = false;  // nobody waits for an end any more

  std::mutex naming_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;                       // a status
  std::condition_variable due_;                                   // a chore, or leaving_
  std::map<std::string, ItemPtr> items_;                          // by id
  std::map<std::string, std::string> names_;                      // to ids
  std::map<std::string, std::shared_ptr<ExecSession>> sessions_;  // by exec id
  std::map<int, std::string> heard_;                              // connection -> "c" or "e" and id
  std::set<pid_t> children_;
  std::vector<std::weak_ptr<ExitListener>> exit_listeners_;
  std::optional<std::vector<model::EndedContainer>> untold_ =  // until the first listener is there
      std::vector<model::EndedContainer>();
  std::thread supervisor_;
  std::vector<std::thread> workers_;
};

}  // namespace plimsoll::container
