// A cgroup v2 folder held by descriptor (Documentation/admin-guide/cgroup-v2.rst). A cgroup that vanished
// gives kNotFound (ENOENT, ENODEV), which callers treat as an ordinary outcome.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/model/container_ref.h"

namespace plimsoll::kernel {

class Cgroup {
 public:
  // `path` is the folder itself, e.g. "/sys/fs/cgroup/plimsoll/web".
  static Result<Cgroup> open(const std::string& path);
  // Makes the folder (its parent must exist), and opens it. An existing one is opened.
  static Result<Cgroup> create(const std::string& path);

  int fd() const { return fd_.get(); }
  model::CgroupId id() const { return id_; }
  const std::string& path() const { return path_; }

  Result<std::string> read(const std::string& file) const;
  // Errors read "write memory.max of /plimsoll/web: Invalid argument".
  Result<> write(const std::string& file, std::string_view value) const;
  bool has(const std::string& file) const;

  Result<std::vector<std::string>> controllers() const;  // cgroup.controllers
  // Turns these on for the children (cgroup.subtree_control), from this cgroup only. One that is missing is
  // an error of kind kUnsupported that names it.
  Result<> enable(const std::vector<std::string>& controllers) const;
  Result<std::vector<int>> processes() const;  // cgroup.procs, this cgroup only
  Result<> add_process(int pid) const;         // 0: the caller
  Result<> freeze(bool frozen) const;          // cgroup.freeze
  Result<> kill() const;                       // cgroup.kill: SIGKILL to the whole subtree (5.14)

 private:
  Cgroup(UniqueFd fd, model::CgroupId id, std::string path)
      : fd_(std::move(fd)), id_(id), path_(std::move(path)) {}
  UniqueFd fd_;
  model::CgroupId id_;
  std::string path_;
};

// Where the host has its cgroup v2 mount, from `mounts` (the text of /proc/self/mounts): the one at
// /sys/fs/cgroup if it is one, else the first. kUnsupported where there is none.
Result<std::string> find_cgroup2_mount(std::string_view mounts);

// Removes a cgroup and all below it, children first; what is gone already is no error. kConflict while it is
// populated.
Result<> remove_cgroup_tree(const std::string& path);

}  // namespace plimsoll::kernel
