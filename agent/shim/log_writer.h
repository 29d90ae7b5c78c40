// The container's log: lines as protocol.h has them, in a file that is rotated by size. A full disk is no
// end: what cannot be written is counted, and told in the log once there is room again.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/unique_fd.h"

namespace plimsoll::shim {

enum class Stream { kStdout, kStderr };

class LogWriter {
 public:
  // Files DIR/log, DIR/log.1 ...; `dir` is a descriptor that outlives this. size 0: no rotation.
  static Result<LogWriter> open(int dir, std::uint64_t size, std::uint64_t files);

  // Takes output as it comes; whole lines are written at once, the rest waits for its end (or 16 KiB). An
  // error is told once an episode: the first write that fails after one that did not.
  Result<> add(Stream stream, std::string_view bytes, WallTime now);
  // Writes what still waits.
  Result<> finish(WallTime now);

 private:
  LogWriter(int dir, std::uint64_t size, std::uint64_t files) : dir_(dir), most_(size), files_(files) {}
  void append_line(Stream stream, char tag, std::string_view text, std::string_view time);
  void flush();
  void write_out(std::string_view lines);
  void rotate();
  Result<> open_file();
  Result<> outcome();

  int dir_;
  std::uint64_t most_, files_;
  UniqueFd fd_;
  std::uint64_t written_ = 0;
  std::array<std::string, 2> partial_;  // the unfinished line of each stream
  std::string pending_;                 // finished lines on their way to the file
  std::uint64_t pending_lines_ = 0;
  std::uint64_t lost_ = 0;  // since the disk is full
  int error_ = 0;           // errno of the last write that failed
  bool told_ = false;
};

}  // namespace plimsoll::shim
