// From the maps of each probe to what the model says of a container: one function a probe, in a file of its
// name. They are called for probes that are up only. What cannot be read is not told: a 0 would look as if
// the counter had begun anew.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/model/container_ref.h"
#include "agent/model/probes.h"
#include "bpf/object.h"

namespace plimsoll::bpf {

// Where a container stands in the maps.
struct Place {
  model::CgroupId id;      // the key of hash maps
  std::uint32_t slot = 0;  // the index of array maps
};

void read_lifecycle(const Object& object, const Place& place, model::ProbeReadings& out);
void read_sched(const Object& object, const Place& place, model::ProbeReadings& out);
void read_throttle(const Object& object, const Place& place, model::ProbeReadings& out);
void read_net(const Object& object, const Place& place, model::ProbeReadings& out);
void read_syscalls(const Object& object, const Place& place, model::ProbeReadings& out);
void read_reclaim(const Object& object, const Place& place, model::ProbeReadings& out);
void read_blockio(const Object& object, const Place& place, model::ProbeReadings& out);
void read_oom(const Object& object, const Place& place, model::ProbeReadings& out);
// Takes out its entries, one a device.
void forget_blockio(const Object& object, model::CgroupId id);
// The whole matrix. Cells of victims that are not among `watched` are taken out, and those of aggressors that
// are not among `departed` either.
std::vector<model::Interference> read_interference(
    Object& object, const std::unordered_map<std::uint64_t, std::uint32_t>& watched,
    const std::unordered_set<std::uint64_t>& departed);

}  // namespace plimsoll::bpf
