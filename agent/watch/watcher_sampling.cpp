// Watcher's half that reads: all containers once a tick, and where PSI triggers stand.
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <tuple>

#include "agent/kernel/cgroup.h"
#include "agent/watch/watcher.h"

namespace plimsoll::watch {
namespace {

// Keys of the host's own triggers. Inodes of cgroups begin at 1, the root, which has no trigger of its own.
struct HostTrigger {
  std::uint64_t key;
  const char* resource;
  double share;  // of the window: the CPU is waited for all the time on a machine that is merely busy
};
constexpr std::uint64_t kFirstHostKey = 1ULL << 63;
constexpr std::array<HostTrigger, 3> kHostTriggers = {
    {{kFirstHostKey, "memory", 0.1}, {kFirstHostKey + 1, "io", 0.3}, {kFirstHostKey + 2, "cpu", 0.5}}};

// A container that has not stalled for these many ticks gives its trigger up to one that does.
constexpr std::uint64_t kQuietTicks = 60;

bool bounded(const std::optional<model::Bound<Bytes>>& limit) { return limit && !limit->is_max(); }

}  // namespace

void Watcher::sample_root() {
  if (!root_reader_) {
    const std::string path = options_.cgroup_mount;
    auto folder = kernel::Cgroup::open(path);
    if (!folder) return;
    auto reader = CgroupReader::open(path, folder->id(), budget_);
    if (!reader) return;
    root_reader_ = std::make_unique<CgroupReader>(*std::move(reader));
    root_.emplace();
  }
  root_->taken = clock_.boot();
  (void)root_reader_->read(*root_, ground_.buffer);  // the root does not vanish
  for (model::IoStat& stat : root_->io) {
    const auto name = ground_.device_names.find({stat.major, stat.minor});
    stat.device = name != ground_.device_names.end()
                      ? name->second
                      : std::to_string(stat.major) + ":" + std::to_string(stat.minor);
  }
  // The root cgroup's pressure is the machine's.
  root_->pressure = host_.pressure;
}

const model::HostSample& Watcher::look_at_host() {
  return host_ = host_reader_.read(clock_.boot(), ground_.buffer);
}

void Watcher::sample_all() {
  look_at_host();
  sample_root();
  for (const auto& [path, tracked] : tracked_) {
    identify(*tracked);
    (void)probe(*tracked);  // that there is no room was told
  }
  std::vector<model::CgroupId> gone = sample_tracked();
  // inotify will say so too; by then they are unknown.
  for (const model::CgroupId id : gone) vanished(id);
}

// Tells who is gone: what the probes still say of them is to be read after their last deed, not before.
std::vector<model::CgroupId> Watcher::sample_tracked() {
  bpf::Probes::Scan scan;
  if (options_.probes != nullptr) {
    scan = options_.probes->scan();
    probes_ = options_.probes->states();
    interference_ = std::make_shared<const std::vector<model::Interference>>(options_.probes->interference());
  }
  std::vector<model::CgroupId> gone;
  for (const auto& [path, tracked] : tracked_) {
    if (tracked->sampler.take(tick_, tracked->ref->init_pid, ground_)) {
      after_reading(*tracked);
    } else {
      gone.push_back(tracked->ref->id);
    }
  }
  return gone;
}

void Watcher::prune_ended(WallTime now) {
  while (!ended_.empty() &&
         (ended_.size() > options_.most_ended || now - ended_.front().vanished > options_.keep_ended)) {
    workloads_.ended(ended_.front().ref->id);
    if (options_.probes != nullptr) options_.probes->bury(ended_.front().ref->id);
    ended_.pop_front();
  }
}

void Watcher::arm_host() {
  for (const HostTrigger& host : kHostTriggers) {
    kernel::PsiThreshold wanted = options_.pressure;
    wanted.stall =
        Microseconds(static_cast<std::int64_t>(host.share * static_cast<double>(wanted.window.count())));
    auto trigger = kernel::PsiTrigger::open(AT_FDCWD, options_.proc + "/pressure/" + host.resource, wanted);
    if (!trigger) {
      warnings_.push_back(trigger.error().message());
      listener_.reset();  // what the host's own files refuse, a cgroup's will too
      pressure_window_ = Microseconds{0};
      return;
    }
    pressure_window_ = trigger->threshold().window;
    if (const auto added = listener_->add(host.key, *std::move(trigger)); !added) {
      warnings_.push_back(added.error().message());
    }
  }
}

void Watcher::arm(Tracked& tracked) {
  auto trigger =
      kernel::PsiTrigger::open(tracked.sampler.reader().folder(), "memory.pressure", options_.pressure);
  if (!trigger) return;  // gone, or its cgroup.pressure is 0; the tick still sees its pressure
  (void)listener_->add(tracked.ref->id.inode, *std::move(trigger));
}

void Watcher::arm_triggers() {
  if (!listener_) return;
  std::vector<Tracked*> waiting;
  std::vector<Tracked*> quiet;
  std::size_t armed = 0;
  for (const auto& [path, tracked] : tracked_) {
    const model::Sample& last = tracked->sampler.last();
    if (!last.pressure.memory) continue;
    const Microseconds stalled = last.pressure.memory->some.total;
    const bool stalls = tracked->stalled < stalled && tick_ > 1;  // all "grew" in the first
    tracked->stalled = stalled;
    if (stalls) tracked->stalled_at = tick_;
    const bool has = listener_->has(tracked->ref->id.inode);
    if (has) ++armed;
    if (has && tracked->stalled_at + kQuietTicks < tick_) quiet.push_back(tracked.get());
    if (!has && (stalls || bounded(last.limits.memory_max) || bounded(last.limits.memory_high))) {
      waiting.push_back(tracked.get());
    }
  }
  // The path breaks ties, so that the choice is the same at each tick.
  std::ranges::sort(waiting, [](const Tracked* one, const Tracked* two) {
    return std::tie(two->stalled_at, one->ref->cgroup) < std::tie(one->stalled_at, two->ref->cgroup);
  });
  for (Tracked* tracked : waiting) {
    if (armed < options_.most_pressure_triggers) {
      ++armed;
    } else if (!quiet.empty() && tracked->stalled_at == tick_) {
      listener_->remove(quiet.back()->ref->id.inode);
      quiet.pop_back();
    } else {
      break;
    }
    arm(*tracked);
  }
}

void Watcher::pressure_fired() {
  if (!listener_) return;
  for (const std::uint64_t key : listener_->take_fired()) {
    const auto host = std::ranges::find(kHostTriggers, key, &HostTrigger::key);
    if (host != kHostTriggers.end()) {
      push(model::PressureRaised{nullptr, host->resource});
      continue;
    }
    const auto found = by_id_.find(model::CgroupId{key});
    if (found == by_id_.end()) continue;
    (void)refresh(found->first);
    push(model::PressureRaised{found->second->ref, "memory"});
  }
}

// Many alarms of one container are one reading.
void Watcher::probes_fired() {
  if (options_.probes == nullptr) return;
  std::set<model::CgroupId> fresh;
  for (const model::ProbeAlarm& alarm : options_.probes->drain()) {
    const auto found = by_id_.find(alarm.container);
    if (found == by_id_.end()) continue;
    const auto ref = found->second->ref;
    if (fresh.insert(alarm.container).second) (void)refresh(alarm.container);
    push(model::ProbeRaised{ref, alarm});
  }
  std::ranges::move(options_.probes->take_ooms(), std::back_inserter(ooms_));
}

}  // namespace plimsoll::watch
