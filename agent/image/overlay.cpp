#include "agent/image/overlay.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>

namespace plimsoll::image {
namespace {

// Commas and colons part options and lower folders.
std::string escaped(const std::string& path) {
  std::string text;
  for (const char c : path) {
    if (c == ',' || c == ':' || c == '\\') text += '\\';
    text += c;
  }
  return text;
}

}  // namespace

Result<bool> is_mount_point(const std::string& target) {
  struct statx info{};
  if (::statx(AT_FDCWD, target.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &info) != 0) {
    if (errno == ENOENT) return false;
    return fail_errno("stat " + target);
  }
  return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

Result<> mount_overlay(const Overlay& overlay) {
  PLIMSOLL_ASSIGN(const bool mounted, is_mount_point(overlay.target));
  if (mounted) return {};
  const std::string options = "lowerdir=" + escaped(overlay.lower) + ",upperdir=" + escaped(overlay.upper) +
                              ",workdir=" + escaped(overlay.work);
  if (::mount("overlay", overlay.target.c_str(), "overlay", 0, options.c_str()) == 0) return {};
  const int number = errno;
  struct statfs below{};
  if (number == EINVAL && ::statfs(overlay.upper.c_str(), &below) == 0 &&
      static_cast<unsigned long>(below.f_type) == OVERLAYFS_SUPER_MAGIC) {
    return fail("mount overlay at " + overlay.target + ": the folder " + overlay.upper +
                    " lies on an overlayfs, which cannot hold a container's changes; put the state folder on "
                    "ext4, xfs, btrfs or a tmpfs",
                ErrorKind::kUnsupported);
  }
  return fail_errno("mount overlay at " + overlay.target, number);
}

Result<> unmount(const std::string& target) {
  constexpr int kMostStacked = 64;
  for (int i = 0; i < kMostStacked; ++i) {
    PLIMSOLL_ASSIGN(const bool mounted, is_mount_point(target));
    if (!mounted) return {};
    if (::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL) {
      return fail_errno("unmount " + target);
    }
  }
  return fail("unmount " + target + ": still mounted after 64 attempts");
}

}  // namespace plimsoll::image
