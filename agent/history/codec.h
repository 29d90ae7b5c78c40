// Moments as bytes: each is told as what changed since the one before it, so that they can be read in order
// only, from the beginning of their file on. An idle container takes no byte. Neither is thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/history/bytes.h"
#include "agent/history/words.h"
#include "agent/model/recorded.h"

namespace plimsoll::history {

// As model::Recorded, of values that are another's.
struct Moment {
  const model::Snapshot& snapshot;
  std::span<const model::Event> events = {};
  std::span<const model::DecisionRecord> decisions = {};
  std::span<const model::DecisionRecord> followed = {};
  bool tick = false;
  bool paused = false;
};

class Encoder {
 public:
  // A new file: its reader knows nothing yet.
  void begin();
  // Appends a moment to `out`.
  void encode(const Moment& moment, std::string& out);

 private:
  struct Slot {
    std::shared_ptr<const model::ContainerRef> ref;
    Words words;
  };
  void name(const std::shared_ptr<const model::ContainerRef>& ref);
  void list(const model::Snapshot& snapshot, ByteWriter& bytes);
  void samples(const model::Snapshot& snapshot, ByteWriter& bytes);
  void event(const model::Event& event, ByteWriter& bytes);
  void records(std::span<const model::DecisionRecord> records, ByteWriter& bytes);
  // Of what is told whole.
  template <typename Fill>
  void whole(ByteWriter& bytes, const Fill& fill);
  // Of what is told as changes of `before`, which becomes what it is now.
  template <typename Fill>
  void row(ByteWriter& bytes, Words& before, const Fill& fill);

  Strings strings_;
  std::size_t strings_told_ = 0;
  std::unordered_map<const model::ContainerRef*, std::uint64_t> numbers_;  // of slots
  std::vector<Slot> slots_;
  std::vector<std::uint64_t> listed_;  // slots of the last snapshot
  std::vector<std::uint64_t> fresh_;   // slots that this moment names first
  Words host_, root_, probes_, scratch_;
  std::int64_t wall_ = 0, boot_ = 0;
  std::uint64_t sequence_ = 0;
};

class Decoder {
 public:
  void begin();
  // The next moment of `in`, which is moved behind it; nullopt: malformed, nothing more can be read.
  std::optional<model::Recorded> decode(std::string_view& in);

 private:
  struct Slot {
    std::shared_ptr<const model::ContainerRef> ref;
    Words words;
    model::Sample sample;
  };
  bool names(ByteReader& bytes);
  bool list(ByteReader& bytes);
  bool samples(ByteReader& bytes);
  bool event(ByteReader& bytes, model::Event& out);
  bool records(ByteReader& bytes, std::vector<model::DecisionRecord>& out);
  template <typename Fill>
  bool whole(ByteReader& bytes, const Fill& fill);
  template <typename Fill>
  bool row(ByteReader& bytes, Words& before, const Fill& fill);

  Strings strings_;
  std::vector<Slot> slots_;
  std::vector<std::uint64_t> listed_;
  Words host_, root_, probes_, scratch_;
  std::int64_t wall_ = 0, boot_ = 0;
  std::uint64_t sequence_ = 0;
};

}  // namespace plimsoll::history
