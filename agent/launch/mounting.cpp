#include "agent/launch/mounting.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace plimsoll::launch {
namespace {

// The kernel says more of a refused option in the context's log than in errno ("e tmpfs: Bad value for ...").
std::unexpected<Error> context_error(int context, const std::string& doing) {
  const int number = errno;
  std::array<char, 256> line{};
  const ssize_t got = ::read(context, line.data(), line.size());
  std::string what = doing;
  if (got > 2) {
    std::string_view said(line.data() + 2, static_cast<std::size_t>(got) - 2);
    while (said.ends_with('\n')) said.remove_suffix(1);
    what += " (" + std::string(said) + ")";
  }
  return fail_errno(what, number);
}

Result<> set_option(int context, const FsOption& option, const std::string& doing) {
  const int code =
      option.flag ? ::fsconfig(context, FSCONFIG_SET_FLAG, option.key.c_str(), nullptr, 0)
                  : ::fsconfig(context, FSCONFIG_SET_STRING, option.key.c_str(), option.value.c_str(), 0);
  if (code == 0) return {};
  return context_error(context, doing + ": option " + option.key + (option.flag ? "" : "=" + option.value));
}

// Filesystems without a device behind them, where read-only is a matter of the mount, not of the filesystem:
// the filesystem may be shared with others.
bool is_virtual(std::string_view type) {
  static constexpr std::array<std::string_view, 9> kVirtual = {
      "proc", "sysfs", "cgroup2", "mqueue", "devpts", "tmpfs", "devtmpfs", "bpf", "overlay"};
  return std::ranges::find(kVirtual, type) != kVirtual.end();
}

}  // namespace

Result<UniqueFd> make_filesystem(const std::string& type, const std::string& source,
                                 const MountOptions& options) {
  const std::string doing = "mount " + type;
  const UniqueFd context(::fsopen(type.c_str(), FSOPEN_CLOEXEC));
  if (!context) return fail_errno(doing + ": open filesystem type");
  if (!source.empty()) PLIMSOLL_TRY(set_option(context.get(), {"source", source, false}, doing));
  for (const FsOption& option : options.data) PLIMSOLL_TRY(set_option(context.get(), option, doing));
  if ((options.attributes.set & MOUNT_ATTR_RDONLY) != 0 && !is_virtual(type)) {
    PLIMSOLL_TRY(set_option(context.get(), {"ro", "", true}, doing));
  }
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return context_error(context.get(), doing);
  }
  UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(options.attributes.set)));
  if (!mount) return context_error(context.get(), doing);
  return mount;
}

Result<UniqueFd> clone_mount(int at, bool recursive, const std::string& name) {
  const unsigned flags =
      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);
  UniqueFd tree(::open_tree(at, "", flags));
  if (!tree) return fail_errno("clone the mount of " + name);
  return tree;
}

Result<UniqueFd> clone_host_path(const std::string& path, bool recursive) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0U);
  UniqueFd tree(::open_tree(AT_FDCWD, path.c_str(), flags));
  if (!tree) return fail_errno("bind " + path);
  return tree;
}

Result<> change_mount(int mount, const AttributeChange& change, const Propagation& propagation,
                      bool recursive, const std::string& name) {
  if (change.empty() && propagation.kind == 0) return {};
  mount_attr attributes{};
  attributes.attr_set = change.set;
  attributes.attr_clr = change.clear;
  attributes.propagation = propagation.kind;
  const unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);
  if (::mount_setattr(mount, "", flags, &attributes, sizeof attributes) != 0) {
    return fail_errno("set mount attributes of " + name);
  }
  return {};
}

Result<> attach_mount(int mount, int target, const std::string& name) {
  if (::move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    return fail_errno("mount on " + name);
  }
  return {};
}

Result<> reconfigure(int target, const std::vector<FsOption>& data, const std::string& name) {
  if (data.empty()) return {};
  const std::string doing = "remount " + name;
  const UniqueFd context(::fspick(target, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC));
  if (!context) return fail_errno(doing);
  for (const FsOption& option : data) PLIMSOLL_TRY(set_option(context.get(), option, doing));
  if (::fsconfig(context.get(), FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0) != 0) {
    return context_error(context.get(), doing);
  }
  return {};
}

}  // namespace plimsoll::launch
