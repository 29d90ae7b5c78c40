#include "policies/replay.h"

#include <algorithm>
#include <utility>

namespace plimsoll::policies {
namespace {

const model::SetFile* set_of(const model::Decision& decision) {
  return std::get_if<model::SetFile>(&decision.action);
}

// Whether what was done then is what is decided now.
bool same(const model::DecisionRecord& then, const model::Decision& now) {
  if (then.policy != now.policy || then.rule != now.rule || then.cgroup != now.container->cgroup)
    return false;
  if (then.action != model::action_name(now.action) || then.cause != to_string(now.cause)) return false;
  // A policy that was audited then may be enforced now: nothing came of what was only said.
  const bool audited = then.outcome == to_string(model::Outcome::kAudited);
  if (audited != now.audit && then.outcome != to_string(model::Outcome::kRefused)) return false;
  const auto* set = set_of(now);
  return set == nullptr ||
         (then.detail.starts_with(set->file) && then.before == set->before && then.after == set->value);
}

bool was_done(const model::DecisionRecord& record) {
  return record.outcome == to_string(model::Outcome::kDone);
}

}  // namespace

Replay::Replay(std::shared_ptr<const PolicySet> set, EngineOptions options)
    : set_(std::move(set)), options_(std::move(options)) {
  begin_boot();
}

void Replay::begin_boot() {
  engine_ = std::make_unique<Engine>(options_);
  engine_->use(set_);
  living_.clear();
}

// As the agent names them: the disks that the root's io.stat knew.
void Replay::use_disks(const model::Snapshot& snapshot) {
  if (!snapshot.root) return;
  std::map<std::string, Engine::Disk> disks;
  for (const std::string& text : devices_of(*set_)) {
    const std::string_view name = std::string_view(text).substr(text.starts_with("/dev/") ? 5 : 0);
    const auto known = std::ranges::find(snapshot.root->io, name, &model::IoStat::device);
    if (known == snapshot.root->io.end()) {
      disks[text] = {"", "no such disk was recorded: " + text};
    } else {
      disks[text] = {to_string(model::DeviceNumber{known->major, known->minor}), ""};
    }
  }
  if (!disks.empty()) engine_->use_devices(std::move(disks));
}

model::Snapshot Replay::as_replayed(const model::Snapshot& recorded) {
  model::Snapshot out = recorded;
  for (model::ContainerSample& one : out.containers) {
    const auto known = living_.find(one.ref->cgroup);
    if (known != living_.end()) known->second.limits.apply(one.sample.limits);
  }
  return out;
}

std::vector<Replay::Taken> Replay::next(const model::Recorded& moment) {
  const model::Snapshot now = as_replayed(*moment.snapshot);
  use_disks(now);
  for (const model::DecisionRecord& one : moment.followed) engine_->report_later(one, now.boot);
  if (moment.tick) account(moment, now);
  engine_->pause(moment.paused);
  std::vector<Taken> taken;
  std::vector<bool> again(moment.decisions.size());
  for (model::Decision& decision : engine_->evaluate(now, moment.events)) {
    Taken one{.when = now.wall, .decision = std::move(decision)};
    const model::DecisionRecord* then = nullptr;
    for (std::size_t i = 0; i < again.size() && then == nullptr; ++i) {
      if (again[i] || !same(moment.decisions[i], one.decision)) continue;
      again[i] = true;
      then = &moment.decisions[i];
    }
    one.as_then = then != nullptr;
    const model::DecisionRecord came = outcome(one, then);
    engine_->report(one.decision, came);
    // What came of a stop of then is recorded; one that nobody made has done what it should.
    if (then == nullptr && was_done(came)) engine_->report_later(came, now.boot);
    taken.push_back(std::move(one));
  }
  missed_ += static_cast<std::uint64_t>(std::ranges::count(again, false));
  note_then(moment);
  for (const model::Event& event : moment.events) {
    if (const auto* gone = std::get_if<model::ContainerVanished>(&event.what))
      living_.erase(gone->ref->cgroup);
  }
  return taken;
}

// What came of it then, where it was done then; elsewhere as by a kernel that takes everything.
model::DecisionRecord Replay::outcome(const Taken& taken, const model::DecisionRecord* then) {
  const model::Decision& decision = taken.decision;
  model::DecisionRecord record;
  if (then != nullptr) {
    record = *then;
  } else {
    record.policy = decision.policy;
    record.rule = decision.rule;
    record.action = model::action_name(decision.action);
    record.container_id = decision.container->container_id;
    record.outcome = to_string(!decision.refusal.empty() ? model::Outcome::kRefused
                               : decision.audit          ? model::Outcome::kAudited
                                                         : model::Outcome::kDone);
    record.breach_to_effect = decision.decided - decision.breach;
    if (const auto* set = set_of(decision)) record.after = set->value;
  }
  const auto* set = set_of(decision);
  if (set == nullptr || !was_done(record)) return record;
  if (const auto field = field_of(set->file, set->value))
    living_[decision.container->cgroup].limits.writes(*field, value_in(*field, record.after));
  return record;
}

void Replay::note_then(const model::Recorded& moment) {
  for (const auto* list : {&moment.decisions, &moment.followed}) {
    for (const model::DecisionRecord& one : *list) {
      if (one.action != "set" || !was_done(one)) continue;
      const std::string file = one.detail.substr(0, one.detail.find_first_of(" :"));
      const auto field = field_of(file, one.after);
      if (!field) continue;
      living_[one.cgroup].limits.wrote_then(*field, value_in(*field, one.before),
                                            value_in(*field, one.after));
    }
  }
}

namespace {

template <typename T>
std::optional<double> number(const std::optional<model::Bound<T>>& bound) {
  if (!bound || bound->is_max()) return std::nullopt;
  return static_cast<double>(bound->value().value);
}
std::optional<double> cores(const model::Limits& limits) {
  if (!limits.cpu_max || limits.cpu_max->quota.is_max()) return std::nullopt;
  return limits.cpu_max->cores().value().value;
}

}  // namespace

void Replay::account(const model::Recorded& moment, const model::Snapshot& replayed) {
  for (std::size_t i = 0; i < replayed.containers.size(); ++i) {
    const model::ContainerSample& one = replayed.containers[i];
    const model::Sample& then = moment.snapshot->containers[i].sample;
    Living& living = living_[one.ref->cgroup];
    const std::optional<model::Sample> before = std::exchange(living.before, then);
    if (!before || then.taken <= before->taken) continue;
    const Nanoseconds span = then.taken - before->taken;
    Container& sums = containers_[one.ref->container_id];
    sums.name = one.ref->name;
    sums.seen += span;
    const auto used = then.memory.current;
    const auto over = [&](const std::optional<model::Bound<Bytes>>& limit) {
      return used && limit && !limit->is_max() && *used > limit->value();
    };
    if (over(one.sample.limits.memory_high)) sums.over_memory_high += span;
    if (over(one.sample.limits.memory_max)) sums.over_memory_max += span;
    const auto quota = cores(one.sample.limits);
    if (quota && then.cpu && before->cpu &&
        to_seconds(then.cpu->usage - before->cpu->usage) > *quota * to_seconds(span))
      sums.over_cpu_max += span;
    const auto memory_then = number(then.limits.memory_max),
               memory_now = number(one.sample.limits.memory_max);
    if (memory_then && memory_now)
      sums.memory_byte_seconds += (*memory_then - *memory_now) * to_seconds(span);
    const auto cpu_then = cores(then.limits);
    if (cpu_then && quota) sums.cpu_core_seconds += (*cpu_then - *quota) * to_seconds(span);
  }
}

}  // namespace plimsoll::policies
