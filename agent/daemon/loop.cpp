#include "agent/daemon/loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/base/json_text.h"
#include "agent/daemon/post_mortem.h"
#include "agent/daemon/status.h"

namespace plimsoll::daemon {
namespace {

constexpr std::uint64_t kTicksBetweenSaves = 10;   // of the totals by workload
constexpr std::uint64_t kTicksBetweenLooks = 5;    // at what containers should be limited to
constexpr std::uint64_t kTicksBetweenSizes = 300;  // saved: large, and slow to change
constexpr const char* kSizesState = "sizes";
constexpr const char* kEngineState = "engine";
constexpr const char* kTotalsState = "workloads";
constexpr const char* kGraceState = "graces";
constexpr const char* kPausedState = "paused";
// Between two samples that only time asked for; rules in a tight ladder must not make the agent the noisy
// one.
constexpr Nanoseconds kLeastGap = std::chrono::milliseconds(50);

Result<> add(const UniqueFd& epoll, int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("epoll_ctl");
  return {};
}

void log_decision(const model::DecisionRecord& record) {
  const std::string line = (record.container.empty() ? record.cgroup : record.container) + ": " +
                           sentence(record) + " (" + record.cause + ")";
  if (record.outcome == "failed" || record.outcome == "refused") return log::warning(line);
  log::info(line);
}

// A decision whose way back must be known to the next agent before it is carried out: the first write to a
// file, whose value before it must not be lost, and a freeze.
bool needs_a_way_back(const model::Decision& decision) {
  if (decision.audit || !decision.refusal.empty()) return false;
  return std::holds_alternative<model::Freeze>(decision.action) ||
         (std::holds_alternative<model::SetFile>(decision.action) && decision.cause != model::Cause::kDrift);
}

}  // namespace

Result<std::unique_ptr<Loop>> Loop::open(Parts parts) {
  std::unique_ptr<Loop> loop(new Loop(std::move(parts)));
  PLIMSOLL_TRY(loop->prepare());
  return loop;
}

Loop::~Loop() { parts_.executor.wake_with({}); }

Result<> Loop::prepare() {
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  timer_ = UniqueFd(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  bell_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_ || !timer_ || !bell_) return fail_errno("make the agent's event loop");
  for (const int fd : {timer_.get(), bell_.get(), parts_.watcher.event_fd(), parts_.folder.fd()}) {
    PLIMSOLL_TRY(add(epoll_, fd));
  }
  use_policies();
  restore();
  parts_.executor.persist_with([this](const std::string& state) { keep(kGraceState, state); });
  parts_.executor.wake_with([this] { post([] {}); });
  next_tick_ = parts_.clock.boot();
  tick();
  if (parts_.sender == nullptr) return {};
  // What an earlier agent told of and nobody says is over: of another boot, or of a state that was lost.
  std::set<notify::Outbox::Rule> holds;
  for (const auto& one : parts_.engine.alerts()) holds.emplace(one.policy, one.rule, one.cgroup);
  parts_.sender->keep_only(std::move(holds));
  return {};
}

// What an earlier agent kept under `key`, where it was of this boot: inodes of cgroups and times since boot
// mean nothing in another one.
std::optional<std::string> Loop::kept(const char* key) const {
  auto text = parts_.audit.get_state(key);
  if (!text) log::warning("state of an earlier agent: " + text.error().message());
  if (!text || !*text) return std::nullopt;
  const auto line = (*text)->find('\n');
  if (line == std::string::npos || (*text)->compare(0, line, parts_.boot_id) != 0) return std::nullopt;
  return (*text)->substr(line + 1);
}

void Loop::keep(const char* key, const std::string& state) const {
  const auto stored = parts_.audit.put_state(key, parts_.boot_id + "\n" + state);
  if (!stored) log::warning(std::string("keep the state of ") + key + ": " + stored.error().message());
}

void Loop::restore() {
  const auto told = [](const Result<>& done) {
    if (!done) log::warning("state of an earlier agent: " + done.error().message());
  };
  if (const auto engine = kept(kEngineState)) told(parts_.engine.restore(*engine));
  if (const auto graces = kept(kGraceState); graces && !graces->empty())
    told(parts_.executor.restore(*graces));
  // Totals go on over a boot; the watcher tells one from the other itself.
  const auto totals = parts_.audit.get_state(kTotalsState);
  if (totals && *totals) told(parts_.watcher.restore(**totals, parts_.boot_id));
  const auto sizes = parts_.audit.get_state(kSizesState);
  if (sizes && *sizes) told(parts_.engine.restore_sizes(**sizes));
  // A pause ends when somebody says so: not with a new agent, and not with a reboot.
  const auto paused = parts_.audit.get_state(kPausedState);
  if (!paused) log::warning("state of an earlier agent: " + paused.error().message());
  if (paused && *paused == "true") {
    set_paused(true);
    log::warning("all enforcement is paused since an earlier agent; plimsoll pause --resume ends it");
  }
}

void Loop::save_engine() {
  std::string state = parts_.engine.save();
  if (state == saved_engine_) return;
  keep(kEngineState, state);
  saved_engine_ = std::move(state);
}

void Loop::save_totals() {
  const auto stored = parts_.audit.put_state(kTotalsState, parts_.watcher.save(parts_.boot_id));
  if (!stored) log::warning("keep the totals by workload: " + stored.error().message());
}

// Good over a boot: it is known by workload, not by cgroup.
void Loop::save_sizes() {
  const auto stored = parts_.audit.put_state(kSizesState, parts_.engine.save_sizes());
  if (!stored) log::warning("keep what workloads were seen to use: " + stored.error().message());
}

Result<> Loop::run(int signals) {
  PLIMSOLL_TRY(add(epoll_, signals));
  Result<> outcome;
  while (!stopping_ && outcome) outcome = wait(signals);
  if (parts_.put_back) put_all_back();
  save_engine();
  save_totals();
  save_sizes();
  const std::lock_guard lock(mutex_);
  ended_ = true;
  tasks_.clear();  // breaks their promises: whoever waits is told
  return outcome;
}

void Loop::arm_timer() {
  BootTime when = next_tick_;
  if (const auto grace = parts_.executor.next_deadline()) when = std::min(when, *grace);
  if (const auto due = parts_.engine.next_deadline())
    when = std::min(when, std::max(*due, sampled_ + kLeastGap));
  if (const auto changes = limit_turns_.deadline()) when = std::min(when, *changes);
  if (const auto look = memory_looks_.deadline()) when = std::min(when, *look);
  const auto nanoseconds = std::max<std::int64_t>(when.since_boot.count(), 1);  // 0 would disarm
  const itimerspec spec{
      .it_interval = {},
      .it_value = {.tv_sec = nanoseconds / 1'000'000'000, .tv_nsec = nanoseconds % 1'000'000'000}};
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

Result<> Loop::wait(int signals) {
  arm_timer();
  std::array<epoll_event, 8> ready{};
  const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), -1);
  if (count < 0) {
    if (errno == EINTR) return {};
    return fail_errno("epoll_wait");
  }
  for (const epoll_event& event : std::span(ready).first(static_cast<std::size_t>(count))) {
    const int fd = event.data.fd;
    if (fd == signals) {
      signalfd_siginfo signal{};
      if (::read(signals, &signal, sizeof signal) != sizeof signal) continue;
      if (signal.ssi_signo == SIGHUP) {
        parts_.folder.load();
        reload();
      } else {
        stop();
      }
    } else if (fd == bell_.get()) {
      run_tasks();
    } else if (fd == parts_.folder.fd()) {
      if (parts_.folder.refresh()) reload();
    } else if (fd == parts_.watcher.event_fd()) {
      events();
    }
  }
  time_passed();
  return {};
}

