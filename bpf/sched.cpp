#include "bpf/maps.h"
#include "bpf/readings.h"

namespace plimsoll::bpf {
namespace {

model::Interference cell(const wire_blame& key, std::uint64_t waited) {
  using By = model::Interference::By;
  const By by = key.aggressor == WIRE_AGGRESSOR_HOST      ? By::kHost
                : key.aggressor == WIRE_AGGRESSOR_NOBODY  ? By::kIdle
                : key.aggressor == WIRE_AGGRESSOR_QUOTA   ? By::kQuota
                : key.aggressor == WIRE_AGGRESSOR_UNKNOWN ? By::kUnknown
                                                          : By::kContainer;
  return {{key.victim}, by, {by == By::kContainer ? key.aggressor : 0}, nanoseconds(waited)};
}

}  // namespace

void read_sched(const Object& object, const Place& place, model::ProbeReadings& out) {
  const auto counts = object.counters().read<wire_sched>("sched", place.slot);
  if (!counts) return;
  out.scheduling = model::Scheduling{.on_cpu = nanoseconds(counts->on_cpu),
                                     .stolen = nanoseconds(counts->stolen),
                                     .waits = histogram(counts->waits)};
}

std::vector<model::Interference> read_interference(
    Object& object, const std::unordered_map<std::uint64_t, std::uint32_t>& watched,
    const std::unordered_set<std::uint64_t>& departed) {
  std::vector<model::Interference> cells;
  const int map = object.map("blame");
  object.counters().each(
      "blame", [&](std::span<const std::uint64_t> words, std::span<const std::uint64_t> waited) {
        const wire_blame key{.victim = words[0], .aggressor = words[1]};
        const model::Interference one = cell(key, waited[0]);
        const bool by_container = one.by == model::Interference::By::kContainer;
        if (watched.contains(key.victim) &&
            (!by_container || watched.contains(key.aggressor) || departed.contains(key.aggressor)))
          cells.push_back(one);
        else
          bpf_map_delete_elem(map, &key);
      });
  return cells;
}

}  // namespace plimsoll::bpf
