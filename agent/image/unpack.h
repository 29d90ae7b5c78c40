// A tar stream becomes a folder tree, as the root of a container. The stream is outside input: whatever it
// says, nothing outside of the folder is made, changed or read.
//
// Refused, with an error that names the entry: absolute names, "..", names that pass through a link out of
// the folder, an entry for the root that is not a folder, hard links to anything but a regular file of this
// layer, whiteouts (.wh.*, device 0:0) and overlayfs's own attributes (an imported layer has nothing below it
// to hide), sockets, sizes that the stream does not keep.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "agent/base/result.h"

namespace plimsoll::image {

// Fills the buffer with the next bytes, at least one; 0 at the end.
using ByteSource = std::function<Result<std::size_t>(std::span<char>)>;

struct Unpacked {
  std::string diff_id;           // SHA-256 of the uncompressed tar stream, 64 hex digits
  std::uint64_t file_bytes = 0;  // sum of the regular files' sizes
};

// `source` is a tar: plain, gzip, bzip2, xz or zstd. `folder` must exist and be empty. After an error the
// folder holds a part; the caller removes it. Owners, modes, times, device nodes and extended attributes are
// kept, so this needs root.
Result<Unpacked> unpack(const ByteSource& source, const std::string& folder);

}  // namespace plimsoll::image
