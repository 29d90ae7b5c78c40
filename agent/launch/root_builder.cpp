#include "agent/launch/root_builder.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "agent/launch/mounting.h"
#include "agent/launch/rooted.h"

namespace plimsoll::launch {
namespace {

constexpr Propagation kPrivateTree{MS_PRIVATE, true};

// The host's own /dev/null, proved by its number (CVE-2025-31133: the container's may be anything).
Result<UniqueFd> open_null() {
  UniqueFd fd(::open("/dev/null", O_PATH | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return fail_errno("open /dev/null");
  PLIMSOLL_ASSIGN(const struct stat info, status_of(fd.get(), "/dev/null"));
  if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(1, 3))
    return fail("/dev/null of the host is not null");
  return fd;
}

mode_t kind_of(char type) { return type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR; }

// A tmpfs takes over the permissions of the folder that it covers, as every runtime has it.
MountOptions with_mode_of(int target, const MountOptions& options) {
  MountOptions out = options;
  const bool given = std::ranges::any_of(options.data, [](const FsOption& one) { return one.key == "mode"; });
  struct stat info{};
  if (!given && ::fstat(target, &info) == 0) {
    char mode[8] = {};
    std::snprintf(mode, sizeof mode, "%o", info.st_mode & 07777U);
    out.data.push_back({"mode", mode, false});
  }
  return out;
}

}  // namespace

Result<> write_procfs(UniqueFd& procfs, const std::string& path, const std::string& value) {
  if (!procfs) {
    PLIMSOLL_ASSIGN(procfs, make_filesystem("proc", "", {}));
  }
  open_how how{};
  how.flags = O_WRONLY | O_CLOEXEC;
  // "self" is a link of the procfs itself; whatever else would lead away is refused.
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  const UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, procfs.get(), path.c_str(), &how, sizeof how)));
  if (!fd) return fail_errno("open /proc/" + path);
  if (::write(fd.get(), value.data(), value.size()) < 0)
    return fail_errno("write '" + value + "' to /proc/" + path);
  return {};
}

Result<> RootBuilder::open_sources() {
  auto root = clone_host_path(plan_.root, true);
  if (!root) return std::unexpected(std::move(root).error().in("root.path"));
  root_ = std::move(*root);
  for (const RootStep& step : plan_.steps) {
    const auto* bind = std::get_if<BindMount>(&step);
    if (bind == nullptr) continue;
    auto source = clone_host_path(bind->source, bind->options.recursive_bind);
    if (!source) return std::unexpected(std::move(source).error().in("mount on " + bind->destination));
    sources_[bind] = std::move(*source);
  }
  PLIMSOLL_ASSIGN(null_, open_null());
  return {};
}

