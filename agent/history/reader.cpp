#include "agent/history/reader.h"

#include <algorithm>
#include <utility>

namespace plimsoll::history {

Result<Reader> Reader::open(const std::string& folder, WallTime from, WallTime to) {
  Reader made;
  made.from_ = from;
  made.to_ = to;
  PLIMSOLL_ASSIGN(made.files_, segments_of(folder));
  std::erase_if(made.files_, [&](const SegmentFile& one) { return one.first > to; });
  // The last that begins before `from` may reach beyond it.
  const auto first = std::ranges::upper_bound(made.files_, from, {}, &SegmentFile::first);
  if (first - made.files_.begin() > 1) made.files_.erase(made.files_.begin(), first - 1);
  return made;
}

bool Reader::open_next() {
  while (file_ < files_.size()) {
    const SegmentFile& file = files_[file_++];
    auto opened = SegmentReader::open(file.path);
    if (!opened) {
      problems_.push_back(opened.error().message());
      continue;
    }
    segment_ = *std::move(opened);
    boot_id_ = segment_->boot_id();
    decoder_.begin();
    return true;
  }
  return false;
}

std::optional<model::Recorded> Reader::next() {
  while (true) {
    if (left_.empty()) {
      std::optional<std::string> block;
      if (segment_) block = segment_->next();
      if (!block) {
        if (segment_ && !segment_->damage().empty()) problems_.push_back(segment_->damage());
        segment_.reset();
        if (!open_next()) return std::nullopt;
        continue;
      }
      block_ = *std::move(block);
      left_ = block_;
    }
    auto moment = left_.empty() ? std::nullopt : decoder_.decode(left_);
    if (!moment) {
      problems_.push_back(files_[file_ - 1].path + ": a moment that cannot be read");
      left_ = {};
      segment_.reset();
      continue;
    }
    if (moment->snapshot->wall < from_) continue;
    if (moment->snapshot->wall > to_) return std::nullopt;
    return moment;
  }
}

Result<std::optional<Then>> moment_at(const std::string& folder, WallTime when) {
  // A segment is some minutes; what lies before in the one before it is not needed but for its last tick.
  PLIMSOLL_ASSIGN(Reader reader, Reader::open(folder, when - std::chrono::minutes(2), when));
  std::optional<Then> found;
  while (auto moment = reader.next()) {
    if (!moment->tick) continue;
    Then then{*std::move(moment), std::nullopt};
    if (found) then.before = std::move(found->now);
    found = std::move(then);
  }
  return found;
}

}  // namespace plimsoll::history
