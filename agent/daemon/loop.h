// The agent's heart: watch -> policies -> enforce, on one thread. Woken by the kernel's events, by the tick,
// by a change of the policy folder, and by what other threads ask of it.
#pragma once

#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/daemon/board.h"
#include "agent/daemon/limit_turns.h"
#include "agent/daemon/memory_looks.h"
#include "agent/daemon/policy_folder.h"
#include "agent/enforce/audit_log.h"
#include "agent/enforce/executor.h"
#include "agent/history/recorder.h"
#include "agent/kernel/block_device.h"
#include "agent/notify/sender.h"
#include "agent/watch/memory_history.h"
#include "agent/watch/oom_log.h"
#include "agent/watch/watcher.h"
#include "exporters/own_metrics.h"
#include "policies/engine.h"

namespace plimsoll::daemon {

class Loop {
 public:
  // What it is made of; all outlive it.
  struct Parts {
    const Clock& clock;
    watch::Watcher& watcher;
    policies::Engine& engine;
    enforce::Executor& executor;
    enforce::AuditLog& audit;
    PolicyFolder& folder;
    exporters::OwnMetrics& metrics;
    Board& board;
    kernel::DeviceRoots disks;
    std::string boot_id;
    Nanoseconds tick;
    bool put_back = false;                 // at the end, what policies set; else it stays for the next agent
    watch::OomLog* ooms = nullptr;         // null: post-mortems are not kept
    history::Recorder* history = nullptr;  // null: nothing is recorded
    notify::Sender* sender = nullptr;      // null: nobody is notified
  };

  // Takes up what an earlier agent of this boot left in the audit log's state, and makes the first turn.
  static Result<std::unique_ptr<Loop>> open(Parts parts);
  ~Loop();

  // Until stop() was called, or `signals` (a signalfd) says SIGTERM or SIGINT; SIGHUP loads the policies
  // anew.
  Result<> run(int signals);
  void stop();  // from any thread

  // Runs `task` on the loop's thread, in order, at its next turn. From any thread.
  void post(std::function<void()> task);
  // Answers `question` on the loop's thread and waits for it. The question must hold what it reads by value:
  // it may be asked after this call has given up. kSystem: the loop did not come to it within 10 s, or ended.
  template <typename T>
  Result<T> ask(std::function<T()> question) {
    const auto answer = std::make_shared<std::promise<T>>();
    auto given = answer->get_future();
    post([question = std::move(question), answer] { answer->set_value(question()); });
    if (given.wait_for(std::chrono::seconds(10)) != std::future_status::ready) {
      return fail("the agent's loop did not answer within 10 s");
    }
    try {
      return given.get();
    } catch (const std::future_error&) {
      return fail("the agent is ending");
    }
  }

  // On the loop's thread only. It holds over a restart of the agent and of the host.
  void pause(bool paused);

 private:
  explicit Loop(Parts parts) : parts_(std::move(parts)) {}
  Result<> prepare();
  Result<> wait(int signals);
  void arm_timer();
  void time_passed();
  void tick();
  bool look_at_memory(BootTime now);
  void events();
  void use_policies();
  void find_disks();
  void reload();
  void run_tasks();
  // From a snapshot to the board: decides, and publishes what is then.
  void turn(std::shared_ptr<const model::Snapshot> snapshot, std::span<const model::Event> happened = {});
  // Evaluates, carries out and records; true where something was decided.
  bool decide(const std::shared_ptr<const model::Snapshot>& snapshot, std::span<const model::Event> happened);
  // Fills in their ids.
  void record(std::span<model::DecisionRecord> records);
  void notify(std::span<const model::Decision> decisions, std::span<const model::DecisionRecord> records);
  void look_at_notifications();
  // What came of decisions since: graces that ended, stops and restarts.
  void follow(std::vector<model::DecisionRecord> records);
  void give_up(model::DecisionRecord& record);
  void put_all_back();
  void record_ooms();
  // What the policies were given at this moment, and what they decided.
  void remember(const model::Snapshot& snapshot, std::span<const model::Event> happened,
                std::span<const model::DecisionRecord> decided);
  void look_at_history();
  void publish(std::shared_ptr<const model::Snapshot> snapshot);
  void forget_ended(const model::Snapshot& snapshot);  // last decisions of containers that are gone
  void save_engine();
  void save_totals();
  void save_sizes();
  void restore();
  void set_paused(bool paused);
  std::optional<std::string> kept(const char* key) const;
  void keep(const char* key, const std::string& state) const;
  void log_warnings();

  Parts parts_;
  UniqueFd epoll_, timer_, bell_;
  BootTime next_tick_, sampled_;
  LimitTurns limit_turns_;
  MemoryLooks memory_looks_;
  watch::MemoryHistory memory_history_;
  bool stopping_ = false, paused_ = false;
  bool ticking_ = false;                         // the turn is a tick's
  std::vector<model::DecisionRecord> followed_;  // what came of earlier decisions since the last moment
  std::uint64_t history_lost_ = 0;               // as last told
  std::string history_problem_;                  // likewise
  std::uint64_t ticks_ = 0, told_lost_ = 0;
  std::shared_ptr<const model::Snapshot> last_tick_, tick_before_;
  std::shared_ptr<const std::map<std::string, LastDecision>> last_decisions_ =
      std::make_shared<const std::map<std::string, LastDecision>>();
  std::string saved_engine_;
  std::shared_ptr<const std::vector<model::Recommendation>> recommendations_ =
      std::make_shared<const std::vector<model::Recommendation>>();

  std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;
  bool ended_ = false;
};

}  // namespace plimsoll::daemon
