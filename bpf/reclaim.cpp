#include "bpf/maps.h"
#include "bpf/readings.h"

namespace plimsoll::bpf {

void read_reclaim(const Object& object, const Place& place, model::ProbeReadings& out) {
  const auto counts = object.counters().read<wire_reclaim>("reclaim", place.id.inode);
  if (!counts) return;
  const auto of = [&](wire_stall kind) {
    return model::Stalls{counts->episodes[kind], nanoseconds(counts->nanoseconds[kind])};
  };
  out.reclaim = model::Reclaim{.memcg = of(WIRE_STALL_MEMCG),
                               .direct = of(WIRE_STALL_DIRECT),
                               .high = of(WIRE_STALL_HIGH),
                               .pages = counts->pages,
                               .stalls = histogram(counts->stalls)};
}

}  // namespace plimsoll::bpf