void Loop::time_passed() {
  if (auto ended = parts_.executor.tick(); !ended.empty()) follow(std::move(ended));
  const BootTime now = parts_.clock.boot();
  if (now >= next_tick_) return tick();
  if (limit_turns_.take(now)) return turn(parts_.watcher.snapshot());
  if (look_at_memory(now)) return turn(parts_.watcher.snapshot());
  const auto due = parts_.engine.next_deadline();
  if (!due || now < *due || now - sampled_ < kLeastGap) return;
  // A `for`, a cooldown or a step of a ladder has come due between two ticks: it wants values of this moment.
  sampled_ = now;
  turn(parts_.watcher.take());
}

bool Loop::look_at_memory(BootTime now) {
  return memory_looks_.due(now) && memory_looks_.looked(now, parts_.watcher.look_at_host().memory_available);
}

void Loop::tick() {
  const BootTime now = parts_.clock.boot();
  // Ticks that were slept over, or that took longer than a tick, are left out, not made up for.
  do next_tick_ = next_tick_ + parts_.tick;
  while (next_tick_ <= now);
  sampled_ = now;
  auto snapshot = parts_.watcher.take();
  parts_.metrics.sampled(parts_.watcher.stats().last_take);
  memory_history_.note(*snapshot);
  tick_before_ = std::exchange(last_tick_, snapshot);
  if (ticks_ % kTicksBetweenSaves == 0) forget_ended(*snapshot);
  if (ticks_ % kTicksBetweenLooks == 0) {
    recommendations_ =
        std::make_shared<const std::vector<model::Recommendation>>(parts_.engine.recommendations());
  }
  ticking_ = true;
  turn(std::move(snapshot));
  ticking_ = false;
  log_warnings();
  look_at_notifications();
  ++ticks_;
  if (ticks_ % kTicksBetweenSizes == 0) save_sizes();
  if (ticks_ % kTicksBetweenSaves != 0) return;
  save_totals();
  find_disks();
  look_at_history();
}

