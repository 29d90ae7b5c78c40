#include "bpf/probes.h"

#include <blockio.skel.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <lifecycle.skel.h>
#include <net.skel.h>
#include <oom.skel.h>
#include <reclaim.skel.h>
#include <sched.skel.h>
#include <syscalls.skel.h>
#include <throttle.skel.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "agent/base/unique_fd.h"
#include "bpf/maps.h"
#include "bpf/object.h"
#include "bpf/oom_records.h"
#include "bpf/readings.h"
#include "bpf/wire.h"

namespace plimsoll::bpf {

struct ProbeInfo {
  const char* name;
  const void* (*bytes)(std::size_t* size);
  void (*read)(const Object& object, const Place& place, model::ProbeReadings& out);
  bool opt_in = false;  // too dear to be loaded unasked
  // Of maps whose keys are more than a container; null: there are none, or who reads them all takes it out.
  void (*forget)(const Object& object, model::CgroupId id) = nullptr;
};

namespace {

constexpr std::uint32_t kMostOwners = 16'384;  // cgroups; what falls out is found again
constexpr std::uint32_t kMostHeld = 16'384;    // pairs of a cgroup with a CPU quota and a CPU; likewise

constexpr std::array kProbes = {
    ProbeInfo{"lifecycle", lifecycle_bpf__elf_bytes, read_lifecycle},
    ProbeInfo{"oom", oom_bpf__elf_bytes, read_oom},
    ProbeInfo{"sched", sched_bpf__elf_bytes, read_sched},
    ProbeInfo{"throttle", throttle_bpf__elf_bytes, read_throttle},
    ProbeInfo{"net", net_bpf__elf_bytes, read_net},
    ProbeInfo{"syscalls", syscalls_bpf__elf_bytes, read_syscalls, true},
    ProbeInfo{"reclaim", reclaim_bpf__elf_bytes, read_reclaim},
    ProbeInfo{"blockio", blockio_bpf__elf_bytes, read_blockio, false, forget_blockio},
};

Result<UniqueFd> make_map(bpf_map_type type, const char* name, std::uint32_t key, std::uint32_t value,
                          std::uint32_t entries) {
  UniqueFd fd(bpf_map_create(type, name, key, value, entries, nullptr));
  if (!fd) return fail_errno(std::string("make the BPF map ") + name);
  return fd;
}

template <typename Value>
Result<> put(const UniqueFd& map, const char* name, const Value& value) {
  const std::uint32_t zero = 0;
  if (bpf_map_update_elem(map.get(), &zero, &value, BPF_ANY) == 0) return {};
  return fail_errno(std::string("write the BPF map ") + name);
}

// The kernel wants a power of two of whole pages.
std::uint32_t ring_size(std::uint32_t bytes) {
  const auto page = static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE));
  return std::bit_ceil(std::max(bytes, page));
}

