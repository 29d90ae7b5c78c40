// A number read from cgroup.procs may belong to another process by the time it is signalled. So, for each
// cgroup:
//  1. cgroup.procs is read, and a pidfd opened for each number;
//  2. cgroup.procs is read again, and only numbers that are still in it are signalled, through their pidfds.
// A pidfd never changes its process: it is that of the first reading or an earlier owner of the number. In
// both cases a process outside of the cgroup is not hit, as it would not be in the second reading, or has
// ended already.
#include "agent/enforce/signal_tree.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "agent/base/unique_fd.h"
#include "agent/kernel/control_files.h"
#include "agent/kernel/file.h"
#include "agent/kernel/pidfd.h"

namespace plimsoll::enforce {
namespace {

constexpr std::size_t kMostPidfds = 256;  // open at a time

Result<std::vector<int>> processes(int folder) {
  auto text = kernel::read_file_at(folder, "cgroup.procs");
  // A threaded cgroup: its processes are listed further up.
  if (!text && text.error().number() == EOPNOTSUPP) return std::vector<int>();
  if (!text) return std::unexpected(std::move(text).error());
  PLIMSOLL_ASSIGN(auto pids, kernel::parse_processes(*text));
  std::erase_if(pids, [](int pid) { return pid <= 1; });  // 0: outside our pid namespace
  std::ranges::sort(pids);
  return pids;
}

Result<int> signal_some(int folder, std::span<const int> pids, int signal) {
  std::vector<std::pair<int, kernel::Pidfd>> held;
  held.reserve(pids.size());
  for (const int pid : pids) {
    if (auto process = kernel::Pidfd::open(pid)) held.emplace_back(pid, std::move(*process));
  }
  PLIMSOLL_ASSIGN(const auto still, processes(folder));
  int signalled = 0;
  for (const auto& [pid, process] : held) {
    if (std::ranges::binary_search(still, pid) && process.signal(signal)) ++signalled;
  }
  return signalled;
}

}  // namespace

Result<int> signal_tree(int folder, int signal) {
  PLIMSOLL_ASSIGN(const auto pids, processes(folder));
  int signalled = 0;
  for (std::span<const int> rest(pids); !rest.empty();) {
    const auto some = rest.first(std::min(rest.size(), kMostPidfds));
    PLIMSOLL_ASSIGN(const int count, signal_some(folder, some, signal));
    signalled += count;
    rest = rest.subspan(some.size());
  }
  const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> children(copy < 0 ? nullptr : ::fdopendir(copy), ::closedir);
  while (const dirent* entry = children ? ::readdir(children.get()) : nullptr) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    const UniqueFd child(::openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!child) continue;
    auto below = signal_tree(child.get(), signal);
    if (below) signalled += *below;
    if (!below && below.error().kind() != ErrorKind::kNotFound) return below;
  }
  return signalled;
}

}  // namespace plimsoll::enforce
