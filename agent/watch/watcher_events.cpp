// Watcher's half that follows what happens: births, deaths, changed files, pressure.
#include <algorithm>

#include "agent/watch/watcher.h"

namespace plimsoll::watch {
namespace {

// What a container is called until its runtime's files say better.
std::string provisional_name(const Match& match) {
  return match.runtime == model::Runtime::kSystemd ? match.container_id : match.container_id.substr(0, 12);
}

bool same(const model::MemoryEvents& one, const model::MemoryEvents& two) {
  return one.low == two.low && one.high == two.high && one.max == two.max && one.oom == two.oom &&
         one.oom_kill == two.oom_kill && one.oom_group_kill == two.oom_group_kill;
}

// All zero, with the same fields present.
model::MemoryEvents nothing_yet(const model::MemoryEvents& like) {
  model::MemoryEvents events;
  if (like.oom_group_kill) events.oom_group_kill = 0;
  return events;
}

}  // namespace

void Watcher::push(decltype(model::Event::what) what) { events_.push_back({clock_.boot(), std::move(what)}); }

void Watcher::collect() {
  auto changes = tree_.drain();
  if (changes) {
    apply(*changes);
  } else {
    warnings_.push_back(changes.error().message());
  }
}

void Watcher::apply(const std::vector<FolderChange>& changes) {
  std::set<model::CgroupId> read;  // in this batch: one reading answers all its notifications
  for (const FolderChange& change : changes) {
    if (change.kind == FolderChange::Kind::kAppeared) {
      appeared(change);
      continue;
    }
    if (change.kind == FolderChange::Kind::kVanished) {
      vanished(change.id);
      continue;
    }
    const auto found = by_id_.find(change.id);
    if (found == by_id_.end()) continue;
    const bool first = read.insert(change.id).second;
    const bool limit = found->second->sampler.file_changed(change.file);
    if (limit) limit_changes_.insert(change.id);
    const bool more = limit || change.file == "cgroup.events";
    // Gone already is no error: its IN_DELETE follows.
    if (first || more) (void)refresh(change.id);
  }
}

void Watcher::appeared(const FolderChange& change) {
  auto reader = CgroupReader::open(options_.cgroup_mount + change.path, change.id, budget_);
  if (!reader) {
    // A name in use again comes with an event of its own.
    if (reader.error().kind() != ErrorKind::kNotFound) warnings_.push_back(reader.error().message());
    return;
  }
  model::ContainerRef ref;
  ref.id = change.id;
  ref.cgroup = change.path;
  ref.runtime = change.match.runtime;
  ref.container_id = change.match.container_id;
  ref.name = provisional_name(change.match);
  if (tick_ > 0) ref.created = clock_.wall();  // found by the first walk: nobody knows how old it is
  auto tracked = std::make_unique<Tracked>(
      Tracked{std::make_shared<const model::ContainerRef>(std::move(ref)), change.match,
              ContainerSampler(*std::move(reader), change.id), options_.identity_tries});
  identify(*tracked);
  if (const auto old = tracked_.find(change.path); old != tracked_.end()) vanished(old->second->ref->id);
  Tracked& placed = *tracked;
  tracked_[change.path] = std::move(tracked);
  by_id_[change.id] = &placed;
  push(model::ContainerAppeared{placed.ref});
  if (const auto probed = probe(placed); !probed)
    warnings_.push_back(probed.error().message() + ": " + change.path);
  if (placed.sampler.take(tick_, placed.ref->init_pid, ground_)) after_reading(placed);
}

void Watcher::vanished(model::CgroupId id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  const Tracked& tracked = *found->second;
  model::EndedContainer ended{tracked.ref, tracked.sampler.last(), clock_.wall(), std::nullopt};
  if (options_.probes != nullptr) {
    // The kernel keeps them for us: unlike the cgroup's files, they can be read when it is gone.
    ended.last.probes = read_probes(*options_.probes, id, ground_);
    options_.probes->forget(id);
  }
  if (const auto told = early_ends_.extract(tracked.ref->container_id)) complete(ended, told.mapped());
  push(model::ContainerVanished{ended.ref, ended.last});
  limit_changes_.erase(id);
  if (listener_) listener_->remove(id.inode);
  const std::string path = tracked.ref->cgroup;
  ended_.push_back(std::move(ended));
  by_id_.erase(found);
  tracked_.erase(path);
}

void Watcher::complete(model::EndedContainer& ended, const model::EndedContainer& told) {
  ended.exit = told.exit;
  model::Sample& last = ended.last;
  if (told.last.cpu && (!last.cpu || last.cpu->usage < told.last.cpu->usage)) {
    if (!last.cpu) last.cpu.emplace();
    last.cpu->usage = told.last.cpu->usage;
    last.cpu->user = told.last.cpu->user;
    last.cpu->system = told.last.cpu->system;
  }
  last.memory.peak = std::max(last.memory.peak, told.last.memory.peak);
  if (told.last.memory.events) {
    if (!last.memory.events) last.memory.events.emplace();
    last.memory.events->oom_kill = std::max(last.memory.events->oom_kill, told.last.memory.events->oom_kill);
  }
  // Inodes of an earlier boot mean nothing, and what ran then was counted then.
  const WallTime booted = clock_.wall() - clock_.boot().since_boot;
  if (ended.ref->id.inode != 0 && told.exit && told.exit->when >= booted)
    workloads_.account(*ended.ref, last);
  workloads_.ended(ended.ref->id);
}

// Whenever a container was read, by the tick or by an event: tells of changed memory.events once, even where
// no notification came, and accounts what was used.
void Watcher::after_reading(Tracked& tracked) {
  const model::Sample& now = tracked.sampler.last();
  if (tracked.identified) workloads_.account(*tracked.ref, now);
  if (!now.memory.events) return;
  const bool first = !tracked.reported.has_value();
  const model::MemoryEvents before = tracked.reported.value_or(nothing_yet(*now.memory.events));
  tracked.reported = now.memory.events;
  // What a container counted before the agent came is history, not an event.
  if (same(before, *now.memory.events) || (first && tick_ == 0)) return;
  push(model::MemoryEventsChanged{tracked.ref, before, *now.memory.events});
}

Result<std::optional<Identity>> Watcher::identity_of(const Match& match) {
  if (match.runtime != model::Runtime::kPlimsoll) return read_identity(options_.identity, match);
  return ours_ == nullptr ? std::nullopt : ours_->identify(match.container_id);
}

// One that found no room is tried again at each tick: others end.
Result<> Watcher::probe(Tracked& tracked) {
  if (options_.probes == nullptr || tracked.probed) return {};
  PLIMSOLL_TRY(options_.probes->watch(tracked.ref->id));
  tracked.probed = true;
  return {};
}

void Watcher::identify(Tracked& tracked) {
  if (tracked.identified || tracked.identity_tries_left == 0) return;
  --tracked.identity_tries_left;
  auto found = identity_of(tracked.match);
  if (!found || !*found) {
    // Half written, or not there yet: worth a word only when there is no further try.
    tracked.identified = tracked.identity_tries_left == 0;
    if (!found && tracked.identified) {
      warnings_.push_back("identify " + tracked.ref->cgroup + ": " + found.error().message());
    }
    return;
  }
  Identity identity = **std::move(found);
  model::ContainerRef ref = *tracked.ref;
  if (!identity.name.empty()) ref.name = std::move(identity.name);
  ref.image = std::move(identity.image);
  ref.pod = std::move(identity.pod);
  ref.kube_namespace = std::move(identity.kube_namespace);
  ref.kube_container = std::move(identity.kube_container);
  ref.labels = std::move(identity.labels);
  if (identity.created) ref.created = identity.created;
  if (identity.started) ref.started = identity.started;
  ref.init_pid = identity.init_pid;
  ref.restarts = identity.restarts;
  tracked.ref = std::make_shared<const model::ContainerRef>(std::move(ref));
  tracked.identified = true;
}

}  // namespace plimsoll::watch
