// A container's root: overlayfs of its image's layer (lower) and its own changes (upper).
#pragma once

#include <string>

#include "agent/base/result.h"

namespace plimsoll::image {

// Folders; `work` must be empty and on the filesystem of `upper`.
struct Overlay {
  std::string lower, upper, work, target;
};

// Mounts it at `target`; where an overlay is mounted there already, nothing is done (the agent may have been
// killed between the mount and the note of it). kUnsupported, with what to do about it, where the upper
// folder's filesystem cannot be one.
Result<> mount_overlay(const Overlay& overlay);
// Takes every mount off `target`; none there is no error. A mount still in use goes when its last user does.
Result<> unmount(const std::string& target);
// Whether `target` is the root of a mount; false where it does not exist.
Result<bool> is_mount_point(const std::string& target);

}  // namespace plimsoll::image
