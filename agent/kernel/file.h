// Small files of procfs, sysfs and cgroupfs: read whole, write in one call. Nothing here keeps state.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

namespace plimsoll::kernel {

// Reads the whole file at `path`, relative to `dir` (AT_FDCWD for the working folder). Files over 64 MiB are
// refused.
Result<std::string> read_file_at(int dir, const std::string& path);
Result<std::string> read_file(const std::string& path);
// Reads from offset 0 of an open descriptor into `buffer`, growing it as needed; the text read is returned.
Result<std::string_view> pread_all(int fd, std::string& buffer);
// Writes `text` in one write(2), as control files want it. The file must exist.
Result<> write_file_at(int dir, const std::string& path, std::string_view text);
// Replaces `path` by a new file of this content: temporary file, fsync, rename. Readers see the old or the
// new, whole.
Result<> replace_file(const std::string& path, std::string_view text, unsigned mode = 0600);

}  // namespace plimsoll::kernel
