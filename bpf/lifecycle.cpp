#include "bpf/maps.h"
#include "bpf/readings.h"

namespace plimsoll::bpf {

void read_lifecycle(const Object& object, const Place& place, model::ProbeReadings& out) {
  const auto counts = object.counters().read<wire_lifecycle>("lifecycle", place.id.inode);
  if (!counts) return;
  out.lifecycle = model::Lifecycle{.forks = counts->forks,
                                   .threads = counts->threads,
                                   .execs = counts->execs,
                                   .exits = counts->successes + counts->failures + counts->signals,
                                   .failures = counts->failures,
                                   .signals = counts->signals,
                                   .attaches = counts->attaches,
                                   .lifetimes = histogram(counts->lifetimes)};
}

}  // namespace plimsoll::bpf
