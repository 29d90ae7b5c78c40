#include "bpf/probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <lifecycle.skel.h>
#include <sched.skel.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "agent/base/unique_fd.h"
#include "bpf/object.h"
#include "bpf/wire.h"

namespace plimsoll::bpf {

struct ProbeInfo {
  const char* name;  // also of its map that is keyed by container
  const void* (*bytes)(std::size_t* size);
};

namespace {

static_assert(WIRE_SLOTS == model::TimeHistogram::kSlots);

constexpr std::uint32_t kMostOwners = 16'384;  // cgroups; what falls out is found again

constexpr std::array kProbes = {
    ProbeInfo{"lifecycle", lifecycle_bpf__elf_bytes},
    ProbeInfo{"sched", sched_bpf__elf_bytes},
};

Result<UniqueFd> make_map(bpf_map_type type, const char* name, std::uint32_t value, std::uint32_t entries,
                          std::uint32_t key = sizeof(wire_u64)) {
  UniqueFd fd(bpf_map_create(type, name, key, value, entries, nullptr));
  if (!fd) return fail_errno(std::string("make the BPF map ") + name);
  return fd;
}

// The sum over all CPUs of a per-CPU map's value, which is made of 64-bit counters only. False: no such
// entry.
template <typename Value>
bool read_sum(int map, const void* key, int cpus, Value& sum) {
  constexpr std::size_t kWords = sizeof(Value) / sizeof(std::uint64_t);
  std::vector<std::uint64_t> words(static_cast<std::size_t>(cpus) * kWords);
  if (bpf_map_lookup_elem(map, key, words.data()) != 0) return false;
  auto* out = reinterpret_cast<std::uint64_t*>(&sum);
  for (std::size_t i = 0; i < words.size(); ++i) out[i % kWords] += words[i];
  return true;
}

Nanoseconds nanoseconds(std::uint64_t count) { return Nanoseconds(static_cast<std::int64_t>(count)); }

// All keys of a map; those that come or go meanwhile may be missed. None where `map` is no map.
template <typename Key>
std::vector<Key> keys_of(int map) {
  std::vector<Key> keys;
  Key next{};
  while (bpf_map_get_next_key(map, keys.empty() ? nullptr : &keys.back(), &next) == 0) keys.push_back(next);
  return keys;
}

model::Interference cell(const wire_blame& key, Nanoseconds waited) {
  using By = model::Interference::By;
  const By by = key.aggressor == WIRE_AGGRESSOR_HOST      ? By::kHost
                : key.aggressor == WIRE_AGGRESSOR_NOBODY  ? By::kIdle
                : key.aggressor == WIRE_AGGRESSOR_UNKNOWN ? By::kUnknown
                                                          : By::kContainer;
  return {{key.victim}, by, {by == By::kContainer ? key.aggressor : 0}, waited};
}

model::TimeHistogram histogram(const wire_histogram& wire) {
  model::TimeHistogram out;
  out.sum = nanoseconds(wire.nanoseconds);
  std::copy(std::begin(wire.slots), std::end(wire.slots), out.slots.begin());
  return out;
}

}  // namespace

std::vector<std::string_view> probe_names() {
  std::vector<std::string_view> names;
  for (const ProbeInfo& probe : kProbes) names.emplace_back(probe.name);
  return names;
}

struct Probes::State {
  struct Probe {
    const ProbeInfo* info;
    std::unique_ptr<Object> object;  // null: not up
    std::string why;
  };
  UniqueFd containers, owners, epoch;
  std::uint32_t now = 1;
  int cpus = libbpf_num_possible_cpus();
  std::vector<Probe> probes;

  Result<> make_maps(std::uint32_t most_containers) {
    PLIMSOLL_ASSIGN(containers,
                    make_map(BPF_MAP_TYPE_HASH, "containers", sizeof(std::uint8_t), most_containers));
    PLIMSOLL_ASSIGN(owners, make_map(BPF_MAP_TYPE_LRU_HASH, "owners", sizeof(wire_owner), kMostOwners));
    PLIMSOLL_ASSIGN(epoch, make_map(BPF_MAP_TYPE_ARRAY, "epoch", sizeof now, 1, sizeof now));
    return next_epoch();
  }

  // What was found to be nobody's may be somebody's now.
  Result<> next_epoch() {
    ++now;
    const std::uint32_t zero = 0;
    if (bpf_map_update_elem(epoch.get(), &zero, &now, BPF_ANY) != 0)
      return fail_errno("write the BPF map epoch");
    return {};
  }

