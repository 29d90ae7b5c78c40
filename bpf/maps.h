// Maps of the probes, read from here. Per-CPU values are made of 64-bit counters only, and are summed. A
// map's descriptor of -1 is a map that is not there: it has no entries.
#pragma once

#include <bpf/bpf.h>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "agent/base/units.h"
#include "agent/model/probes.h"
#include "bpf/wire.h"

namespace plimsoll::bpf {

// Adds up what the CPUs have: `words` is theirs, one value after the other.
template <typename Value>
Value sum_of(const std::uint64_t* words, int cpus) {
  static_assert(sizeof(Value) % sizeof(std::uint64_t) == 0);
  constexpr std::size_t kWords = sizeof(Value) / sizeof(std::uint64_t);
  Value sum{};
  auto* out = reinterpret_cast<std::uint64_t*>(&sum);
  for (std::size_t i = 0; i < kWords * static_cast<std::size_t>(cpus); ++i) out[i % kWords] += words[i];
  return sum;
}

// The value of `key`, all CPUs together; nullopt where there is no entry.
template <typename Value, typename Key>
std::optional<Value> read_entry(int map, const Key& key, int cpus) {
  std::vector<std::uint64_t> words(static_cast<std::size_t>(cpus) * sizeof(Value) / sizeof(std::uint64_t));
  if (bpf_map_lookup_elem(map, &key, words.data()) != 0) return std::nullopt;
  return sum_of<Value>(words.data(), cpus);
}

// Likewise; all zero where there is no entry, since nothing was counted.
template <typename Value, typename Key>
Value read_sum(int map, const Key& key, int cpus) {
  return read_entry<Value>(map, key, cpus).value_or(Value{});
}

// All keys of a map; those that come or go meanwhile may be missed.
template <typename Key>
std::vector<Key> keys_of(int map) {
  std::vector<Key> keys;
  Key next{};
  while (bpf_map_get_next_key(map, keys.empty() ? nullptr : &keys.back(), &next) == 0) keys.push_back(next);
  return keys;
}

// All entries of a per-CPU hash, a thousand a system call; those that come or go meanwhile may be missed.
template <typename Key, typename Value>
std::vector<std::pair<Key, Value>> read_all(int map, int cpus) {
  constexpr std::uint32_t kBatch = 1024;
  constexpr std::size_t kWords = sizeof(Value) / sizeof(std::uint64_t);
  const std::size_t width = kWords * static_cast<std::size_t>(cpus);
  std::vector<Key> keys(kBatch);
  std::vector<std::uint64_t> words(kBatch * width);
  std::vector<std::pair<Key, Value>> all;
  std::uint32_t place = 0;  // of the kernel's, in the map
  for (bool first = true, more = map >= 0; more; first = false) {
    std::uint32_t count = kBatch;
    // At the end it gives what is left and fails with ENOENT.
    more = bpf_map_lookup_batch(map, first ? nullptr : &place, &place, keys.data(), words.data(), &count,
                                nullptr) == 0;
    if (!more && errno != ENOENT) break;
    for (std::uint32_t i = 0; i < count; ++i)
      all.emplace_back(keys[i], sum_of<Value>(words.data() + i * width, cpus));
  }
  return all;
}

inline Nanoseconds nanoseconds(std::uint64_t count) { return Nanoseconds(static_cast<std::int64_t>(count)); }

inline model::TimeHistogram histogram(const wire_histogram& wire) {
  static_assert(WIRE_SLOTS == model::TimeHistogram::kSlots);
  model::TimeHistogram out;
  out.sum = nanoseconds(wire.nanoseconds);
  for (std::size_t i = 0; i < WIRE_SLOTS; ++i) out.slots[i] = wire.slots[i];
  return out;
}

}  // namespace plimsoll::bpf
