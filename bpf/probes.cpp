#include "bpf/probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <lifecycle.skel.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "agent/base/unique_fd.h"
#include "bpf/object.h"
#include "bpf/wire.h"

namespace plimsoll::bpf {
namespace {

static_assert(WIRE_SLOTS == model::TimeHistogram::kSlots);

constexpr std::uint32_t kMostOwners = 16'384;  // cgroups; what falls out is found again

struct ProbeInfo {
  const char* name;
  const void* (*bytes)(std::size_t* size);
  const char* map;  // keyed by container
};
constexpr std::array kProbes = {
    ProbeInfo{"lifecycle", lifecycle_bpf__elf_bytes, "lifecycle"},
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

model::TimeHistogram histogram(const wire_histogram& wire) {
  model::TimeHistogram out;
  out.sum = Nanoseconds(static_cast<std::int64_t>(wire.nanoseconds));
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

  int map(const char* probe) const {
    for (const Probe& one : probes) {
      if (one.object && std::string_view(one.info->name) == probe) return one.object->map(one.info->map);
    }
    return -1;
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
    if (probe.object) bpf_map_delete_elem(probe.object->map(probe.info->map), &id.inode);
  }
}

std::optional<model::Lifecycle> Probes::lifecycle(model::CgroupId id) const {
  const int map = state_->map("lifecycle");
  if (map < 0) return std::nullopt;
  wire_lifecycle counts{};
  // No entry yet: nothing has happened in it.
  (void)read_sum(map, &id.inode, state_->cpus, counts);
  return model::Lifecycle{.forks = counts.forks,
                          .threads = counts.threads,
                          .execs = counts.execs,
                          .exits = counts.exits,
                          .failures = counts.failures,
                          .signals = counts.signals,
                          .lifetimes = histogram(counts.lifetimes)};
}

}  // namespace plimsoll::bpf
