#include "bpf/maps.h"
#include "bpf/readings.h"

namespace plimsoll::bpf {

void read_throttle(const Object& object, const Place& place, model::ProbeReadings& out) {
  const auto counts = object.counters().read<wire_throttle>("throttle", place.id.inode);
  if (!counts) return;
  out.throttling = model::Throttling{.episodes = histogram(counts->episodes)};
}

}  // namespace plimsoll::bpf
