// inotify(7). One instance serves any number of watches; single-threaded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

namespace plimsoll::kernel {

class Inotify {
 public:
  struct Change {
    int watch = -1;          // as add() gave it; -1 with IN_Q_OVERFLOW
    std::uint32_t mask = 0;  // IN_*
    std::string name;        // the file in the watched folder; empty for the watched object itself
  };

  static Result<Inotify> open();
  // `mask`: IN_* bits. The same object watched twice gives the same watch. kNotFound where `path` is gone;
  // ENOSPC: the user's limit of watches is reached (fs.inotify.max_user_watches).
  Result<int> add(const std::string& path, std::uint32_t mask);
  void remove(int watch);  // an unknown watch is no error: the kernel drops those of vanished objects itself
  // All changes that are pending, oldest first; empty where there are none. Never blocks.
  Result<std::vector<Change>> drain();

  int fd() const { return fd_.get(); }  // readable while changes are pending

 private:
  explicit Inotify(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace plimsoll::kernel
