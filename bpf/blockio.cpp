#include "bpf/maps.h"
#include "bpf/readings.h"

namespace plimsoll::bpf {
namespace {

model::IoRequests requests(const wire_io& wire) {
  return {wire.bytes, nanoseconds(wire.queued), nanoseconds(wire.device), histogram(wire.latency)};
}

}  // namespace

void read_blockio(const Object& object, const Place& place, int cpus, model::ProbeReadings& out) {
  auto& disks = out.io.emplace();
  const int map = object.map("blockio");
  for (const auto device : keys_of<wire_u64>(object.map("devices"))) {
    const auto counts = read_entry<wire_blockio>(map, wire_io_key{place.id.inode, device}, cpus);
    if (!counts) continue;
    disks.push_back({.major = WIRE_DEVICE_MAJOR(device),
                     .minor = WIRE_DEVICE_MINOR(device),
                     .device = "",
                     .read = requests(counts->by[WIRE_IO_READ]),
                     .written = requests(counts->by[WIRE_IO_WRITE]),
                     .other = requests(counts->by[WIRE_IO_OTHER])});
  }
}

void forget_blockio(const Object& object, model::CgroupId id) {
  for (const auto device : keys_of<wire_u64>(object.map("devices"))) {
    const wire_io_key key{id.inode, device};
    bpf_map_delete_elem(object.map("blockio"), &key);
  }
}

}  // namespace plimsoll::bpf