void Loop::events() {
  const std::vector<model::Event> happened = parts_.watcher.drain();
  if (!parts_.watcher.take_limit_changes().empty()) limit_turns_.changed();
  // Memory events and pressure never wait.
  if (!happened.empty() || limit_turns_.take(parts_.clock.boot())) {
    turn(parts_.watcher.snapshot(), happened);
    log_warnings();
  }
  record_ooms();
}

// After the decisions: they are urgent, this is not.
void Loop::record_ooms() {
  std::vector<model::OomKill> kills = parts_.watcher.take_ooms();
  if (kills.empty()) return;
  const auto now = parts_.watcher.snapshot();
  for (model::OomKill& kill : kills) {
    auto one = post_mortem(std::move(kill), *now, memory_history_);
    log::warning(summary_line(one));
    if (parts_.ooms == nullptr) continue;
    one.id = parts_.ooms->next_id();
    if (const auto kept = parts_.ooms->append(json_text(post_mortem_json(one)) + "\n"); !kept)
      log::warning("keep the post-mortem of an OOM kill: " + kept.error().message());
  }
}

void Loop::use_policies() {
  parts_.engine.use(parts_.folder.set());
  memory_looks_.wanted(policies::guards_memory(*parts_.folder.set()));
  find_disks();
  if (parts_.sender == nullptr) return;
  std::vector<model::NotifyTarget> targets;
  for (const policies::Target& one : parts_.folder.set()->targets) targets.push_back(one.sends);
  parts_.sender->use(std::move(targets));
}

// Also now and then: disks come and go, and a filesystem may be mounted later.
void Loop::find_disks() {
  std::map<std::string, policies::Engine::Disk> disks;
  for (const std::string& text : policies::devices_of(*parts_.folder.set())) {
    const auto number = kernel::resolve_block_device(text, parts_.disks);
    disks[text] = number ? policies::Engine::Disk{to_string(*number), ""}
                         : policies::Engine::Disk{"", number.error().message()};
  }
  parts_.engine.use_devices(std::move(disks));
}

