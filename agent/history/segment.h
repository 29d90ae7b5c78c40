// A file of history: a line that says what it is, and blocks behind each other, each with its own checksum.
// The blocks are one stream of zstd, flushed at the end of each, so that all but a torn last one can be read.
// Files are named by the time of their first moment, which is how they are found.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace plimsoll::history {

inline constexpr int kFormat = 1;  // describe.h and codec.h

struct SegmentFile {
  std::string path;
  WallTime first;
  std::uint64_t bytes = 0;
};
// Those of a folder, oldest first. A folder that is not there has none. kSystem: unreadable.
Result<std::vector<SegmentFile>> segments_of(const std::string& folder);

class SegmentWriter {
 public:
  // Makes a file, durably. Errors: the kernel's.
  static Result<std::unique_ptr<SegmentWriter>> create(const std::string& folder, WallTime first,
                                                       const std::string& boot_id);
  ~SegmentWriter();
  // Appends what holds moments from `first` to `last`, durably; on an error the file is as before.
  Result<> append(std::string_view raw, WallTime first, WallTime last);
  std::uint64_t bytes() const { return bytes_; }

 private:
  SegmentWriter() = default;
  struct FreeContext {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::string path_;
  UniqueFd fd_;
  std::unique_ptr<ZSTD_CCtx_s, FreeContext> context_;
  std::uint64_t bytes_ = 0;
};

class SegmentReader {
 public:
  // Errors: unreadable (kSystem), or not a file of history of this format (kInvalid).
  static Result<std::unique_ptr<SegmentReader>> open(const std::string& path);
  ~SegmentReader();
  const std::string& boot_id() const { return boot_id_; }
  // The next block, unpacked; nullopt at the end, which is also where it is torn or damaged: damage() says
  // so.
  std::optional<std::string> next();
  const std::string& damage() const { return damage_; }

 private:
  SegmentReader() = default;
  struct FreeContext {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::string path_, bytes_, boot_id_, damage_;
  std::size_t at_ = 0;
  std::unique_ptr<ZSTD_DCtx_s, FreeContext> context_;
};

}  // namespace plimsoll::history
