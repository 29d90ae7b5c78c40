#include "bpf/maps.h"
#include "bpf/readings.h"

namespace plimsoll::bpf {

void read_lifecycle(const Object& object, const Place& place, int cpus, model::ProbeReadings& out) {
  const auto counts = read_sum<wire_lifecycle>(object.map("lifecycle"), place.id.inode, cpus);
  out.lifecycle = model::Lifecycle{.forks = counts.forks,
                                   .threads = counts.threads,
                                   .execs = counts.execs,
                                   .exits = counts.successes + counts.failures + counts.signals,
                                   .failures = counts.failures,
                                   .signals = counts.signals,
                                   .attaches = counts.attaches,
                                   .lifetimes = histogram(counts.lifetimes)};
}

}  // namespace plimsoll::bpf
