#include "bpf/maps.h"
#include "bpf/readings.h"

namespace plimsoll::bpf {

void read_syscalls(const Object& object, const Place& place, model::ProbeReadings& out) {
  const auto counts = object.counters().read<wire_syscalls>("syscalls", place.id.inode);
  if (!counts) return;
  out.syscalls = model::Syscalls{.calls = counts->calls, .errors = {}};
  for (int number = 0; number < WIRE_ERRNOS; ++number) {
    if (counts->errors[number] > 0) out.syscalls->errors.push_back({number, counts->errors[number]});
  }
}

}  // namespace plimsoll::bpf
