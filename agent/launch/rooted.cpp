#include "agent/launch/rooted.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

namespace plimsoll::launch {
namespace {

UniqueFd open_resolved(int folder, const std::string& path, std::uint64_t resolve) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = resolve;
  // EAGAIN: a rename somewhere in the system raced with the check of a ".."; the kernel asks to try again.
  for (int attempt = 0;; ++attempt) {
    const long fd = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN || attempt == 100) return UniqueFd(static_cast<int>(fd));
  }
}

Result<> want_kind(int fd, const std::string& path, bool folder) {
  PLIMSOLL_ASSIGN(const struct stat info, status_of(fd, path));
  if (S_ISDIR(info.st_mode) == folder) return {};
  return fail(path + " in the root is " + (folder ? "not a folder" : "a folder"), ErrorKind::kConflict);
}

}  // namespace

Result<struct stat> status_of(int fd, const std::string& path) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return fail_errno("stat " + path);
  return info;
}

Result<UniqueFd> open_in_root(int root, const std::string& path, Links links) {
  std::uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  if (links == Links::kRefuse) resolve |= RESOLVE_NO_SYMLINKS;
  UniqueFd fd = open_resolved(root, path, resolve);
  if (fd) return fd;
  if (errno == ELOOP && links == Links::kRefuse) {
    return fail(path + " in the root is reached through a symbolic link", ErrorKind::kInvalid);
  }
  return fail_errno("open " + path + " in the root");
}

Result<UniqueFd> make_folder_in_root(int root, const std::string& path, Links links) {
  auto there = open_in_root(root, path, links);
  if (there) {
    PLIMSOLL_TRY(want_kind(there->get(), path, true));
    return there;
  }
  if (there.error().number() != ENOENT || path == "/") return there;
  const std::size_t slash = path.rfind('/');
  const std::string parent_path = slash == 0 ? "/" : path.substr(0, slash);
  const std::string name = path.substr(slash + 1);
  PLIMSOLL_ASSIGN(const UniqueFd parent, make_folder_in_root(root, parent_path, links));
  // EEXIST: a link that leads nowhere, or someone was faster; the next open tells which.
  if (::mkdirat(parent.get(), name.c_str(), 0755) != 0 && errno != EEXIST) {
    return fail_errno("make folder " + path + " in the root");
  }
  UniqueFd made =
      open_resolved(parent.get(), name, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
  if (!made) return fail_errno("open " + path + " in the root");
  PLIMSOLL_TRY(want_kind(made.get(), path, true));
  return made;
}

Result<Parent> parent_in_root(int root, const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash + 1 == path.size())
    return invalid("'" + path + "' has no parent folder");
  PLIMSOLL_ASSIGN(UniqueFd folder, make_folder_in_root(root, slash == 0 ? "/" : path.substr(0, slash)));
  return Parent{std::move(folder), path.substr(slash + 1)};
}

Result<UniqueFd> make_file_in_root(int root, const std::string& path) {
  auto there = open_in_root(root, path);
  if (there) {
    PLIMSOLL_TRY(want_kind(there->get(), path, false));
    return there;
  }
  if (there.error().number() != ENOENT) return there;
  PLIMSOLL_ASSIGN(const Parent parent, parent_in_root(root, path));
  const UniqueFd made(::openat(parent.folder.get(), parent.name.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!made) return fail_errno("make file " + path + " in the root");
  UniqueFd path_fd = open_resolved(parent.folder.get(), parent.name, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (!path_fd) return fail_errno("open " + path + " in the root");
  return path_fd;
}

}  // namespace plimsoll::launch
