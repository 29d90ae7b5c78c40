// What this host is, read once at start (agent/kernel/host_facts.h) and passed on as one value.
#pragma once

#include <string>
#include <vector>

#include "agent/base/units.h"

namespace plimsoll::model {

// Empty text and 0 mean that the host does not say.
struct HostFacts {
  std::string kernel_version;  // "6.1.0-37-amd64", /proc/sys/kernel/osrelease
  std::string os_version;      // "Debian GNU/Linux 12 (bookworm)", os-release PRETTY_NAME
  std::string machine_id;      // /etc/machine-id
  std::string boot_id;         // /proc/sys/kernel/random/boot_id
  std::string system_uuid;     // DMI product_uuid; root may read it
  unsigned cpus = 0;           // logical, online
  unsigned physical_cores = 0;
  unsigned sockets = 0;
  Bytes memory, swap;
  std::string cgroup_mount;              // "/sys/fs/cgroup"; empty: this host has no cgroup v2
  std::vector<std::string> controllers;  // cgroup.controllers of the root
  bool psi = false;                      // /proc/pressure can be read
};

}  // namespace plimsoll::model
