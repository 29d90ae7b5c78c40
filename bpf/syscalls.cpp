#include "bpf/maps.h"
#include "bpf/readings.h"

namespace plimsoll::bpf {

void read_syscalls(const Object& object, const Place& place, int cpus, model::ProbeReadings& out) {
  const auto counts = read_sum<wire_syscalls>(object.map("syscalls"), place.id.inode, cpus);
  out.syscalls = model::Syscalls{.calls = counts.calls, .errors = {}};
  for (int number = 0; number < WIRE_ERRNOS; ++number) {
    if (counts.errors[number] > 0) out.syscalls->errors.push_back({number, counts.errors[number]});
  }
}

}  // namespace plimsoll::bpf
