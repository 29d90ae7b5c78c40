// One container being watched: its kept descriptors, its last sample, and when the expensive parts are due.
// Single-threaded.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/kernel/proc_files.h"
#include "agent/model/sample.h"
#include "agent/watch/cgroup_reader.h"
#include "agent/watch/options.h"

namespace plimsoll::watch {

// What all samplers share.
struct SamplingGround {
  const Options& options;
  const Clock& clock;
  kernel::DeviceNames device_names;
  bool unknown_device = false;  // a device without a name was met: the names are read again at a later tick
  std::string buffer;           // scratch

  // "vda"; "8:0" where the name is unknown.
  std::string device_name(std::uint32_t major, std::uint32_t minor);
};

// What the probes have of a container, with the names of its disks.
model::ProbeReadings read_probes(const bpf::Probes& probes, model::CgroupId id, SamplingGround& ground);

class ContainerSampler {
 public:
  ContainerSampler(CgroupReader reader, model::CgroupId id) : reader_(std::move(reader)), id_(id) {}

  // A whole sample: control files, and of the rest what is due in this tick. kNotFound: the cgroup is gone,
  // and last() is what was last read of it. `init_pid`: where the runtime told it.
  Result<> take(std::uint64_t tick, std::optional<int> init_pid, SamplingGround& ground);
  // Control files and limits only: those that were just written too, whether or not inotify told of it yet.
  Result<> refresh(SamplingGround& ground);
  // inotify's word that this file of the folder was written or notified. True where it holds a limit.
  bool file_changed(std::string_view file);

  const model::Sample& last() const { return last_; }
  const CgroupReader& reader() const { return reader_; }

 private:
  Result<> read_control_files(SamplingGround& ground);
  void read_limits();
  void read_due(std::uint64_t tick, std::optional<int> init_pid, const SamplingGround& ground);
  bool due(std::uint64_t tick, unsigned cadence) const;

  CgroupReader reader_;
  model::CgroupId id_;
  model::Sample last_;
  std::vector<int> pids_;
  bool first_ = true;
  bool limits_stale_ = true;
  bool events_stale_ = true;
};

}  // namespace plimsoll::watch
