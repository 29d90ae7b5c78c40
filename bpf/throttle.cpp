#include "bpf/maps.h"
#include "bpf/readings.h"

namespace plimsoll::bpf {

void read_throttle(const Object& object, const Place& place, int cpus, model::ProbeReadings& out) {
  const auto counts = read_sum<wire_throttle>(object.map("throttle"), place.id.inode, cpus);
  out.throttling = model::Throttling{.episodes = histogram(counts.episodes)};
}

}  // namespace plimsoll::bpf
