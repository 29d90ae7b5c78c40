#include <bpf/bpf.h>

#include <algorithm>
#include <utility>

#include "bpf/maps.h"
#include "bpf/readings.h"

namespace plimsoll::bpf {
namespace {

model::IoRequests requests(const wire_io& wire) {
  return {wire.bytes, nanoseconds(wire.queued), nanoseconds(wire.device), histogram(wire.latency)};
}

bool never(const wire_blockio& wire) {
  return std::ranges::all_of(wire.by, [](const wire_io& one) {
    return std::ranges::all_of(one.latency.slots, [](wire_u64 slot) { return slot == 0; });
  });
}

}  // namespace

void read_blockio(const Object& object, const Place& place, model::ProbeReadings& out) {
  const Counters& counters = object.counters();
  std::vector<model::DiskIo> disks;
  for (const std::uint64_t device : counters.keys("devices")) {
    const auto counts = counters.read<wire_blockio>("blockio", wire_io_key{place.id.inode, device});
    if (!counts) return;
    if (never(*counts)) continue;
    disks.push_back({.major = WIRE_DEVICE_MAJOR(device),
                     .minor = WIRE_DEVICE_MINOR(device),
                     .device = "",
                     .read = requests(counts->by[WIRE_IO_READ]),
                     .written = requests(counts->by[WIRE_IO_WRITE]),
                     .other = requests(counts->by[WIRE_IO_OTHER])});
  }
  out.io = std::move(disks);
}

void forget_blockio(const Object& object, model::CgroupId id) {
  for (const std::uint64_t device : object.counters().keys("devices")) {
    const wire_io_key key{id.inode, device};
    bpf_map_delete_elem(object.map("blockio"), &key);
  }
}

}  // namespace plimsoll::bpf
