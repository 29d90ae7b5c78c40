// History, read from the files that a Recorder writes, also while it does.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/history/codec.h"
#include "agent/history/segment.h"
#include "agent/model/recorded.h"

namespace plimsoll::history {

class Reader {
 public:
  // Moments from `from` to `to`, both included. Errors: the folder cannot be read.
  static Result<Reader> open(const std::string& folder, WallTime from, WallTime to);

  // In order; nullopt at the end.
  std::optional<model::Recorded> next();
  // Of the segment that the last moment was in: from a boot to the next, inodes and times since boot mean
  // something else.
  const std::string& boot_id() const { return boot_id_; }
  // What could not be read, a sentence each: files that are damaged are left from there on, others go on.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  Reader() = default;
  bool open_next();

  WallTime from_, to_;
  std::vector<SegmentFile> files_;
  std::size_t file_ = 0;
  std::unique_ptr<SegmentReader> segment_;
  std::string block_, boot_id_;
  std::string_view left_;
  Decoder decoder_;
  std::vector<std::string> problems_;
};

// The moment that was then: the last tick at or before it, and the tick before that, for rates. Nullopt:
// nothing was recorded before. Errors: as Reader::open.
struct Then {
  model::Recorded now;
  std::optional<model::Recorded> before;
};
Result<std::optional<Then>> moment_at(const std::string& folder, WallTime when);

}  // namespace plimsoll::history