void Loop::reload() {
  for (const auto& one : parts_.folder.diagnostics()) log::warning(to_string(one));
  if (parts_.folder.errors() != 0) {
    log::error("policies refused, errors: " + std::to_string(parts_.folder.errors()) +
               "; the last good set stays in force");
  } else {
    log::info("policies in force: " + std::to_string(parts_.folder.set()->policies.size()));
  }
  use_policies();
  turn(parts_.watcher.snapshot());
}

void Loop::turn(std::shared_ptr<const model::Snapshot> snapshot, std::span<const model::Event> happened) {
  limit_turns_.turned();
  memory_looks_.turned(snapshot->host.taken, snapshot->host.memory_available);
  if (decide(snapshot, happened)) snapshot = parts_.watcher.snapshot();
  publish(std::move(snapshot));
}

bool Loop::decide(const std::shared_ptr<const model::Snapshot>& snapshot,
                  std::span<const model::Event> happened) {
  const auto decisions = parts_.engine.evaluate(*snapshot, happened);
  if (decisions.empty()) {
    remember(*snapshot, happened, {});
    return false;
  }
  // Killed between an action and its record, the next agent must still know what was there before.
  if (std::ranges::any_of(decisions, needs_a_way_back)) save_engine();
  std::vector<model::DecisionRecord> records;
  std::set<model::CgroupId> touched;
  for (const model::Decision& decision : decisions) {
    records.push_back(parts_.executor.carry_out(decision));
    if (parts_.engine.report(decision, records.back())) give_up(records.back());
    log_decision(records.back());
    touched.insert(decision.container->id);
  }
  // What was written is seen at once, by the engine and by whoever scrapes. One that is gone has no more to
  // say.
  for (const model::CgroupId id : touched) (void)parts_.watcher.refresh(id);
  (void)parts_.watcher.take_limit_changes();
  remember(*snapshot, happened, records);
  record(records);
  notify(decisions, records);
  save_engine();
  return true;
}

void Loop::remember(const model::Snapshot& snapshot, std::span<const model::Event> happened,
                    std::span<const model::DecisionRecord> decided) {
  if (parts_.history == nullptr) return;
  parts_.history->note({.snapshot = snapshot,
                        .events = happened,
                        .decisions = decided,
                        .followed = followed_,
                        .tick = ticking_,
                        .paused = paused_});
  followed_.clear();
}

void Loop::look_at_history() {
  if (parts_.history == nullptr) return;
  const history::Recorder::Stats stats = parts_.history->stats();
  parts_.metrics.history(stats.bytes, stats.lost);
  if (stats.problem != history_problem_ && !stats.problem.empty())
    log::warning("history is not recorded: " + stats.problem);
  if (stats.problem.empty() && !history_problem_.empty())
    log::warning("history is recorded again; moments lost: " + std::to_string(stats.lost - history_lost_));
  if (stats.problem.empty()) history_lost_ = stats.lost;
  history_problem_ = stats.problem;
}

void Loop::follow(std::vector<model::DecisionRecord> records) {
  for (auto& one : records) {
    if (parts_.engine.report_later(one, parts_.clock.boot())) give_up(one);
    log_decision(one);
  }
  if (parts_.history != nullptr) followed_.insert(followed_.end(), records.begin(), records.end());
  record(records);
}

void Loop::give_up(model::DecisionRecord& record) {
  record.detail += "; given up";
  parts_.metrics.gave_up();
}

// As if there were no policies: in some rounds, since what could not be done is tried again.
void Loop::put_all_back() {
  parts_.engine.use(std::make_shared<const policies::PolicySet>());
  set_paused(false);
  constexpr int kRounds = 3;
  for (int round = 0; round < kRounds; ++round) {
    const auto snapshot = parts_.watcher.take();
    if (!decide(snapshot, {})) return;
  }
}

