// What a per-CPU map held at one moment: all of its entries in some system calls, where each for itself would
// take one. Keys and values are 64-bit words; the values of the CPUs are summed. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "agent/base/result.h"

namespace plimsoll::bpf {

class MapScan {
 public:
  struct Shape {
    int map;                // its descriptor, which stays another's
    std::size_t key_words;  // 1 or 2
    std::size_t value_words;
    bool array;  // the kernel's keys are 32-bit indices; here they are a word
  };
  using Visit = std::function<void(std::span<const std::uint64_t> key, std::span<const std::uint64_t> value)>;

  explicit MapScan(const Shape& shape) : shape_(shape) {}

  // Reads it anew. Entries that come or go meanwhile may be missed. Of an array only the first `most` are
  // read. `room` is for the kernel's answers; scans in turn may use the same. Errors: the kernel's; then
  // there are no entries.
  Result<> take(int cpus, std::uint32_t most, std::vector<std::uint64_t>& room);
  void clear() { entries_.clear(), values_.clear(); }

  std::span<const std::uint64_t> find(std::span<const std::uint64_t> key) const;  // empty: no such entry
  void erase(std::span<const std::uint64_t> key);  // its value is 0 from now on
  void each(const Visit& visit) const;             // in the order of the keys

 private:
  using Key = std::array<std::uint64_t, 2>;
  struct Entry {
    Key key{};
    std::size_t at = 0;  // where its value begins
  };
  static Key key_of(std::span<const std::uint64_t> words);
  void add(const std::uint64_t* keys, std::uint32_t index, const std::uint64_t* of_cpus, int cpus);

  Shape shape_;
  std::vector<Entry> entries_;  // by key
  std::vector<std::uint64_t> values_;
};

}  // namespace plimsoll::bpf