Result<> RootBuilder::isolate() {
  const bool receives = plan_.root_propagation.kind == MS_SLAVE || plan_.root_propagation.kind == MS_SHARED;
  const unsigned long kind =
      receives ? static_cast<unsigned long>(MS_SLAVE) : static_cast<unsigned long>(MS_PRIVATE);
  if (::mount(nullptr, "/", nullptr, MS_REC | kind, nullptr) != 0)
    return fail_errno("make the mounts private");
  PLIMSOLL_TRY(change_mount(root_.get(), {}, {kind, true}, true, plan_.root));
  if (::move_mount(root_.get(), "", AT_FDCWD, plan_.root.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return fail_errno("attach the root " + plan_.root);
  }
  return {};
}

Result<> RootBuilder::perform() {
  for (const RootStep& step : plan_.steps) {
    PLIMSOLL_TRY(std::visit([this](const auto& one) { return perform_one(one); }, step));
  }
  if (!plan_.root_readonly) return {};
  return change_mount(root_.get(), {MOUNT_ATTR_RDONLY, 0}, {}, false, "the root");
}

Result<> RootBuilder::enter(bool no_pivot) {
  if (::fchdir(root_.get()) != 0) return fail_errno("enter the root");
  if (no_pivot) {
    if (::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0) return fail_errno("move the root to /");
    if (::chroot(".") != 0) return fail_errno("chroot");
  } else {
    // The old root is put under the new one at the same place, and taken away at once: no folder is needed.
    if (::syscall(SYS_pivot_root, ".", ".") != 0) return fail_errno("pivot_root to " + plan_.root);
    if (::umount2(".", MNT_DETACH) != 0) return fail_errno("let go of the host's mounts");
  }
  if (::chdir("/") != 0) return fail_errno("chdir /");
  const Propagation& wanted = plan_.root_propagation;
  if (wanted.kind != 0 && wanted.kind != MS_PRIVATE) {
    const unsigned long flags = wanted.kind | (wanted.recursive ? static_cast<unsigned long>(MS_REC) : 0UL);
    if (::mount(nullptr, "/", nullptr, flags, nullptr) != 0) return fail_errno("set linux.rootfsPropagation");
  }
  return {};
}

Result<> RootBuilder::perform_one(const MountFilesystem& step) {
  // A /proc or /sys that is a link would let an image choose where they go (CVE-2019-19921).
  const bool kernel_view = step.type == "proc" || step.type == "sysfs";
  PLIMSOLL_ASSIGN(const UniqueFd target, make_folder_in_root(root_.get(), step.destination,
                                                             kernel_view ? Links::kRefuse : Links::kFollow));
  auto mount = make_filesystem(
      step.type, step.source, step.type == "tmpfs" ? with_mode_of(target.get(), step.options) : step.options);
  if (!mount) return std::unexpected(std::move(mount).error().in("mount on " + step.destination));
  PLIMSOLL_TRY(change_mount(mount->get(), {}, step.options.propagation, step.options.propagation.recursive,
                            step.destination));
  return attach_mount(mount->get(), target.get(), step.destination);
}

Result<> RootBuilder::perform_one(const BindMount& step) {
  const UniqueFd& source = sources_.at(&step);
  const MountOptions& options = step.options;
  const Propagation propagation = options.propagation.kind != 0 ? options.propagation : kPrivateTree;
  PLIMSOLL_TRY(change_mount(source.get(), {}, propagation, propagation.recursive, step.destination));
  PLIMSOLL_TRY(change_mount(source.get(), options.attributes, {}, false, step.destination));
  PLIMSOLL_TRY(change_mount(source.get(), options.recursive_attributes, {}, true, step.destination));
  PLIMSOLL_ASSIGN(const struct stat info, status_of(source.get(), step.source));
  PLIMSOLL_ASSIGN(const UniqueFd target, S_ISDIR(info.st_mode)
                                             ? make_folder_in_root(root_.get(), step.destination)
                                             : make_file_in_root(root_.get(), step.destination));
  return attach_mount(source.get(), target.get(), step.destination);
}

Result<> RootBuilder::perform_one(const Remount& step) {
  PLIMSOLL_ASSIGN(const UniqueFd target, open_in_root(root_.get(), step.destination));
  PLIMSOLL_TRY(reconfigure(target.get(), step.options.data, step.destination));
  PLIMSOLL_TRY(
      change_mount(target.get(), step.options.attributes, step.options.propagation, false, step.destination));
  return change_mount(target.get(), step.options.recursive_attributes, {}, true, step.destination);
}

Result<> RootBuilder::perform_one(const MakeNode& step) {
  PLIMSOLL_ASSIGN(const Parent parent, parent_in_root(root_.get(), step.path));
  const int folder = parent.folder.get();
  const char* name = parent.name.c_str();
  const dev_t number = step.type == 'p' ? 0 : makedev(step.major, step.minor);
  if (::mknodat(folder, name, kind_of(step.type) | step.mode, number) != 0) {
    if (errno != EEXIST) return fail_errno("make node " + step.path);
    // An image may bring the node along; only the right one is accepted.
    struct stat info{};
    if (::fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno("stat " + step.path);
    if ((info.st_mode & S_IFMT) != kind_of(step.type) || info.st_rdev != number) {
      return fail("make node " + step.path + ": something else is there", ErrorKind::kConflict);
    }
  }
  // mknod is subject to the umask. The folder may be an image's, shared and changing: no link is followed.
  if (::fchownat(folder, name, step.uid, step.gid, AT_SYMLINK_NOFOLLOW) != 0)
    return fail_errno("chown " + step.path);
  return {};
}

Result<> RootBuilder::perform_one(const MakeSymlink& step) {
  PLIMSOLL_ASSIGN(const Parent parent, parent_in_root(root_.get(), step.path));
  if (::symlinkat(step.target.c_str(), parent.folder.get(), parent.name.c_str()) != 0 && errno != EEXIST) {
    return fail_errno("make link " + step.path);
  }
  return {};
}

Result<> RootBuilder::perform_one(const MakeConsole&) {
  PLIMSOLL_ASSIGN(terminal_, open_terminal(root_.get(), plan_.process.console_size));
  PLIMSOLL_ASSIGN(const UniqueFd target, make_file_in_root(root_.get(), "/dev/console"));
  PLIMSOLL_ASSIGN(const UniqueFd copy, clone_mount(terminal_.slave.get(), false, "the terminal"));
  return attach_mount(copy.get(), target.get(), "/dev/console");
}

Result<> RootBuilder::perform_one(const MakeFolder& step) {
  // What is no folder will be said by chdir, which is the step that needs it.
  auto made = make_folder_in_root(root_.get(), step.path);
  if (!made && made.error().kind() != ErrorKind::kConflict && made.error().number() != ENOTDIR) {
    return std::unexpected(std::move(made).error().in("process.cwd"));
  }
  return {};
}

Result<> RootBuilder::perform_one(const WriteSysctl& step) {
  return write_procfs(procfs_, "sys/" + step.path, step.value);
}

Result<> RootBuilder::perform_one(const MakeReadonly& step) {
  const auto target = open_in_root(root_.get(), step.path);
  if (!target && target.error().kind() == ErrorKind::kNotFound) return {};
  if (!target) return std::unexpected(target.error());
  PLIMSOLL_ASSIGN(const UniqueFd copy, clone_mount(target->get(), true, step.path));
  PLIMSOLL_TRY(change_mount(copy.get(), {MOUNT_ATTR_RDONLY, 0}, {}, true, step.path));
  return attach_mount(copy.get(), target->get(), step.path);
}

Result<> RootBuilder::perform_one(const Mask& step) {
  const auto target = open_in_root(root_.get(), step.path);
  if (!target && target.error().kind() == ErrorKind::kNotFound) return {};
  if (!target) return std::unexpected(target.error());
  PLIMSOLL_ASSIGN(const struct stat info, status_of(target->get(), step.path));
  if (S_ISDIR(info.st_mode)) return mask_folder(target->get(), step.path);
  PLIMSOLL_ASSIGN(const UniqueFd copy, clone_mount(null_.get(), false, "/dev/null"));
  return attach_mount(copy.get(), target->get(), step.path);
}

Result<> RootBuilder::mask_folder(int target, const std::string& path) {
  if (empty_folder_) {
    PLIMSOLL_ASSIGN(const UniqueFd copy, clone_mount(empty_folder_.get(), false, path));
    return attach_mount(copy.get(), target, path);
  }
  const MountOptions options{
      .attributes = {MOUNT_ATTR_RDONLY, 0},
      .data = {{"size", "4k", false}, {"nr_inodes", "2", false}, {"mode", "755", false}}};
  PLIMSOLL_ASSIGN(empty_folder_, make_filesystem("tmpfs", "tmpfs", options));
  return attach_mount(empty_folder_.get(), target, path);
}

}  // namespace plimsoll::launch
