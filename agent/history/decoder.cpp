#include <utility>

#include "agent/history/codec.h"
#include "agent/history/describe.h"

namespace plimsoll::history {
namespace {

constexpr std::uint64_t kMostWords = 1U << 20;  // of a row: a sample of many devices has thousands

bool all_of(ByteReader& bytes, Words& words) {
  const std::uint64_t size = bytes.count();
  words.clear();
  words.reserve(size);
  for (std::uint64_t i = 0; i < size; ++i) words.push_back(bytes.number());
  return bytes.good();
}

bool changes(ByteReader& bytes, Words& words) {
  std::size_t at = 0;
  while (at < words.size()) {
    const std::uint64_t equal = bytes.number();
    if (!bytes.good() || equal > words.size() - at) return false;
    at += equal;
    if (at == words.size()) return true;
    words[at] = bytes.changed(words[at]);
    ++at;
  }
  return bytes.good();
}

// As `row` of the encoder has it.
bool row_of(ByteReader& bytes, Words& words) {
  const bool told_as_changes = bytes.number() != 0;
  return told_as_changes ? changes(bytes, words) : all_of(bytes, words) && words.size() <= kMostWords;
}

template <typename Fill>
bool fill_from(const Words& from, const Strings& strings, const Fill& fill) {
  WordReader words(from, strings);
  fill(Describe<WordReader>{words});
  return words.good() && words.at_end();
}

}  // namespace

void Decoder::begin() { *this = Decoder(); }

template <typename Fill>
bool Decoder::whole(ByteReader& bytes, const Fill& fill) {
  return all_of(bytes, scratch_) && fill_from(scratch_, strings_, fill);
}
template <typename Fill>
bool Decoder::row(ByteReader& bytes, Words& before, const Fill& fill) {
  return row_of(bytes, before) && fill_from(before, strings_, fill);
}

std::optional<model::Recorded> Decoder::decode(std::string_view& in) {
  ByteReader bytes(in);
  if (!names(bytes)) return std::nullopt;
  auto snapshot = std::make_shared<model::Snapshot>();
  model::Recorded out;
  const std::uint64_t flags = bytes.number();
  out.tick = (flags & 1) != 0;
  out.paused = (flags & 2) != 0;
  wall_ = static_cast<std::int64_t>(bytes.changed(static_cast<std::uint64_t>(wall_)));
  boot_ = static_cast<std::int64_t>(bytes.changed(static_cast<std::uint64_t>(boot_)));
  sequence_ = bytes.changed(sequence_);
  snapshot->wall = WallTime(std::chrono::nanoseconds(wall_));
  snapshot->boot = {std::chrono::nanoseconds(boot_)};
  snapshot->sequence = sequence_;
  if (!row(bytes, host_, [&](auto words) { words.host(snapshot->host); })) return std::nullopt;
  if ((flags & 4) != 0) {
    if (!row(bytes, root_, [&](auto words) { words.sample(snapshot->root.emplace()); })) return std::nullopt;
  }
  const bool probes = row(bytes, probes_, [&](auto words) {
    words.ar.list(snapshot->probes, [&](auto& one) { words.probe_state(one); });
  });
  if (!probes || !list(bytes) || !samples(bytes)) return std::nullopt;
  snapshot->containers.reserve(listed_.size());
  for (const std::uint64_t slot : listed_)
    snapshot->containers.push_back({slots_[slot].ref, slots_[slot].sample});
  for (std::uint64_t left = bytes.count(); left > 0; --left) {
    if (!event(bytes, out.events.emplace_back())) return std::nullopt;
  }
  if (!records(bytes, out.decisions) || !records(bytes, out.followed)) return std::nullopt;
  in.remove_prefix(in.size() - bytes.left());
  out.snapshot = std::move(snapshot);
  return out;
}

bool Decoder::records(ByteReader& bytes, std::vector<model::DecisionRecord>& out) {
  for (std::uint64_t left = bytes.count(); left > 0; --left) {
    if (!whole(bytes, [&](auto words) { words.decision(out.emplace_back()); })) return false;
  }
  return bytes.good();
}

bool Decoder::names(ByteReader& bytes) {
  for (std::uint64_t left = bytes.count(); left > 0; --left) strings_.add(std::string(bytes.text()));
  for (std::uint64_t left = bytes.count(); left > 0; --left) {
    auto ref = std::make_shared<model::ContainerRef>();
    if (!whole(bytes, [&](auto words) { words.ref(*ref); })) return false;
    slots_.push_back({std::move(ref), {}, {}});
  }
  return bytes.good();
}

bool Decoder::list(ByteReader& bytes) {
  if (bytes.number() == 0) return bytes.good();
  listed_.clear();
  for (std::uint64_t left = bytes.count(); left > 0; --left) {
    listed_.push_back(bytes.number());
    if (listed_.back() >= slots_.size()) return false;
  }
  return bytes.good();
}

bool Decoder::samples(ByteReader& bytes) {
  std::size_t at = 0;
  while (at < listed_.size()) {
    const std::uint64_t equal = bytes.number();
    if (!bytes.good() || equal > listed_.size() - at) return false;
    at += equal;
    if (at == listed_.size()) return true;
    Slot& slot = slots_[listed_[at++]];
    if (!row(bytes, slot.words, [&](auto words) { words.sample(slot.sample); })) return false;
  }
  return bytes.good();
}

namespace {

template <std::size_t Index = 0>
bool begin_event(std::uint64_t kind, model::Event& out) {
  if constexpr (Index < std::variant_size_v<decltype(out.what)>) {
    if (kind != Index) return begin_event<Index + 1>(kind, out);
    out.what.template emplace<Index>();
    return true;
  } else {
    return false;
  }
}

}  // namespace

bool Decoder::event(ByteReader& bytes, model::Event& out) {
  if (!begin_event(bytes.number(), out)) return false;
  out.at.since_boot =
      std::chrono::nanoseconds(static_cast<std::int64_t>(bytes.changed(static_cast<std::uint64_t>(boot_))));
  const std::uint64_t slot = bytes.number();
  if (slot > slots_.size()) return false;
  return std::visit(
      [&](auto& one) {
        if (slot > 0) one.ref = slots_[slot - 1].ref;
        return whole(bytes, [&](auto words) { words.event(one); });
      },
      out.what);
}

}  // namespace plimsoll::history
