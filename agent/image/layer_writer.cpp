#include "agent/image/layer_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <string_view>

namespace plimsoll::image {
namespace {

constexpr mode_t kModeBits = 07777;

int open_beneath(int root, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof(how)));
}

std::unexpected<Error> refuse(const std::string& shown, std::string_view why) {
  return invalid("unpack layer: entry '" + shown + "': " + std::string(why));
}
std::unexpected<Error> refuse_errno(const std::string& shown, std::string_view step) {
  return fail_errno("unpack layer: entry '" + shown + "': " + std::string(step));
}

// Attributes of a path whose last part must not be followed: through the parent's descriptor, since the
// *xattr calls take no folder.
std::string by_descriptor(int parent, const std::string& name) {
  return "/proc/self/fd/" + std::to_string(parent) + "/" + name;
}

Result<> set_xattrs(int parent, const std::string& name, archive_entry* entry, const std::string& shown) {
  ::archive_entry_xattr_reset(entry);
  const char* key = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (::archive_entry_xattr_next(entry, &key, &value, &size) == ARCHIVE_OK) {
    const std::string_view attribute = key;
    if (attribute.starts_with("trusted.overlay.") || attribute.starts_with("user.overlay.")) {
      return refuse(shown, "has the overlayfs attribute " + std::string(attribute));
    }
    if (::lsetxattr(by_descriptor(parent, name).c_str(), key, value, size, 0) == 0) continue;
    // A filesystem without user attributes (tmpfs before 6.6) loses nothing that a program is run by.
    if ((errno == ENOTSUP || errno == EPERM) && !attribute.starts_with("security.capability")) continue;
    return refuse_errno(shown, "set attribute " + std::string(attribute));
  }
  return {};
}

}  // namespace

Result<EntryPath> check_entry_path(const std::string& name) {
  if (name.empty()) return refuse(name, "has no name");
  if (name.front() == '/') return refuse(name, "the name is absolute");
  EntryPath path;
  std::string_view rest = name;
  while (!rest.empty()) {
    const auto slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") return refuse(name, "the name leads out of the layer");
    if (part.starts_with(".wh.")) return refuse(name, "a whiteout, but there is no layer below");
    if (!path.name.empty()) path.parent += (path.parent.empty() ? "" : "/") + path.name;
    path.name = part;
  }
  return path;
}