  int map(std::string_view probe, const char* name) const {
    for (const Probe& one : probes) {
      if (one.object && one.info->name == probe) return one.object->map(name);
    }
    return -1;
  }

  // The value of a probe's map keyed by container, all CPUs together. nullopt: the probe is not up. All zero
  // where there is no entry yet: nothing has happened in it.
  template <typename Value>
  std::optional<Value> counts(const char* probe, model::CgroupId id) const {
    const int fd = map(probe, probe);
    if (fd < 0) return std::nullopt;
    Value sum{};
    (void)read_sum(fd, &id.inode, cpus, sum);
    return sum;
  }
};

Probes::Probes(std::unique_ptr<State> state) : state_(std::move(state)) {}
Probes::~Probes() = default;

std::unique_ptr<Probes> Probes::open(const Options& options) {
  auto state = std::make_unique<State>();
  const auto maps = state->make_maps(options.most_containers);
  for (const ProbeInfo& info : kProbes) {
    State::Probe probe{&info, nullptr, ""};
    if (options.off.contains(info.name)) {
      probe.why = "switched off";
    } else if (!maps) {
      probe.why = maps.error().message();
    } else {
      std::size_t size = 0;
      const auto* bytes = static_cast<const std::uint8_t*>(info.bytes(&size));
      const std::array shared = {SharedMap{"containers", state->containers.get()},
                                 SharedMap{"owners", state->owners.get()},
                                 SharedMap{"epoch", state->epoch.get()}};
      auto object = Object::load({info.name, {bytes, size}}, shared, options.most_containers);
      if (object) {
        probe.object = *std::move(object);
      } else {
        probe.why = object.error().message();
      }
    }
    state->probes.push_back(std::move(probe));
  }
  return std::unique_ptr<Probes>(new Probes(std::move(state)));
}

std::vector<model::ProbeState> Probes::states() const {
  std::vector<model::ProbeState> out;
  for (const State::Probe& probe : state_->probes) {
    model::ProbeState told{.name = probe.info->name, .up = probe.object != nullptr, .why = probe.why};
    if (probe.object) {
      const RunTime cost = probe.object->run_time();
      told.spent = cost.spent;
      told.runs = cost.runs;
      const std::uint32_t full = WIRE_LOST_MAP_FULL;
      (void)read_sum(probe.object->map("lost"), &full, state_->cpus, told.lost_map_full);
    }
    out.push_back(std::move(told));
  }
  return out;
}

Result<> Probes::watch(model::CgroupId id) {
  if (!state_->containers) return {};
  const std::uint8_t there = 1;
  if (bpf_map_update_elem(state_->containers.get(), &id.inode, &there, BPF_ANY) != 0)
    return fail_errno("name a container to the probes");
  return state_->next_epoch();
}

void Probes::forget(model::CgroupId id) {
  if (!state_->containers) return;
  bpf_map_delete_elem(state_->containers.get(), &id.inode);
  for (const State::Probe& probe : state_->probes) {
    if (probe.object) bpf_map_delete_elem(probe.object->map(probe.info->name), &id.inode);
  }
  const int blame = state_->map("sched", "blame");
  for (const wire_blame& key : keys_of<wire_blame>(blame)) {
    if (key.victim == id.inode || key.aggressor == id.inode) bpf_map_delete_elem(blame, &key);
  }
}

std::optional<model::Lifecycle> Probes::lifecycle(model::CgroupId id) const {
  const auto counts = state_->counts<wire_lifecycle>("lifecycle", id);
  if (!counts) return std::nullopt;
  return model::Lifecycle{.forks = counts->forks,
                          .threads = counts->threads,
                          .execs = counts->execs,
                          .exits = counts->exits,
                          .failures = counts->failures,
                          .signals = counts->signals,
                          .lifetimes = histogram(counts->lifetimes)};
}

std::optional<model::Scheduling> Probes::scheduling(model::CgroupId id) const {
  const auto counts = state_->counts<wire_sched>("sched", id);
  if (!counts) return std::nullopt;
  return model::Scheduling{.on_cpu = nanoseconds(counts->on_cpu),
                           .stolen = nanoseconds(counts->stolen),
                           .waits = histogram(counts->waits)};
}

std::vector<model::Interference> Probes::interference() const {
  std::vector<model::Interference> cells;
  const int map = state_->map("sched", "blame");
  for (const wire_blame& key : keys_of<wire_blame>(map)) {
    std::uint64_t waited = 0;
    if (read_sum(map, &key, state_->cpus, waited)) cells.push_back(cell(key, nanoseconds(waited)));
  }
  return cells;
}

}  // namespace plimsoll::bpf