std::optional<model::ProbeAlarm::Why> why_of(std::uint32_t kind) {
  switch (kind) {
    case WIRE_EVENT_FORK_BURST:
      return model::ProbeAlarm::Why::kForkBurst;
    case WIRE_EVENT_MEMORY_HIGH:
      return model::ProbeAlarm::Why::kMemoryHigh;
    case WIRE_EVENT_RECLAIM_STALL:
      return model::ProbeAlarm::Why::kReclaimStall;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::vector<std::string_view> probe_names() {
  std::vector<std::string_view> names;
  for (const ProbeInfo& probe : kProbes) names.emplace_back(probe.name);
  return names;
}

// What all probes share: the maps that say whose a cgroup is, and the way of events.
struct Probes::State {
  struct Probe {
    const ProbeInfo* info;
    std::unique_ptr<Object> object;  // null: not up
    std::string why;
    bool unasked = false;
  };
  struct FreeRing {
    void operator()(ring_buffer* one) const { ring_buffer__free(one); }
  };
  UniqueFd containers, owners, epoch, settings, events, held, released;
  UniqueFd cgroup_root;                                    // -1: not known
  std::unordered_map<std::uint64_t, std::uint32_t> slots;  // of the containers that are watched
  std::vector<std::uint32_t> free_slots;
  std::unordered_set<std::uint64_t> refused;  // containers that there is no room for
  std::uint64_t refusals = 0;                 // that there ever were
  std::unique_ptr<ring_buffer, FreeRing> ring;
  std::vector<model::ProbeAlarm> alarms;  // read from the ring, and not yet given away
  std::vector<model::OomKill> ooms;       // likewise
  OomRecords oom_records{static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))};
  std::uint32_t now = 1;
  int cpus = libbpf_num_possible_cpus();
  std::vector<Probe> probes;

  Result<> make_maps(const Options& options) {
    PLIMSOLL_ASSIGN(containers, make_map(BPF_MAP_TYPE_HASH, "containers", sizeof(wire_u64), sizeof(wire_u32),
                                         options.most_containers));
    for (std::uint32_t slot = options.most_containers; slot-- > 0;) free_slots.push_back(slot);
    PLIMSOLL_ASSIGN(
        owners, make_map(BPF_MAP_TYPE_LRU_HASH, "owners", sizeof(wire_u64), sizeof(wire_owner), kMostOwners));
    PLIMSOLL_ASSIGN(epoch, make_map(BPF_MAP_TYPE_ARRAY, "epoch", sizeof now, sizeof now, 1));
    PLIMSOLL_ASSIGN(settings,
                    make_map(BPF_MAP_TYPE_ARRAY, "settings", sizeof(wire_u32), sizeof(wire_settings), 1));
    PLIMSOLL_ASSIGN(
        held, make_map(BPF_MAP_TYPE_LRU_HASH, "held", sizeof(wire_held_key), sizeof(wire_held), kMostHeld));
    PLIMSOLL_ASSIGN(released, make_map(BPF_MAP_TYPE_ARRAY, "released", sizeof(wire_u32), sizeof(wire_u64),
                                       static_cast<std::uint32_t>(cpus)));
    PLIMSOLL_ASSIGN(events, make_map(BPF_MAP_TYPE_RINGBUF, "events", 0, 0, ring_size(options.ring_bytes)));
    ring.reset(ring_buffer__new(events.get(), &State::happened, this, nullptr));
    if (!ring) return fail_errno("read the BPF ring buffer events");
    PLIMSOLL_TRY(
        put(settings, "settings",
            wire_settings{.window = static_cast<wire_u64>(options.window.count()),
                          .forks_of_a_burst = options.forks_of_a_burst,
                          .stall_of_a_window = static_cast<wire_u64>(options.stall_of_a_window.count())}));
    return next_epoch();
  }

  // What was found to be nobody's may be somebody's now.
  Result<> next_epoch() { return put(epoch, "epoch", ++now); }

  void open(Probe& probe, const Options& options) {
    const ProbeInfo& info = *probe.info;
    if (options.off.contains(info.name)) {
      probe.why = "switched off";
      probe.unasked = true;
      return;
    }
    if (info.opt_in && !options.on.contains(info.name) && !options.on.contains("all")) {
      probe.why = std::string("not asked for; --probe ") + info.name + " loads it";
      probe.unasked = true;
      return;
    }
    std::size_t size = 0;
    const auto* bytes = static_cast<const std::uint8_t*>(info.bytes(&size));
    const std::array shared = {
        SharedMap{"containers", containers.get()}, SharedMap{"owners", owners.get()},
        SharedMap{"epoch", epoch.get()},           SharedMap{"settings", settings.get()},
        SharedMap{"events", events.get()},         SharedMap{"held", held.get()},
        SharedMap{"released", released.get()}};
    auto object = Object::load({info.name, {bytes, size}, options.types}, shared,
                               {options.most_containers, options.most_cells}, cgroup_root.get());
    if (object) {
      probe.object = *std::move(object);
    } else {
      probe.why = object.error().message();
    }
  }

  Object* object(std::string_view name) const {
    const auto found = std::ranges::find(probes, name, [](const Probe& one) { return one.info->name; });
    return found == probes.end() ? nullptr : found->object.get();
  }

  // Whatever it is of, a victim wakes the policies of its container.
  void oom_happened(const wire_event& event, std::span<const std::byte> record) {
    if (event.kind == WIRE_EVENT_OOM) {
      if (auto kill = oom_records.end(record)) ooms.push_back(*std::move(kill));
    } else if (const auto victim = oom_records.victim(record)) {
      alarms.push_back({victim->process.container, model::ProbeAlarm::Why::kOomKill, nanoseconds(event.when),
                        victim->process.pid});
    }
  }

  static int happened(void* self, void* data, std::size_t size) {
    wire_event event{};
    if (size < sizeof event) return 0;
    std::memcpy(&event, data, sizeof event);
    if (event.kind == WIRE_EVENT_OOM || event.kind == WIRE_EVENT_OOM_VICTIM)
      static_cast<State*>(self)->oom_happened(event, {static_cast<const std::byte*>(data), size});
    if (const auto why = why_of(event.kind)) {
      static_cast<State*>(self)->alarms.push_back(
          {{event.container}, *why, nanoseconds(event.when), static_cast<int>(event.pid)});
    }
    return 0;
  }
};

Bytes Probes::memory_of(const Options& options) {
  const auto cpus = static_cast<std::uint64_t>(std::max(libbpf_num_possible_cpus(), 1));
  constexpr std::uint64_t kEntry = 96;  // of a hash, beside its values: by the kernel's account
  return Bytes{options.most_containers * (cpus * sizeof(wire_sched) + kEntry) +
               options.most_cells * (cpus * sizeof(wire_u64) + kEntry)};
}

