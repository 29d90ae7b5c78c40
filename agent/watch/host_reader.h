// The whole machine, once a tick: /proc/stat, /proc/meminfo and /proc/pressure through kept descriptors.
#pragma once

#include <array>
#include <string>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/kernel/proc_files.h"
#include "agent/model/sample.h"

namespace plimsoll::watch {

class HostReader {
 public:
  static Result<HostReader> open(const std::string& proc);  // "/proc"

  // What cannot be read stays as it was made: 0 or absent.
  model::HostSample read(BootTime now, std::string& buffer) const;
  // Names of block devices, afresh; empty where there are none.
  kernel::DeviceNames device_names() const;

 private:
  std::string proc_;
  UniqueFd stat_, meminfo_, cpu_pressure_, memory_pressure_, io_pressure_;
  std::uint64_t ticks_per_second_ = 100;
};

}  // namespace plimsoll::watch
