// Makes the entries of one tar stream below a folder, see unpack.h for what is refused. Every name is
// resolved with openat2(RESOLVE_BENEATH) to its parent's descriptor, and acted on from there.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

struct archive;
struct archive_entry;

namespace plimsoll::image {

// An entry's name, checked: where it lies below the root.
struct EntryPath {
  std::string parent;  // "" is the root
  std::string name;    // "" only for the root itself
};
// kInvalid where the name is absolute, leads out, or is a whiteout.
Result<EntryPath> check_entry_path(const std::string& name);

// Not thread-safe.
class LayerWriter {
 public:
  static Result<LayerWriter> open(const std::string& folder);

  // Makes `entry`, whose data (if any) comes from `reader`.
  Result<> write(archive* reader, archive_entry* entry);
  // Sets the folders' times (their content changed them) and flushes to disk. Call once, last.
  Result<> finish();
  std::uint64_t file_bytes() const { return file_bytes_; }

 private:
  struct FolderTimes {
    std::string path;
    timespec times[2];
  };
  explicit LayerWriter(UniqueFd root) : root_(std::move(root)) {}

  Result<UniqueFd> open_parent(const std::string& parent);
  Result<> make_room(int parent, const std::string& name, bool for_folder, const std::string& shown);
  Result<> make(int parent, const std::string& name, archive* reader, archive_entry* entry);
  Result<> make_file(int parent, const std::string& name, archive* reader, const std::string& shown);
  Result<> make_hard_link(int parent, const std::string& name, const std::string& target,
                          const std::string& shown);
  Result<> set_attributes(int parent, const EntryPath& path, archive_entry* entry);

  UniqueFd root_;
  std::vector<FolderTimes> folders_;
  std::uint64_t file_bytes_ = 0;
};

}  // namespace plimsoll::image