Probes::Probes(std::unique_ptr<State> state) : state_(std::move(state)) {}
Probes::~Probes() = default;

std::unique_ptr<Probes> Probes::open(const Options& options) {
  auto state = std::make_unique<State>();
  const auto maps = state->make_maps(options);
  state->cgroup_root = UniqueFd(::open(options.cgroup_mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const ProbeInfo& info : kProbes) {
    State::Probe& probe = state->probes.emplace_back(State::Probe{&info, nullptr, "", false});
    if (maps) {
      state->open(probe, options);
    } else {
      probe.why = maps.error().message();
    }
  }
  return std::unique_ptr<Probes>(new Probes(std::move(state)));
}

std::vector<model::ProbeState> Probes::states() const {
  std::vector<model::ProbeState> out;
  for (const State::Probe& probe : state_->probes) {
    model::ProbeState told{
        .name = probe.info->name, .up = probe.object != nullptr, .unasked = probe.unasked, .why = probe.why};
    if (probe.object) {
      const RunTime cost = probe.object->run_time();
      told.spent = cost.spent;
      told.runs = cost.runs;
      told.missed = cost.missed;
      const auto lost = [&](std::uint32_t why) {
        return probe.object->counters().read<wire_u64>("lost", why).value_or(0);
      };
      told.lost_map_full = lost(WIRE_LOST_MAP_FULL) + state_->refusals;
      told.lost_ring_full = lost(WIRE_LOST_RING_FULL);
    }
    out.push_back(std::move(told));
  }
  return out;
}

Result<> Probes::watch(model::CgroupId id) {
  State& state = *state_;
  if (!state.containers || state.slots.contains(id.inode)) return {};
  if (state.free_slots.empty()) {
    if (state.refused.insert(id.inode).second) ++state.refusals;
    return fail("name a container to the probes: they have room for " + std::to_string(state.slots.size()));
  }
  const std::uint32_t slot = state.free_slots.back();
  for (const State::Probe& probe : state.probes) {
    if (probe.object) probe.object->counters().begin(id.inode, slot);
  }
  if (bpf_map_update_elem(state.containers.get(), &id.inode, &slot, BPF_ANY) != 0)
    return fail_errno("name a container to the probes");
  state.free_slots.pop_back();
  state.refused.erase(id.inode);
  state.slots.emplace(id.inode, slot);
  return state.next_epoch();
}

void Probes::forget(model::CgroupId id) {
  state_->refused.erase(id.inode);
  const auto found = state_->slots.find(id.inode);
  if (found == state_->slots.end()) return;
  departed_.insert(id.inode);
  state_->free_slots.push_back(found->second);
  state_->slots.erase(found);
  bpf_map_delete_elem(state_->containers.get(), &id.inode);
  (void)state_->next_epoch();
  for (const State::Probe& probe : state_->probes) {
    if (!probe.object) continue;
    probe.object->counters().forget(id.inode);
    if (probe.info->forget != nullptr) probe.info->forget(*probe.object, id);
  }
}

model::ProbeReadings Probes::read(model::CgroupId id) const {
  model::ProbeReadings out;
  const auto found = state_->slots.find(id.inode);
  if (found == state_->slots.end()) return out;
  for (const State::Probe& probe : state_->probes) {
    if (probe.object) probe.info->read(*probe.object, {id, found->second}, out);
  }
  return out;
}

Probes::Scan Probes::scan() {
  // Slots are given from the least on.
  std::uint32_t used = 0;
  for (const auto& [id, slot] : state_->slots) used = std::max(used, slot + 1);
  for (const State::Probe& probe : state_->probes) {
    if (probe.object) probe.object->counters().scan(used);
  }
  return Scan(this);
}

void Probes::EndScan::operator()(Probes* probes) const {
  for (const State::Probe& probe : probes->state_->probes) {
    if (probe.object) probe.object->counters().end_scan();
  }
}

std::vector<model::Interference> Probes::interference() const {
  Object* sched = state_->object("sched");
  if (sched == nullptr) return {};
  return read_interference(*sched, state_->slots, departed_);
}

int Probes::event_fd() const { return state_->ring ? ring_buffer__epoll_fd(state_->ring.get()) : -1; }

std::vector<model::ProbeAlarm> Probes::drain() {
  if (state_->ring) ring_buffer__consume(state_->ring.get());
  return std::exchange(state_->alarms, {});
}

std::vector<model::OomKill> Probes::take_ooms() { return std::exchange(state_->ooms, {}); }

}  // namespace plimsoll::bpf
