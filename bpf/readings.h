// From the maps of each probe to what the model says of a container: one function a probe, in a file of its
// name. They are called for probes that are up only.
#pragma once

#include <vector>

#include "agent/model/container_ref.h"
#include "agent/model/probes.h"
#include "bpf/object.h"

namespace plimsoll::bpf {

void read_lifecycle(const Object& object, model::CgroupId id, int cpus, model::ProbeReadings& out);
void read_sched(const Object& object, model::CgroupId id, int cpus, model::ProbeReadings& out);
void read_oom(const Object& object, model::CgroupId id, int cpus, model::ProbeReadings& out);
// The whole matrix.
std::vector<model::Interference> read_interference(const Object& object, int cpus);

}  // namespace plimsoll::bpf
