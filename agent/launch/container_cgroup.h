// A container's cgroup: made with everything above it, held to its limits before anything runs in it, and
// removed again. Paths are absolute on the host: the mount's plus the container's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/kernel/cgroup.h"
#include "agent/launch/plan.h"

namespace plimsoll::launch {

class ContainerCgroup {
 public:
  // Makes MOUNT/PATH with its parents, turns on the controllers on the way down, writes the limits, attaches
  // the device program. On failure nothing that was made stays. kUnsupported: a limit whose controller this
  // host lacks, naming both. kConflict: the cgroup exists and holds processes.
  static Result<ContainerCgroup> create(const std::string& mount, const Plan& plan);

  ContainerCgroup(ContainerCgroup&& other) noexcept;
  ContainerCgroup& operator=(ContainerCgroup&&) = delete;
  ~ContainerCgroup();  // removes what create() made, unless keep() was called

  int fd() const { return cgroup_->fd(); }
  const std::string& path() const { return path_; }
  const std::string& topmost_made() const { return topmost_; }
  void keep() { keep_ = true; }

 private:
  ContainerCgroup() = default;
  Result<> make_folders(const std::string& mount, const Plan& plan);
  Result<> write_limits(const Plan& plan);

  std::optional<kernel::Cgroup> cgroup_;
  std::string path_;
  std::string topmost_;  // the highest folder that was made; empty: all existed
  bool keep_ = false;
};

// Kills what is in it, removes it and then those parents that were made for it (from `topmost` down) and are
// empty. Gone already is no error. kConflict: it did not empty in 10 s.
Result<> remove_container_cgroup(const std::string& path, const std::string& topmost);

// Every process of the cgroup and below.
Result<std::vector<int>> processes_below(const std::string& path);

}  // namespace plimsoll::launch
