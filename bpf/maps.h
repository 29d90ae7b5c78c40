// From the wire to the model, and maps that are not counters.
#pragma once

#include <bpf/bpf.h>

#include <cstdint>
#include <vector>

#include "agent/base/units.h"
#include "agent/model/probes.h"
#include "bpf/wire.h"

namespace plimsoll::bpf {

// All keys of a map; those that come or go meanwhile may be missed. A descriptor of -1 has none.
template <typename Key>
std::vector<Key> keys_of(int map) {
  std::vector<Key> keys;
  Key next{};
  while (bpf_map_get_next_key(map, keys.empty() ? nullptr : &keys.back(), &next) == 0) keys.push_back(next);
  return keys;
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
