#include "bpf/counters.h"

#include <bpf/bpf.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "bpf/maps.h"

namespace plimsoll::bpf {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);

constexpr int kTries = 100;

std::size_t words_of(std::uint32_t bytes) { return (bytes + kWord - 1) / kWord; }

}  // namespace

Counters::Counters(const std::vector<Map>& maps, int cpus) : cpus_(cpus) {
  for (const Map& map : maps)
    maps_.push_back(
        {map, MapScan({map.fd, words_of(map.key_bytes), words_of(map.value_bytes), map.by_slot}), false, {}});
}

const Counters::Known* Counters::find(std::string_view name) const {
  const auto found =
      std::ranges::find(maps_, name, [](const Known& one) { return std::string_view(one.map.name); });
  return found == maps_.end() ? nullptr : &*found;
}

bool Counters::read(std::string_view map, const void* key, std::size_t key_bytes,
                    std::span<std::uint64_t> sum) const {
  const Known* known = find(map);
  if (known == nullptr || known->map.key_bytes != key_bytes || words_of(known->map.value_bytes) != sum.size())
    return false;
  if (known->scanned) {
    std::array<std::uint64_t, 2> words{};
    std::memcpy(words.data(), key, key_bytes);
    const auto value = known->scan.find({words.data(), words_of(known->map.key_bytes)});
    std::ranges::copy(value, sum.begin());
    return true;
  }
  room_.resize(sum.size() * static_cast<std::size_t>(cpus_));
  if (bpf_map_lookup_elem(known->map.fd, key, room_.data()) != 0) return errno == ENOENT;
  for (std::size_t i = 0; i < room_.size(); ++i) sum[i % sum.size()] += room_[i];
  return true;
}

void Counters::each(std::string_view map, const MapScan::Visit& visit) {
  const Known* known = find(map);
  if (known == nullptr) return;
  if (known->scanned) return known->scan.each(visit);
  MapScan now = known->scan;
  if (now.take(cpus_, 0, room_)) now.each(visit);
}

std::vector<std::uint64_t> Counters::keys(std::string_view set) const {
  const Known* known = find(set);
  if (known == nullptr || !known->map.set) return {};
  return known->scanned ? known->keys : keys_of<std::uint64_t>(known->map.fd);
}

void Counters::scan(std::uint32_t slots) {
  for (Known& one : maps_) {
    if (one.map.set) {
      one.keys = keys_of<std::uint64_t>(one.map.fd);
      one.scanned = true;
    } else if (one.map.by_container || one.map.by_slot) {
      one.scanned = one.scan.take(cpus_, slots, room_).has_value();
    }
  }
}

void Counters::end_scan() {
  for (Known& one : maps_) one.scanned = false;
}

void Counters::begin(std::uint64_t container, std::uint32_t slot) {
  const std::uint64_t slot_word = slot;
  for (Known& one : maps_) {
    room_.assign(words_of(one.map.value_bytes) * static_cast<std::size_t>(cpus_), 0);
    if (one.map.by_slot) {
      bpf_map_update_elem(one.map.fd, &slot, room_.data(), BPF_ANY);
      one.scan.erase({&slot_word, 1});
    } else if (one.map.by_container && one.map.key_bytes == sizeof container) {
      // The kernel keeps a few in store and fetches more in the background.
      for (int tries = 0; tries < kTries; ++tries) {
        if (bpf_map_update_elem(one.map.fd, &container, room_.data(), BPF_NOEXIST) == 0 || errno != ENOMEM)
          break;
        ::sched_yield();
      }
    }
  }
}

void Counters::forget(std::uint64_t container) {
  for (const Known& one : maps_) {
    if (one.map.by_container && one.map.key_bytes == sizeof container)
      bpf_map_delete_elem(one.map.fd, &container);
  }
}

}  // namespace plimsoll::bpf