void Loop::notify(std::span<const model::Decision> decisions,
                  std::span<const model::DecisionRecord> records) {
  if (parts_.sender == nullptr) return;
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    const auto* said = std::get_if<model::Notify>(&decisions[i].action);
    if (said != nullptr && !said->to.empty() && !decisions[i].audit)
      parts_.sender->tell(decisions[i], records[i]);
  }
}

// What could not be delivered is a record like that of any action that failed.
void Loop::look_at_notifications() {
  if (parts_.sender == nullptr) return;
  for (const std::string& problem : parts_.sender->take_problems()) log::warning(problem);
  std::vector<model::DecisionRecord> failed = parts_.sender->take_failed();
  if (failed.empty()) return;
  for (const auto& one : failed) log_decision(one);
  if (parts_.history != nullptr) followed_.insert(followed_.end(), failed.begin(), failed.end());
  record(failed);
}

void Loop::record(std::span<model::DecisionRecord> records) {
  if (const auto stored = parts_.audit.append(records); !stored) {
    log::error("record " + std::to_string(records.size()) + " decisions: " + stored.error().message());
  }
  auto last = std::make_shared<std::map<std::string, LastDecision>>(*last_decisions_);
  for (const auto& one : records) (*last)[one.container_id] = {one.when, sentence(one)};
  last_decisions_ = std::move(last);
}

void Loop::forget_ended(const model::Snapshot& snapshot) {
  std::set<std::string> known;
  for (const auto& one : snapshot.containers) known.insert(one.ref->container_id);
  auto last = std::make_shared<std::map<std::string, LastDecision>>(*last_decisions_);
  std::erase_if(*last, [&](const auto& one) { return !known.contains(one.first); });
  last_decisions_ = std::move(last);
}

void Loop::publish(std::shared_ptr<const model::Snapshot> snapshot) {
  auto view = std::make_shared<View>();
  view->now = std::move(snapshot);
  view->previous = tick_before_;
  view->policies = parts_.folder.set();
  view->diagnostics = parts_.folder.diagnostics();
  view->paused = paused_;
  view->recommendations = recommendations_;
  view->last_decisions = last_decisions_;
  if (parts_.sender != nullptr) view->targets = parts_.sender->states();
  parts_.metrics.notifications(view->targets);
  view->watch = parts_.watcher.stats();
  const std::uint64_t lost = view->watch.overflows + view->watch.missed;
  parts_.metrics.lost_events(static_cast<double>(lost - std::exchange(told_lost_, lost)));
  parts_.metrics.watching(view->now->containers.size());
  parts_.board.publish(std::move(view));
}

void Loop::log_warnings() {
  for (const std::string& warning : parts_.watcher.take_warnings()) log::warning(warning);
}

void Loop::set_paused(bool paused) {
  paused_ = paused;
  parts_.engine.pause(paused);
  parts_.executor.pause(paused);
}

void Loop::pause(bool paused) {
  const auto stored = parts_.audit.put_state(kPausedState, paused ? "true" : "false");
  if (!stored) log::warning("keep the pause over a restart: " + stored.error().message());
  set_paused(paused);
  log::warning(paused ? "all enforcement is paused" : "enforcement goes on");
  turn(parts_.watcher.snapshot());
}

void Loop::stop() {
  post([this] { stopping_ = true; });
}

void Loop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    tasks_.push_back(std::move(task));
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t rung = ::write(bell_.get(), &one, sizeof one);
}

void Loop::run_tasks() {
  std::uint64_t rings = 0;
  [[maybe_unused]] const ssize_t got = ::read(bell_.get(), &rings, sizeof rings);
  std::deque<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (const auto& task : tasks) task();
}

}  // namespace plimsoll::daemon
