#include "agent/watch/process_facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string_view>

#include "agent/base/unique_fd.h"
#include "agent/kernel/control_files.h"
#include "agent/kernel/file.h"
#include "agent/kernel/proc_files.h"

namespace plimsoll::watch {
namespace {

constexpr int kMostDepth = 32;

using Folder = std::unique_ptr<DIR, int (*)(DIR*)>;

Folder open_folder(int parent, const char* name) {
  const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return {fd < 0 ? nullptr : ::fdopendir(fd), ::closedir};
}

void add_processes(int folder, int depth, std::vector<int>& pids) {
  if (const auto text = kernel::read_file_at(folder, "cgroup.procs")) {
    if (const auto here = kernel::parse_processes(*text)) pids.insert(pids.end(), here->begin(), here->end());
  }
  if (depth == kMostDepth) return;
  const Folder dir = open_folder(folder, ".");
  while (const dirent* entry = dir ? ::readdir(dir.get()) : nullptr) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    const UniqueFd child(::openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (child) add_processes(child.get(), depth + 1, pids);
  }
}

bool same_file(const std::string& first, const std::string& second) {
  struct stat one{};
  struct stat two{};
  return ::stat(first.c_str(), &one) == 0 && ::stat(second.c_str(), &two) == 0 && one.st_dev == two.st_dev &&
         one.st_ino == two.st_ino;
}

std::string folder_of(const std::string& proc, int pid) { return proc + "/" + std::to_string(pid); }

}  // namespace

std::vector<int> processes_of(int folder) {
  std::vector<int> pids;
  add_processes(folder, 0, pids);
  return pids;
}

std::optional<DescriptorCount> count_descriptors(const std::string& proc, const std::vector<int>& pids,
                                                 std::uint64_t most) {
  DescriptorCount count;
  std::array<char, 16> target{};
  for (const int pid : pids) {
    const Folder dir = open_folder(AT_FDCWD, (folder_of(proc, pid) + "/fd").c_str());
    while (const dirent* entry = dir ? ::readdir(dir.get()) : nullptr) {
      if (entry->d_name[0] == '.') continue;
      if (++count.all > most) return std::nullopt;
      const ssize_t length = ::readlinkat(::dirfd(dir.get()), entry->d_name, target.data(), target.size());
      if (length > 0 &&
          std::string_view(target.data(), static_cast<std::size_t>(length)).starts_with("socket:")) {
        ++count.sockets;
      }
    }
  }
  return count;
}

bool read_network(const std::string& proc, int pid, std::vector<model::NetStat>& into) {
  into.clear();
  const std::string folder = folder_of(proc, pid);
  if (pid <= 0 || same_file(folder + "/ns/net", proc + "/self/ns/net")) return false;
  const auto text = kernel::read_file(folder + "/net/dev");
  if (text && kernel::parse_net_dev(*text, into)) return true;
  into.clear();
  return false;
}

std::optional<model::FsStat> read_filesystem(const std::string& proc, int pid) {
  const std::string root = folder_of(proc, pid) + "/root";
  struct statfs info{};
  if (pid <= 0 || same_file(root, proc + "/self/root") || ::statfs(root.c_str(), &info) != 0)
    return std::nullopt;
  struct stat place{};
  if (::stat(root.c_str(), &place) != 0) return std::nullopt;
  const auto block = static_cast<std::uint64_t>(info.f_frsize != 0 ? info.f_frsize : info.f_bsize);
  model::FsStat stat;
  // overlayfs and tmpfs have no device of their own: the number still tells file systems apart.
  stat.device = std::to_string(major(place.st_dev)) + ":" + std::to_string(minor(place.st_dev));
  stat.limit = Bytes{info.f_blocks * block};
  stat.usage = Bytes{(info.f_blocks - info.f_bfree) * block};
  stat.inodes_total = info.f_files;
  stat.inodes_free = info.f_ffree;
  return stat;
}

}  // namespace plimsoll::watch