Result<LayerWriter> LayerWriter::open(const std::string& folder) {
  UniqueFd root(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return fail_errno("open layer folder " + folder);
  return LayerWriter(std::move(root));
}

Result<UniqueFd> LayerWriter::open_parent(const std::string& parent) {
  UniqueFd fd(open_beneath(root_.get(), parent, O_PATH | O_DIRECTORY));
  if (fd || errno != ENOENT) {
    if (!fd && errno == EXDEV) return refuse(parent, "a link in the name leads out of the layer");
    if (!fd) return refuse_errno(parent, "open folder");
    return fd;
  }
  // Archives need not name every folder: make what is missing, from the top.
  const auto slash = parent.rfind('/');
  const std::string name = slash == std::string::npos ? parent : parent.substr(slash + 1);
  PLIMSOLL_ASSIGN(const UniqueFd above,
                  open_parent(slash == std::string::npos ? "" : parent.substr(0, slash)));
  if (::mkdirat(above.get(), name.c_str(), 0755) != 0 && errno != EEXIST) {
    return refuse_errno(parent, "make folder");
  }
  fd.reset(open_beneath(root_.get(), parent, O_PATH | O_DIRECTORY));
  if (!fd) return refuse_errno(parent, "open folder");
  return fd;
}

// A later entry of the same name replaces the earlier one; a folder stays where a folder comes.
Result<> LayerWriter::make_room(int parent, const std::string& name, bool for_folder,
                                const std::string& shown) {
  struct stat there{};
  if (::fstatat(parent, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return refuse_errno(shown, "stat");
  }
  if (for_folder && S_ISDIR(there.st_mode)) return {};
  if (::unlinkat(parent, name.c_str(), S_ISDIR(there.st_mode) ? AT_REMOVEDIR : 0) == 0) return {};
  return refuse_errno(shown, "replace an earlier entry");
}

Result<> LayerWriter::write(archive* reader, archive_entry* entry) {
  const char* raw = ::archive_entry_pathname(entry);
  const std::string shown = raw != nullptr ? raw : "";
  PLIMSOLL_ASSIGN(const EntryPath path, check_entry_path(shown));
  const bool folder = ::archive_entry_filetype(entry) == AE_IFDIR;
  if (path.name.empty()) {
    if (!folder || ::archive_entry_hardlink(entry) != nullptr) {
      return refuse(shown, "stands for the root, but is not a folder");
    }
    return set_attributes(root_.get(), EntryPath{.parent = "", .name = "."}, entry);
  }
  PLIMSOLL_ASSIGN(const UniqueFd parent, open_parent(path.parent));
  PLIMSOLL_TRY(make_room(parent.get(), path.name, folder, shown));
  PLIMSOLL_TRY(make(parent.get(), path.name, reader, entry));
  // A hard link shares the attributes of what it links to.
  if (::archive_entry_hardlink(entry) != nullptr) return {};
  return set_attributes(parent.get(), path, entry);
}

Result<> LayerWriter::make(int parent, const std::string& name, archive* reader, archive_entry* entry) {
  const std::string shown = ::archive_entry_pathname(entry);
  if (const char* target = ::archive_entry_hardlink(entry))
    return make_hard_link(parent, name, target, shown);
  const auto type = ::archive_entry_filetype(entry);
  switch (type) {
    case AE_IFREG:
      return make_file(parent, name, reader, shown);
    case AE_IFDIR:
      if (::mkdirat(parent, name.c_str(), 0755) != 0 && errno != EEXIST) return refuse_errno(shown, "mkdir");
      return {};
    case AE_IFLNK: {
      const char* target = ::archive_entry_symlink(entry);
      if (target == nullptr || *target == '\0') return refuse(shown, "a link without a target");
      if (::symlinkat(target, parent, name.c_str()) != 0) return refuse_errno(shown, "symlink");
      return {};
    }
    case AE_IFIFO:
    case AE_IFCHR:
    case AE_IFBLK: {
      const dev_t device = type == AE_IFIFO ? 0 : ::archive_entry_rdev(entry);
      if (type == AE_IFCHR && device == 0) return refuse(shown, "device 0:0 is an overlayfs whiteout");
      if (::mknodat(parent, name.c_str(), type | 0600, device) != 0) return refuse_errno(shown, "mknod");
      return {};
    }
    default:
      return refuse(shown, "is of a type that a layer cannot hold");
  }
}

Result<> LayerWriter::make_file(int parent, const std::string& name, archive* reader,
                                const std::string& shown) {
  const UniqueFd file(
      ::openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return refuse_errno(shown, "create");
  off_t end = 0;
  while (true) {
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = ::archive_read_data_block(reader, &data, &size, &offset);
    if (status == ARCHIVE_EOF) {
      end = std::max<off_t>(end, offset);  // a hole at the end
      break;
    }
    if (status < ARCHIVE_WARN) {
      const char* why = ::archive_error_string(reader);
      return refuse(shown, why != nullptr ? why : "its data is damaged");
    }
    for (std::size_t done = 0; done < size;) {
      const ssize_t wrote = ::pwrite(file.get(), static_cast<const char*>(data) + done, size - done,
                                     offset + static_cast<off_t>(done));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return refuse_errno(shown, "write");
      done += static_cast<std::size_t>(wrote);
    }
    end = std::max<off_t>(end, offset + static_cast<off_t>(size));
  }
  if (::ftruncate(file.get(), end) != 0) return refuse_errno(shown, "truncate");
  file_bytes_ += static_cast<std::uint64_t>(end);
  return {};
}

Result<> LayerWriter::make_hard_link(int parent, const std::string& name, const std::string& target,
                                     const std::string& shown) {
  PLIMSOLL_ASSIGN(const EntryPath path, check_entry_path(target));
  if (path.name.empty()) return refuse(shown, "a hard link to the root");
  const UniqueFd from(open_beneath(root_.get(), path.parent, O_PATH | O_DIRECTORY));
  if (!from) return refuse_errno(shown, "open the folder of its hard link target '" + target + "'");
  struct stat info{};
  if (::fstatat(from.get(), path.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return refuse_errno(shown, "find its hard link target '" + target + "'");
  }
  if (!S_ISREG(info.st_mode)) return refuse(shown, "a hard link to '" + target + "', not a regular file");
  if (::linkat(from.get(), path.name.c_str(), parent, name.c_str(), 0) != 0) {
    return refuse_errno(shown, "link to '" + target + "'");
  }
  return {};
}

// Owner first: chown clears the set-user-id bits and the capability attribute.
Result<> LayerWriter::set_attributes(int parent, const EntryPath& path, archive_entry* entry) {
  const std::string shown = ::archive_entry_pathname(entry);
  const char* name = path.name.c_str();
  const auto uid = static_cast<uid_t>(::archive_entry_uid(entry));
  const auto gid = static_cast<gid_t>(::archive_entry_gid(entry));
  if (::fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) != 0) return refuse_errno(shown, "chown");
  const auto type = ::archive_entry_filetype(entry);
  // fchmodat would follow; nothing else runs in this folder, and this entry was just made as what it is.
  if (type != AE_IFLNK && ::fchmodat(parent, name, ::archive_entry_perm(entry) & kModeBits, 0) != 0) {
    return refuse_errno(shown, "chmod");
  }
  PLIMSOLL_TRY(set_xattrs(parent, path.name, entry, shown));
  const timespec modified{::archive_entry_mtime(entry), ::archive_entry_mtime_nsec(entry)};
  const std::array<timespec, 2> times = {modified, modified};
  if (type == AE_IFDIR) {
    const std::string whole = path.parent.empty() ? path.name : path.parent + "/" + path.name;
    folders_.push_back({whole, {modified, modified}});
    return {};
  }
  if (::utimensat(parent, name, times.data(), AT_SYMLINK_NOFOLLOW) != 0) return refuse_errno(shown, "utimes");
  return {};
}

Result<> LayerWriter::finish() {
  for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
    const UniqueFd fd(open_beneath(root_.get(), folder->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    // Replaced by a later entry of another type: that one's times are set already.
    if (!fd) continue;
    if (::futimens(fd.get(), folder->times) != 0) return refuse_errno(folder->path, "utimes");
  }
  if (::syncfs(root_.get()) != 0) return fail_errno("unpack layer: flush to disk");
  return {};
}

}  // namespace plimsoll::image
