#include "policies/engine.h"

#include <algorithm>

#include "policies/engine_turn.h"

namespace plimsoll::policies {
namespace {

using model::Decision;

// Merges the windows that an expression reads: the longest for each signal.
void want_windows(const Expression& expression, History::Wanted& container, History::Wanted& host) {
  for (const auto& [signal, window] : expression.windows()) {
    Nanoseconds& longest = (signals()[signal].host ? host : container)[signal];
    longest = std::max(longest, window);
  }
}

}  // namespace

Engine::Engine(EngineOptions options) : options_(std::move(options)), wishes_(std::make_unique<Wishes>()) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

void Engine::use(std::shared_ptr<const PolicySet> set) {
  set_ = std::move(set);
  ++generation_;
  windows_.clear();
  host_windows_.clear();
  std::map<RuleKey, std::string> known;
  for (const Policy& policy : set_->policies) {
    for (const Rule& rule : policy.rules) {
      known[{policy.name, rule.name}] = state_key(policy, rule);
      want_windows(rule.when, windows_, host_windows_);
      if (rule.until) want_windows(*rule.until, windows_, host_windows_);
      for (const Step& step : rule.then) {
        if (const Expression* value = expression_of(step)) want_windows(*value, windows_, host_windows_);
      }
    }
  }
  const auto forget = [&](Tracked& tracked) {
    std::erase_if(tracked.rules, [&](const auto& entry) {
      const auto found = known.find(entry.first);
      if (found != known.end() && found->second == entry.second.fingerprint) return false;
      end_told(entry.first, entry.second);
      return true;
    });
  };
  for (auto& [inode, tracked] : tracked_) forget(tracked);
  forget(host_);
}

// What is done to a cgroup is done to all below it: to be touched neither is what holds an untouchable one.
bool Engine::untouchable(const std::string& cgroup) const {
  const auto holds = [](const std::string& above, const std::string& path) {
    if (!path.starts_with(above)) return false;
    return path.size() == above.size() || (above != "/" && path[above.size()] == '/');
  };
  return std::ranges::any_of(options_.untouchable, [&](const std::string& path) {
    return holds(path, cgroup) || holds(cgroup, path);
  });
}

std::vector<Decision> Engine::evaluate(const model::Snapshot& snapshot,
                                       std::span<const model::Event> events) {
  ++sequence_;
  due_.reset();
  out_.clear();
  evaluate_host(snapshot);
  for (const model::ContainerSample& one : snapshot.containers) evaluate_container(one, snapshot);
  for (const model::Event& event : events) {
    if (const auto* gone = std::get_if<model::ContainerVanished>(&event.what)) {
      sizer_.observe_end(gone->ref->id, gone->last, snapshot.wall);
      if (const auto known = tracked_.find(gone->ref->id.inode); known != tracked_.end()) {
        end_told(known->second);
        tracked_.erase(known);
      }
    }
  }
  sizer_.end_turn(snapshot);
  std::erase_if(tracked_, [&](const auto& entry) {
    if (entry.second.seen == sequence_) return false;
    end_told(entry.second);
    return true;
  });
  tell_ended(snapshot);
  return std::move(out_);
}

void Engine::evaluate_host(const model::Snapshot& snapshot) {
  host_.history.advance(counters_of(snapshot.host));
  SignalInputs inputs;
  inputs.host = &snapshot.host;
  inputs.host_before = host_.history.before();
  inputs.host_now = host_.history.now();
  inputs.wall = snapshot.wall;
  host_.history.keep(host_windows_, inputs);
  static const auto kHost = [] {
    auto ref = std::make_shared<model::ContainerRef>();
    ref->name = "host";
    ref->cgroup = "/";
    return std::shared_ptr<const model::ContainerRef>(std::move(ref));
  }();
  const View view(inputs, host_.history, host_.history);
  Turn turn{host_, kHost, nullptr, snapshot, snapshot.host.taken, view, {}};
  for (const Policy& policy : set_->policies) {
    if (!policy.host || policy.mode == Mode::kOff) continue;
    for (const Rule& rule : policy.rules) run_rule(turn, policy, rule, run_of(host_, policy, rule));
  }
}

// Globs over labels and paths cost more than all rules of a container: matched once, not at every tick.
void Engine::select(Tracked& tracked, const std::shared_ptr<const model::ContainerRef>& ref) {
  if (tracked.selected_from == set_ && tracked.ref == ref) return;
  tracked.ref = ref;
  tracked.selected_from = set_;
  tracked.selected.clear();
  for (const Policy& policy : set_->policies) {
    if (!policy.host && policy.mode != Mode::kOff && policy.select.matches(*ref)) {
      tracked.selected.push_back(&policy);
    }
  }
  tracked.sized_cpu = sized_by(tracked, &Policy::size_cpu);
  tracked.sized_memory = sized_by(tracked, &Policy::size_memory);
  tracked.size_wishes.clear();
  // Neither overlays nor freezes outlive the selection. Those of a policy that selects it again begin anew.
  std::erase_if(tracked.rules, [&](const auto& entry) {
    if (std::ranges::any_of(tracked.selected,
                            [&](const Policy* policy) { return policy->name == entry.first.policy; }))
      return false;
    end_told(entry.first, entry.second);
    return true;
  });
  for (auto& [rule, end] : tracked.freezes) {
    if (!tracked.rules.contains(rule)) end = BootTime{};
  }
  tracked.runs.clear();
  for (const Policy* policy : tracked.selected) {
    for (const Rule& rule : policy->rules) tracked.runs.push_back(&run_of(tracked, *policy, rule));
  }
}

void Engine::evaluate_container(const model::ContainerSample& one, const model::Snapshot& snapshot) {
  Tracked& tracked = tracked_[one.ref->id.inode];
  if (tracked.container_id != one.ref->container_id) {  // new, or the inode was used again
    end_told(tracked);
    tracked = Tracked{};
    tracked.container_id = one.ref->container_id;
  }
  tracked.seen = sequence_;
  if (untouchable(one.ref->cgroup)) return;
  select(tracked, one.ref);
  const bool fresh = tracked.history.advance(counters_of(one.sample));
  SignalInputs inputs{.ref = one.ref.get(),
                      .sample = &one.sample,
                      .host = &snapshot.host,
                      .before = tracked.history.before(),
                      .now = tracked.history.now(),
                      .host_before = host_.history.before(),
                      .host_now = host_.history.now(),
                      .wall = snapshot.wall};
  if (fresh) tracked.history.keep(windows_, inputs);
  const View view(inputs, tracked.history, host_.history);
  Turn turn{tracked, one.ref, &one.sample, snapshot, one.sample.taken, view, {}};
  auto run = tracked.runs.begin();
  for (const Policy* policy : tracked.selected) {
    for (const Rule& rule : policy->rules) run_rule(turn, *policy, rule, **run++);
  }
  thaw_when_due(turn);
  if (tracked.sized_cpu || tracked.sized_memory) size(turn, one);
  if (!paused_) compare(turn, merge(turn));
}

Decision Engine::decision(const Turn& turn, std::string_view policy, std::string_view rule,
                          bool audit) const {
  Decision made;
  made.container = turn.ref;
  made.policy = policy;
  made.rule = rule;
  made.audit = audit;
  made.breach = turn.now;
  made.decided = std::max(turn.now, turn.snapshot.boot);
  return made;
}

}  // namespace plimsoll::policies
