// Which disk is meant: io.max and io.weight know whole disks by number only.
#pragma once

#include <string>

#include "agent/base/result.h"
#include "agent/model/limits.h"

namespace plimsoll::kernel {

struct DeviceRoots {
  std::string sysfs;      // "/sys"
  std::string mountinfo;  // "/proc/self/mountinfo"
};

// `text`: "8:0"; a device's file ("/dev/vda", "/dev/disk/by-id/..."); or a folder, and then the disk that its
// filesystem is on. A partition gives its disk. kNotFound: no such device or path; kInvalid: neither, or a
// filesystem without a disk (tmpfs, overlay, NFS).
Result<model::DeviceNumber> resolve_block_device(const std::string& text, const DeviceRoots& roots);

}  // namespace plimsoll::kernel
