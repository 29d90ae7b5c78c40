// Builds a container's root in the new mount namespace that the caller is in, and goes into it. In this
// order:
//   1. open_sources: copies of the root and of all bind sources, while the host's mounts still have their
//      own propagation (a "shared" bind stays a peer of the host's, a "slave" one receives from it);
//   2. isolate: nothing that is mounted from here on reaches the host; the root is attached;
//   3. perform: each step of the plan, on descriptors resolved inside the root;
//   4. enter: pivot_root, the host's tree is let go of.
#pragma once

#include <map>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/launch/plan.h"
#include "agent/launch/terminal.h"

namespace plimsoll::launch {

class RootBuilder {
 public:
  explicit RootBuilder(const Plan& plan) : plan_(plan) {}

  Result<> open_sources();
  Result<> isolate();
  Result<> perform();
  // no_pivot: chroot instead, for roots on a ramfs; then the host's tree stays below.
  Result<> enter(bool no_pivot);

  // Filled by the step MakeConsole.
  Terminal& terminal() { return terminal_; }

 private:
  Result<> perform_one(const MountFilesystem& step);
  Result<> perform_one(const BindMount& step);
  Result<> perform_one(const Remount& step);
  Result<> perform_one(const MakeNode& step);
  Result<> perform_one(const MakeSymlink& step);
  Result<> perform_one(const MakeConsole& step);
  Result<> perform_one(const MakeFolder& step);
  Result<> perform_one(const WriteSysctl& step);
  Result<> perform_one(const MakeReadonly& step);
  Result<> perform_one(const Mask& step);
  Result<> mask_folder(int target, const std::string& path);

  const Plan& plan_;
  UniqueFd root_;
  UniqueFd null_;                                 // the host's /dev/null, for masks
  UniqueFd empty_folder_;                         // the first mask of a folder; the others are copies
  UniqueFd procfs_;                               // our own, seen by nobody else: for sysctls
  std::map<const BindMount*, UniqueFd> sources_;  // detached copies
  Terminal terminal_;
};

// Writes a file of a procfs that this process mounts for itself (CVE-2025-52881: what the container's /proc
// holds is its image's or its neighbour's word). `path`: "self/oom_score_adj".
Result<> write_procfs(UniqueFd& procfs, const std::string& path, const std::string& value);

}  // namespace plimsoll::launch
