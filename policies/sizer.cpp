#include "policies/sizer.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/base/json_text.h"

namespace plimsoll::policies {

using namespace std::chrono_literals;

namespace {

// Events bring samples between ticks: CPU use over a few milliseconds is noise.
constexpr Nanoseconds kLeastBetween = 900ms;
constexpr Nanoseconds kLook = 10s;         // between two estimates of one container
constexpr Nanoseconds kUseSettles = 1min;  // CPU use is smoothed over

double bytes(const Bytes& value) { return static_cast<double>(value.value); }

}  // namespace

double unreclaimable(const model::Sample& sample, const model::HostSample& host) {
  const double used = sample.memory.current ? bytes(*sample.memory.current) : 0;
  if (!sample.memory.stat) return used;
  const model::MemoryStat& stat = *sample.memory.stat;
  const auto& swap = sample.limits.memory_swap_max;
  const double swapped = sample.memory.swap_current ? bytes(*sample.memory.swap_current) : 0;
  const bool room = swap && (swap->is_max() || bytes(swap->value()) > swapped) && host.swap_free.value > 0;
  const double pages = room ? 0 : bytes(stat.anon) + bytes(stat.shmem);
  return std::min(used, pages + bytes(stat.kernel) + bytes(stat.sock) + bytes(stat.unevictable));
}

Sizer::Key Sizer::key_of(const model::ContainerRef& ref) {
  if (!ref.kube_container.empty()) return {ref.kube_namespace + "/" + ref.kube_container, ref.image};
  return {ref.name.empty() ? ref.cgroup : ref.name, ref.image};
}

Sizer::Workload& Sizer::workload_of(const Key& key) {
  auto& workload = workloads_[key];
  if (!workload) workload = std::make_unique<Workload>();
  return *workload;
}

void Sizer::make_room() {
  if (workloads_.size() <= kMostWorkloads) return;
  std::set<const Workload*> alive;
  for (const auto& [id, living] : living_) alive.insert(living.workload);
  while (workloads_.size() > kMostWorkloads) {
    auto oldest = workloads_.end();
    for (auto at = workloads_.begin(); at != workloads_.end(); ++at) {
      if (alive.contains(at->second.get())) continue;
      if (oldest == workloads_.end() || at->second->seen < oldest->second->seen) oldest = at;
    }
    if (oldest == workloads_.end()) return;
    workloads_.erase(oldest);
  }
}

Sizer::Living& Sizer::observe(const model::ContainerSample& one, const model::Snapshot& snapshot,
                              const SizeRule* cpu, const SizeRule* memory) {
  const auto [at, fresh] = living_.try_emplace(one.ref->id.inode);
  Living& living = at->second;
  living.turn = turn_;
  living.probe.reset();
  const model::Limits& limits = one.sample.limits;
  living.memory.now = living.cpu.now = std::nullopt;
  if (limits.memory_max && !limits.memory_max->is_max())
    living.memory.now = bytes(limits.memory_max->value());
  if (limits.cpu_max && !limits.cpu_max->quota.is_max())
    living.cpu.now = limits.cpu_max->cores().value().value;
  if (fresh || living.ref != one.ref) {
    living.ref = one.ref;
    living.workload = &workload_of(key_of(*one.ref));
    living.workload->seen = snapshot.wall;
    make_room();
  }
  if (living.taken && one.sample.taken <= *living.taken) return living;
  const Nanoseconds passed = living.taken ? one.sample.taken - *living.taken : Nanoseconds(0);
  const bool begins = !living.taken.has_value();
  const Nanoseconds over = passed < kLeastBetween ? Nanoseconds(0) : passed;
  Workload& workload = *living.workload;
  if (memory != nullptr) {
    workload.memory.use_half_life(memory->sizing.half_life, snapshot.wall);
    observe_memory(living, one, snapshot.host, *memory, over, snapshot.wall);
  }
  if (cpu != nullptr) workload.cpu.use_half_life(cpu->sizing.half_life, snapshot.wall);
  if (begins || over.count() > 0) {
    if (!begins && cpu != nullptr) observe_cpu(living, one.sample, over, snapshot.wall);
    if (one.sample.cpu) living.cpu_usage = one.sample.cpu->usage;
    living.taken = one.sample.taken;
    workload.seen = snapshot.wall;
  }
  // What was killed before it was first seen is no news.
  if (begins && one.sample.memory.events) {
    living.oom_kills = one.sample.memory.events->oom_kill;
    living.ooms = one.sample.memory.events->oom;
  }
  const model::Count before = living.oom_kills;
  observe_ooms(living, one.sample, snapshot.wall);
  if (!living.looked || living.oom_kills != before || one.sample.taken - *living.looked >= kLook) {
    living.looked = one.sample.taken;
    look(living, cpu, memory);
  }
  return living;
}

void Sizer::look(Living& living, const SizeRule* cpu, const SizeRule* memory) {
  const Workload& workload = *living.workload;
  living.memory.estimate = memory == nullptr ? std::nullopt : workload.memory.estimate(memory->sizing);
  living.cpu.estimate = cpu == nullptr ? std::nullopt : workload.cpu.estimate(cpu->sizing);
  // Nothing yet: not in ten seconds only.
  if (!living.memory.estimate && !living.cpu.estimate) living.looked.reset();
}

void Sizer::observe_memory(Living& living, const model::ContainerSample& one, const model::HostSample& host,
                           const SizeRule& rule, Nanoseconds over, WallTime wall) {
  const model::Sample& sample = one.sample;
  const auto used = model::working_set(sample.memory);
  if (!used) return;
  living.memory.used = bytes(*used);
  if (!rule.seek_pressure) return living.workload->memory.take(bytes(*used), over, wall);
  // Where nothing is taken away, only what it happened to have without pressure is known: its working set.
  const bool takes = rule.mode == SizeMode::kEnforce;
  if (sample.pressure.memory) {
    living.probe = living.seeker.take({.at = sample.taken,
                                       .used = takes ? bytes(*sample.memory.current) : bytes(*used),
                                       .unreclaimable = takes ? unreclaimable(sample, host) : bytes(*used),
                                       .stalled = sample.pressure.memory->some.total},
                                      rule.pressure);
  }
  if (living.probe) {
    const double size = takes ? living.probe->size : std::max(living.probe->size, bytes(*used));
    living.found = takes && !living.probe->found ? std::nullopt : std::optional(size);
  }
  if (living.found) living.workload->memory.take(*living.found, over, wall);
}

void Sizer::observe_cpu(Living& living, const model::Sample& sample, Nanoseconds over, WallTime wall) {
  if (!sample.cpu || sample.cpu->usage < living.cpu_usage) return;
  const double cores = to_seconds(sample.cpu->usage - living.cpu_usage) / to_seconds(over);
  living.workload->cpu.take(cores, over, wall);
  const double old = living.cpu.used ? std::exp(-to_seconds(over) / to_seconds(kUseSettles)) : 0;
  living.cpu.used = old * living.cpu.used.value_or(0) + (1 - old) * cores;
}

void Sizer::observe_ooms(Living& living, const model::Sample& sample, WallTime wall) {
  if (!sample.memory.events) return;
  const model::MemoryEvents& events = *sample.memory.events;
  if (events.oom_kill > living.oom_kills && living.memory.used) {
    double used = *living.memory.used;
    // At its own limit, that much was in use when it was killed, whatever a sample showed before or after.
    const auto& most = sample.limits.memory_max;
    if (events.oom > living.ooms && most && !most->is_max()) used = std::max(used, bytes(most->value()));
    living.workload->memory.oom(used, wall);
    living.oom_told = true;
  }
  living.oom_kills = std::max(living.oom_kills, events.oom_kill);
  living.ooms = std::max(living.ooms, events.oom);
}

void Sizer::observe_end(model::CgroupId id, const model::Sample& last, WallTime wall) {
  const auto found = living_.find(id.inode);
  if (found != living_.end()) observe_ooms(found->second, last, wall);
}

// Its cgroup may be gone before its events were read.
void Sizer::observe_exit(const model::EndedContainer& ended) {
  const auto found = living_.find(ended.ref->id.inode);
  if (found == living_.end() || found->second.oom_told || !ended.exit || !ended.exit->oom_killed) return;
  Living& living = found->second;
  if (!living.memory.used) return;
  double used = *living.memory.used;
  const auto& most = ended.last.limits.memory_max;
  if (most && !most->is_max()) used = std::max(used, bytes(most->value()));
  living.workload->memory.oom(used, ended.vanished);
  living.oom_told = true;
}

void Sizer::end_turn(const model::Snapshot& snapshot) {
  const auto gone = [&](const auto& entry) { return entry.second.turn != turn_; };
  if (std::ranges::any_of(living_, gone)) {
    std::set<std::uint64_t> ended;
    for (const model::EndedContainer& one : snapshot.ended) {
      observe_exit(one);
      ended.insert(one.ref->id.inode);
    }
    std::erase_if(living_, [&](const auto& entry) { return gone(entry) && !ended.contains(entry.first); });
  }
  ++turn_;
}

const Sizer::Living* Sizer::find(model::CgroupId id) const {
  const auto found = living_.find(id.inode);
  return found == living_.end() || found->second.turn + 1 < turn_ ? nullptr : &found->second;
}

namespace {

using nlohmann::json;

json saved(const Recommender& recommender) {
  const Recommender::State state = recommender.state();
  return {{"weights", state.weights},
          {"reference", state.reference.time_since_epoch().count()},
          {"began", state.interval_began.time_since_epoch().count()},
          {"half_life", state.half_life.count()},
          {"peak", state.peak},
          {"observed", state.observed.count()}};
}

bool restore_into(const json& text, Recommender& recommender) {
  const auto time = [&](const char* key) { return WallTime(Nanoseconds(text.at(key).get<std::int64_t>())); };
  return recommender.restore(
      {.weights = text.at("weights").get<std::vector<std::pair<std::size_t, double>>>(),
       .reference = time("reference"),
       .interval_began = time("began"),
       .half_life = Nanoseconds(text.at("half_life").get<std::int64_t>()),
       .peak = text.at("peak").get<double>(),
       .observed = Nanoseconds(text.at("observed").get<std::int64_t>())});
}

}  // namespace

std::string Sizer::save() const {
  json workloads = json::array();
  for (const auto& [key, workload] : workloads_) {
    workloads.push_back({{"name", key.first},
                         {"image", key.second},
                         {"seen", workload->seen.time_since_epoch().count()},
                         {"memory", saved(workload->memory)},
                         {"cpu", saved(workload->cpu)}});
  }
  return json_text(json{{"version", 1}, {"workloads", std::move(workloads)}});
}

Result<> Sizer::restore(const std::string& text) {
  std::map<Key, std::unique_ptr<Workload>> restored;
  try {
    const json state = json::parse(text);
    if (state.at("version") != 1) return invalid("saved recommendations: another format");
    for (const json& one : state.at("workloads")) {
      auto workload = std::make_unique<Workload>();
      workload->seen = WallTime(Nanoseconds(one.at("seen").get<std::int64_t>()));
      if (!restore_into(one.at("memory"), workload->memory) || !restore_into(one.at("cpu"), workload->cpu))
        return invalid("saved recommendations: values out of range");
      restored[{one.at("name"), one.at("image")}] = std::move(workload);
    }
  } catch (const json::exception& error) {
    return invalid(std::string("saved recommendations: ") + error.what());
  }
  living_.clear();
  workloads_ = std::move(restored);
  return {};
}

}  // namespace plimsoll::policies
