// Reads the log that a shim writes (shim/protocol.h, "Log format"), across rotations, without a lost or
// doubled line.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

namespace plimsoll::container {

struct LogLine {
  WallTime when;
  std::string time;  // as written: RFC 3339 with nanoseconds
  bool is_stderr = false;
  bool complete = true;  // false: the next line of this stream continues it
  std::string text;      // without the newline
};

struct LogOptions {
  bool out = true, err = true;
  bool follow = false;
  std::optional<std::size_t> tail;  // the last N lines; nullopt: all
  std::optional<WallTime> since, until;
};

Result<LogLine> parse_log_line(std::string_view line);

// For one thread.
class LogReader {
 public:
  // `folder` holds log, log.1 ... `alive` tells whether lines may still come.
  static Result<std::unique_ptr<LogReader>> open(const std::string& folder, const LogOptions& options,
                                                 std::function<bool()> alive);
  ~LogReader();

  // The next line. nullopt: none now; where ended() is false too, more may come (wait on changed_fd()).
  Result<std::optional<LogLine>> next();
  bool ended() const { return ended_; }
  // Readable when the log changed (inotify); next() drains it. Also call next() every second: a container's
  // end is not seen through it.
  int changed_fd() const { return changes_.get(); }

 private:
  LogReader(std::string folder, const LogOptions& options, std::function<bool()> alive);
  Result<> begin();
  Result<bool> fill();       // more bytes into pending_; false: none now
  Result<bool> open_next();  // after the end of a file: the one that is newer
  bool wanted(const LogLine& line) const;
  std::optional<std::string> take_line();

  std::string folder_;
  LogOptions options_;
  std::function<bool()> alive_;
  UniqueFd changes_, file_;
  std::uint64_t inode_ = 0;
  std::string pending_;
  std::size_t used_ = 0;  // of pending_
  std::deque<LogLine> queued_;
  bool ended_ = false;
};

}  // namespace plimsoll::container
