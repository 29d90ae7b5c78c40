#include <utility>

#include "agent/history/codec.h"
#include "agent/history/describe.h"

namespace plimsoll::history {
namespace {

// How two rows of one length differ: how many words are equal, and by how much the next is not, until the
// end.
void changes(ByteWriter& bytes, const Words& before, const Words& now) {
  std::size_t at = 0;
  while (at < now.size()) {
    std::size_t equal = at;
    while (equal < now.size() && before[equal] == now[equal]) ++equal;
    bytes.number(equal - at);
    if (equal == now.size()) return;
    bytes.change(before[equal], now[equal]);
    at = equal + 1;
  }
}

void all_of(ByteWriter& bytes, const Words& words) {
  bytes.number(words.size());
  for (const std::uint64_t word : words) bytes.number(word);
}

// 1 and what changed since `before`, which becomes what it is now; or 0 and all of it.
void tell(ByteWriter& bytes, Words& before, Words& now) {
  if (before.size() == now.size() && !before.empty()) {
    bytes.number(1);
    changes(bytes, before, now);
  } else {
    bytes.number(0);
    all_of(bytes, now);
  }
  before.swap(now);
}

std::uint64_t flags_of(bool tick, bool paused, bool root) {
  return (tick ? 1U : 0U) | (paused ? 2U : 0U) | (root ? 4U : 0U);
}

}  // namespace

void Encoder::begin() { *this = Encoder(); }

template <typename Fill>
void Encoder::whole(ByteWriter& bytes, const Fill& fill) {
  scratch_.clear();
  WordWriter words(scratch_, strings_);
  fill(Describe<WordWriter>{words});
  all_of(bytes, scratch_);
}

template <typename Fill>
void Encoder::row(ByteWriter& bytes, Words& before, const Fill& fill) {
  scratch_.clear();
  WordWriter words(scratch_, strings_);
  fill(Describe<WordWriter>{words});
  tell(bytes, before, scratch_);
}

void Encoder::encode(const Moment& moment, std::string& out) {
  const model::Snapshot& snapshot = moment.snapshot;
  std::string body;
  ByteWriter bytes(body);
  bytes.number(flags_of(moment.tick, moment.paused, snapshot.root.has_value()));
  const std::int64_t wall = snapshot.wall.time_since_epoch().count(), boot = snapshot.boot.since_boot.count();
  bytes.change(std::exchange(wall_, wall), wall);
  bytes.change(std::exchange(boot_, boot), boot);
  bytes.change(std::exchange(sequence_, snapshot.sequence), snapshot.sequence);
  row(bytes, host_, [&](auto words) { words.host(snapshot.host); });
  if (snapshot.root) row(bytes, root_, [&](auto words) { words.sample(*snapshot.root); });
  row(bytes, probes_,
      [&](auto words) { words.ar.list(snapshot.probes, [&](auto& one) { words.probe_state(one); }); });
  list(snapshot, bytes);
  samples(snapshot, bytes);
  bytes.number(moment.events.size());
  for (const model::Event& one : moment.events) event(one, bytes);
  records(moment.decisions, bytes);
  records(moment.followed, bytes);

  // What the body is written with comes before it; refs have texts of their own.
  std::string refs;
  ByteWriter named(refs);
  named.number(fresh_.size());
  for (const std::uint64_t slot : fresh_) whole(named, [&](auto words) { words.ref(*slots_[slot].ref); });
  fresh_.clear();
  ByteWriter head(out);
  head.number(strings_.all().size() - strings_told_);
  for (; strings_told_ < strings_.all().size(); ++strings_told_) head.text(strings_.all()[strings_told_]);
  out.append(refs).append(body);
}

void Encoder::records(std::span<const model::DecisionRecord> records, ByteWriter& bytes) {
  bytes.number(records.size());
  for (const model::DecisionRecord& one : records) whole(bytes, [&](auto words) { words.decision(one); });
}

// A ref that changes is another one: they are shared, and are never changed in place.
void Encoder::name(const std::shared_ptr<const model::ContainerRef>& ref) {
  if (!numbers_.try_emplace(ref.get(), slots_.size()).second) return;
  fresh_.push_back(slots_.size());
  slots_.push_back({ref, {}});
}

void Encoder::list(const model::Snapshot& snapshot, ByteWriter& bytes) {
  std::vector<std::uint64_t> now;
  now.reserve(snapshot.containers.size());
  for (const model::ContainerSample& one : snapshot.containers) {
    name(one.ref);
    now.push_back(numbers_.at(one.ref.get()));
  }
  if (now == listed_) return bytes.number(0);
  bytes.number(1);
  bytes.number(now.size());
  for (const std::uint64_t slot : now) bytes.number(slot);
  listed_ = std::move(now);
}

// How many are as they were, and how the next is, until the end.
void Encoder::samples(const model::Snapshot& snapshot, ByteWriter& bytes) {
  std::uint64_t equal = 0;
  Words now;
  for (std::size_t i = 0; i < listed_.size(); ++i) {
    Words& before = slots_[listed_[i]].words;
    now.clear();
    WordWriter words(now, strings_);
    Describe<WordWriter>{words}.sample(snapshot.containers[i].sample);
    if (now == before) {
      ++equal;
      continue;
    }
    bytes.number(std::exchange(equal, 0));
    tell(bytes, before, now);
  }
  if (equal > 0) bytes.number(equal);
}

void Encoder::event(const model::Event& event, ByteWriter& bytes) {
  bytes.number(event.what.index());
  bytes.change(static_cast<std::uint64_t>(boot_), static_cast<std::uint64_t>(event.at.since_boot.count()));
  std::visit(
      [&](const auto& one) {
        if (one.ref) name(one.ref);
        bytes.number(one.ref ? numbers_.at(one.ref.get()) + 1 : 0);
        whole(bytes, [&](auto words) { words.event(one); });
      },
      event.what);
}

}  // namespace plimsoll::history
