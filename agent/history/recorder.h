// Keeps what the policies were given, moment by moment, in a folder of segments. The agent's loop encodes; a
// thread of its own packs and writes, so that a slow disk never delays a decision. A power cut costs what is
// not yet durable: kEvery at most, and never a file. One is written at a time, and each start begins another.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/units.h"
#include "agent/history/codec.h"
#include "agent/history/segment.h"

namespace plimsoll::history {

struct RecorderOptions {
  std::string folder;
  std::string boot_id;
  Nanoseconds keep = std::chrono::hours(7 * 24);  // what is older is removed,
  std::uint64_t most_bytes = 1ULL << 30;          // and the oldest where all is more than that
  Nanoseconds every = std::chrono::seconds(5);    // becomes durable
  Nanoseconds segment = std::chrono::minutes(10);
};

class Recorder {
 public:
  struct Stats {
    std::uint64_t bytes = 0;    // written since the start
    std::uint64_t moments = 0;  // told to note()
    std::uint64_t lost = 0;     // of them, that could not be kept
    std::string problem;        // of the disk, now; empty: all is well
  };

  // Makes the folder. Errors: the kernel's.
  static Result<std::unique_ptr<Recorder>> open(const RecorderOptions& options);
  ~Recorder();  // what was told is durable, if the disk lets it
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // On the loop's thread. Never waits for a disk.
  void note(const Moment& moment);
  // Hands on what there is, as if its time were up.
  void flush();
  // From any thread.
  Stats stats() const;

 private:
  struct Block {
    std::uint64_t segment = 0;
    WallTime segment_begins;
    WallTime first, last;
    std::uint64_t moments = 0;
    std::string raw;
  };
  explicit Recorder(RecorderOptions options) : options_(std::move(options)) {}
  void begin_segment(WallTime now);
  void write_blocks();
  void write(const Block& block, std::unique_ptr<SegmentWriter>& file, std::uint64_t& segment);
  void prune(WallTime now, const SegmentWriter* current);

  const RecorderOptions options_;
  Encoder encoder_;
  Block block_;  // that is being filled
  BootTime block_begins_, segment_begins_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Block> queue_;
  std::size_t queued_bytes_ = 0;
  std::uint64_t broken_ =
      0;  // the segment that can take no more: what follows would be told against what is lost
  bool ending_ = false;
  Stats stats_;
  std::jthread thread_;
};

}  // namespace plimsoll::history
