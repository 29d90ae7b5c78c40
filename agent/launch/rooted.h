// Paths inside a container's root, resolved as if the root were "/" (openat2, RESOLVE_IN_ROOT), to
// descriptors that are then acted upon: what an image made of symbolic links cannot lead out of it, and what
// is swapped meanwhile is not followed.
#pragma once

#include <sys/stat.h>

#include <string>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

namespace plimsoll::launch {

// A descriptor opened with O_PATH. kNotFound where it is not there. `follow`: whether symbolic links are
// resolved (inside the root) or refused.
enum class Links { kFollow, kRefuse };
Result<UniqueFd> open_in_root(int root, const std::string& path, Links links = Links::kFollow);

// As open_in_root, with what is missing of the path made first: folders of mode 0755, for make_file an empty
// file at its end. kConflict where a folder is wanted and something else is there, or the reverse.
Result<UniqueFd> make_folder_in_root(int root, const std::string& path, Links links = Links::kFollow);
Result<UniqueFd> make_file_in_root(int root, const std::string& path);

// The folder that holds the last part of `path` (made where missing), and that part's name.
struct Parent {
  UniqueFd folder;
  std::string name;
};
Result<Parent> parent_in_root(int root, const std::string& path);

Result<struct stat> status_of(int fd, const std::string& path);

}  // namespace plimsoll::launch
