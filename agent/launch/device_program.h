// linux.resources.devices as a BPF_PROG_TYPE_CGROUP_DEVICE program, the cgroup v2 way of holding a container
// to its devices.
#pragma once

#include <linux/bpf.h>

#include <vector>

#include "agent/base/result.h"
#include "agent/oci/spec.h"

namespace plimsoll::launch {

// Pure. Later rules win, each for the kinds of access it names; what no rule speaks of is denied. The nodes
// that every container has (config-linux.md, "Default Devices") are always allowed.
std::vector<bpf_insn> device_program(const std::vector<oci::DeviceRule>& rules);

// Loads the program and attaches it to this cgroup; it goes with the cgroup.
Result<> attach_device_program(int cgroup, const std::vector<bpf_insn>& program);

}  // namespace plimsoll::launch
