#include "agent/history/recorder.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

namespace plimsoll::history {
namespace {

constexpr std::size_t kMostBlock = 1U << 20;    // raw bytes: a block is handed on before its time
constexpr std::size_t kMostQueued = 64U << 20;  // raw bytes that wait for a slow disk

}  // namespace

Result<std::unique_ptr<Recorder>> Recorder::open(const RecorderOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error) return fail("make the folder " + options.folder + ": " + error.message());
  std::unique_ptr<Recorder> made(new Recorder(options));
  made->thread_ = std::jthread([self = made.get()] { self->write_blocks(); });
  return made;
}

Recorder::~Recorder() {
  flush();
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
}

void Recorder::begin_segment(WallTime now) {
  encoder_.begin();
  block_.raw.clear();
  block_.moments = 0;
  ++block_.segment;
  block_.segment_begins = now;
}

void Recorder::note(const Moment& moment) {
  const model::Snapshot& snapshot = moment.snapshot;
  bool broken = false;
  {
    const std::lock_guard lock(mutex_);
    ++stats_.moments;
    broken = block_.segment <= broken_;
    if (broken && block_.segment > 0) stats_.lost += block_.moments;
  }
  if (broken || snapshot.boot - segment_begins_ >= options_.segment) {
    if (!broken) flush();
    begin_segment(snapshot.wall);
    segment_begins_ = snapshot.boot;
  }
  if (block_.moments == 0) {
    block_.first = snapshot.wall;
    block_begins_ = snapshot.boot;
  }
  encoder_.encode(moment, block_.raw);
  ++block_.moments;
  block_.last = snapshot.wall;
  if (block_.raw.size() >= kMostBlock || snapshot.boot - block_begins_ >= options_.every) flush();
}

void Recorder::flush() {
  if (block_.moments == 0) return;
  Block full = block_;
  block_.raw.clear();
  block_.moments = 0;
  {
    const std::lock_guard lock(mutex_);
    if (queued_bytes_ + full.raw.size() > kMostQueued || full.segment <= broken_) {
      stats_.lost += full.moments;
      stats_.problem = "the disk takes history slower than it is made";
      broken_ = full.segment;
      return;
    }
    queued_bytes_ += full.raw.size();
    queue_.push_back(std::move(full));
  }
  wake_.notify_one();
}

Recorder::Stats Recorder::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Recorder::write_blocks() {
  std::unique_ptr<SegmentWriter> file;
  std::uint64_t segment = 0;
  while (true) {
    Block block;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      block = std::move(queue_.front());
      queue_.pop_front();
    }
    write(block, file, segment);
    const std::lock_guard lock(mutex_);
    queued_bytes_ -= block.raw.size();
  }
}

void Recorder::write(const Block& block, std::unique_ptr<SegmentWriter>& file, std::uint64_t& segment) {
  {
    const std::lock_guard lock(mutex_);
    if (block.segment <= broken_) {
      stats_.lost += block.moments;
      return;
    }
  }
  Result<> done{};
  if (!file || segment != block.segment) {
    segment = block.segment;
    file.reset();
    auto made = SegmentWriter::create(options_.folder, block.segment_begins, options_.boot_id);
    if (made)
      file = *std::move(made);
    else
      done = std::unexpected(made.error());
  }
  prune(block.last, file.get());
  const std::uint64_t before = file ? file->bytes() : 0;
  if (done) done = file->append(block.raw, block.first, block.last);
  const std::lock_guard lock(mutex_);
  stats_.problem = done ? "" : done.error().message();
  if (done) {
    stats_.bytes += file->bytes() - before;
  } else {
    stats_.lost += block.moments;
    broken_ = block.segment;
    file.reset();
  }
}

void Recorder::prune(WallTime now, const SegmentWriter* current) {
  auto all = segments_of(options_.folder);
  if (!all || all->empty()) return;
  if (current != nullptr) all->pop_back();  // the newest is the one being written
  std::uint64_t bytes = current == nullptr ? 0 : current->bytes();
  for (const SegmentFile& one : *all) bytes += one.bytes;
  for (std::size_t i = 0; i < all->size(); ++i) {
    const SegmentFile& one = (*all)[i];
    // Its last moment is before the first of the next.
    const bool old = i + 1 < all->size() && now - (*all)[i + 1].first > options_.keep;
    if (!old && bytes <= options_.most_bytes) return;
    if (::unlink(one.path.c_str()) == 0) bytes -= one.bytes;
  }
}

}  // namespace plimsoll::history
