// The mount system calls that work on descriptors (fsopen, open_tree, mount_setattr, move_mount), with errors
// that name what was mounted where. Nothing here looks up a path of the container.
#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/launch/mount_options.h"

namespace plimsoll::launch {

// A new filesystem, mounted nowhere yet. Takes the attributes of `options.attributes.set` and the data.
Result<UniqueFd> make_filesystem(const std::string& type, const std::string& source,
                                 const MountOptions& options);

// A copy of the mount (with `recursive`: of the tree of mounts) at this descriptor or host path, attached
// nowhere yet.
Result<UniqueFd> clone_mount(int at, bool recursive, const std::string& name);
Result<UniqueFd> clone_host_path(const std::string& path, bool recursive);

// Attributes and propagation of the mount at `mount`, detached or not. Flags that are not named stay, also
// those that the kernel locked.
Result<> change_mount(int mount, const AttributeChange& change, const Propagation& propagation,
                      bool recursive, const std::string& name);

// Attaches a detached mount over what `target` is.
Result<> attach_mount(int mount, int target, const std::string& name);

// Reconfigures the filesystem that is mounted at `target` ("remount" with data).
Result<> reconfigure(int target, const std::vector<FsOption>& data, const std::string& name);

}  // namespace plimsoll::launch
