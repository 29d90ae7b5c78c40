// The living cgroups of this host that are containers, found by one walk and kept by inotify.
//
// 1. A folder is watched before it is listed, so that a child made between the two is seen at least once;
//    seeing it twice is harmless, since folders are known by inode.
// 2. Slices and pods are watched for children that come and go. A container's folder is watched for changed
//    files (cgroup.events, memory.events, limits written by anyone); what lies inside it belongs to it and is
//    not walked. A service is watched for both.
// 3. A child reported as deleted is looked up first: the name may be in use again.
// 4. When the kernel's queue overflows, or watches run out, reconcile() walks all and says what changed.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/kernel/inotify.h"
#include "agent/watch/classify.h"

namespace plimsoll::watch {

struct FolderChange {
  enum class Kind { kAppeared, kVanished, kFileChanged };
  Kind kind;
  model::CgroupId id;
  std::string path;  // below the cgroup root
  std::string file;  // kFileChanged: "memory.events"
  Match match;       // kAppeared
};

class FolderTree {
 public:
  // `mount` is the cgroup v2 mount. The first walk has not happened yet: call reconcile().
  static Result<FolderTree> open(std::string mount);

  Result<std::vector<FolderChange>> drain();  // what inotify reported; never blocks
  std::vector<FolderChange> reconcile();      // walks the whole tree
  int fd() const { return inotify_.fd(); }    // readable while drain() has something to say

  struct Counts {
    std::uint64_t overflows = 0;       // the kernel's queue ran over: a reconcile followed
    std::uint64_t failed_watches = 0;  // folders that could not be watched; reconcile() still finds them
    std::uint64_t missed = 0;          // containers that were gone before they could be opened
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Folder {
    model::CgroupId id;
    std::optional<Match> match;
    int watch = -1;
  };
  using Changes = std::vector<FolderChange>;

  FolderTree(std::string mount, kernel::Inotify inotify)
      : mount_(std::move(mount)), inotify_(std::move(inotify)) {}
  void enter(const std::string& path, Changes& changes);
  void list(const std::string& path, Changes& changes);
  void forget(const std::string& path, Changes& changes);
  void forget_vanished(Changes& changes);
  void apply(const kernel::Inotify::Change& change, Changes& changes);
  model::CgroupId inode_of(const std::string& path) const;

  std::string mount_;
  kernel::Inotify inotify_;
  std::map<std::string, Folder> folders_;  // by path below the mount; "" is the root
  std::unordered_map<int, std::string> watches_;
  Counts counts_;
};

}  // namespace plimsoll::watch
