// The counters of one BPF object: its per-CPU maps, whose values are made of 64-bit counters only; and its
// sets, hashes of which the keys alone are of interest. They are read one at a time, as they are now; or,
// while a scan lasts, as all were when it began. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/map_scan.h"

namespace plimsoll::bpf {

class Counters {
 public:
  struct Map {
    std::string name;
    int fd = -1;  // stays another's
    std::uint32_t key_bytes = 0, value_bytes = 0;
    // Keyed by containers, an array with a slot for each, or a set: a scan takes it. Others have few entries.
    bool by_container = false, by_slot = false, set = false;
  };
  Counters() = default;
  Counters(const std::vector<Map>& maps, int cpus);

  // All CPUs together; all zero where there is no entry, since nothing was counted. Nullopt: it cannot be
  // read.
  template <typename Value, typename Key>
  std::optional<Value> read(std::string_view map, const Key& key) const {
    static_assert(sizeof(Value) % sizeof(std::uint64_t) == 0);
    Value sum{};
    if (!read(map, &key, sizeof key,
              {reinterpret_cast<std::uint64_t*>(&sum), sizeof sum / sizeof(std::uint64_t)}))
      return std::nullopt;
    return sum;
  }

  // All entries of a map by container, in the order of their keys; nothing where it cannot be read.
  void each(std::string_view map, const MapScan::Visit& visit);

  // Of a set whose keys are words.
  std::vector<std::uint64_t> keys(std::string_view set) const;

  // All of them at once, of arrays the first `slots`. What cannot be scanned is read one by one as before.
  void scan(std::uint32_t slots);
  void end_scan();

  // A new container, which gets this slot: what is left there of another one is taken out. The entries that
  // have it for a key are begun, where they are not: the kernel need not find memory for them when it is
  // busy.
  void begin(std::uint64_t container, std::uint32_t slot);
  // Takes out the entries that have this container for a key. Where it is a part of the key, they stay: a map
  // would have to be walked, a system call an entry, for each container that ends.
  void forget(std::uint64_t container);

 private:
  struct Known {
    Map map;
    MapScan scan;
    bool scanned = false;
    std::vector<std::uint64_t> keys;  // of a set
  };
  const Known* find(std::string_view name) const;
  bool read(std::string_view map, const void* key, std::size_t key_bytes, std::span<std::uint64_t> sum) const;

  std::vector<Known> maps_;
  int cpus_ = 0;
  mutable std::vector<std::uint64_t> room_;  // for what the kernel answers
};

}  // namespace plimsoll::bpf
