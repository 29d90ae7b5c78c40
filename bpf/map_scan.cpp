#include "bpf/map_scan.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace plimsoll::bpf {
namespace {

constexpr std::size_t kRoom = 1U << 17;    // words of an answer, as long as a batch may be that small
constexpr std::uint32_t kLeastBatch = 64;  // entries: the kernel gives whole buckets only
constexpr std::uint32_t kMostBatch = 1U << 14;

}  // namespace

Result<> MapScan::take(int cpus, std::uint32_t most, std::vector<std::uint64_t>& room) {
  clear();
  const std::size_t width = shape_.value_words * static_cast<std::size_t>(cpus);
  auto batch = static_cast<std::uint32_t>(std::clamp<std::size_t>(kRoom / width, kLeastBatch, kMostBatch));
  std::uint32_t place = 0;  // the kernel's, in the map
  for (bool first = true; !shape_.array || entries_.size() < most;) {
    std::uint32_t count = batch;
    if (shape_.array) count = std::min(batch, most - static_cast<std::uint32_t>(entries_.size()));
    room.resize(batch * (width + shape_.key_words));
    const std::uint64_t* keys = room.data() + batch * width;
    const int code = bpf_map_lookup_batch(shape_.map, first ? nullptr : &place, &place,
                                          room.data() + batch * width, room.data(), &count, nullptr);
    const int number = code == 0 ? 0 : errno;
    if (number == ENOSPC && batch < kMostBatch) {  // there are more in one bucket
      batch *= 2;
      continue;
    }
    // At the end it gives what is left and fails with ENOENT.
    if (number != 0 && number != ENOENT) {
      clear();
      return fail_errno("read a BPF map", number);
    }
    for (std::uint32_t i = 0; i < count; ++i) add(keys, i, room.data() + i * width, cpus);
    if (number == ENOENT) break;
    first = false;
  }
  std::ranges::sort(entries_, {}, &Entry::key);
  return {};
}

void MapScan::add(const std::uint64_t* keys, std::uint32_t index, const std::uint64_t* of_cpus, int cpus) {
  Entry entry{.key = {}, .at = values_.size()};
  if (shape_.array) {
    std::uint32_t key = 0;
    std::memcpy(&key, reinterpret_cast<const char*>(keys) + index * sizeof key, sizeof key);
    entry.key[0] = key;
  } else {
    std::copy_n(keys + index * shape_.key_words, shape_.key_words, entry.key.begin());
  }
  entries_.push_back(entry);
  values_.resize(values_.size() + shape_.value_words);
  std::uint64_t* sum = values_.data() + entry.at;
  for (int cpu = 0; cpu < cpus; ++cpu) {
    for (std::size_t i = 0; i < shape_.value_words; ++i) sum[i] += *of_cpus++;
  }
}

std::span<const std::uint64_t> MapScan::find(std::span<const std::uint64_t> key) const {
  const Key wanted = key_of(key);
  const auto found = std::ranges::lower_bound(entries_, wanted, {}, &Entry::key);
  if (found == entries_.end() || found->key != wanted) return {};
  return {values_.data() + found->at, shape_.value_words};
}

void MapScan::erase(std::span<const std::uint64_t> key) {
  const auto value = find(key);
  if (!value.empty()) std::fill_n(values_.begin() + (value.data() - values_.data()), value.size(), 0);
}

void MapScan::each(const Visit& visit) const {
  for (const Entry& entry : entries_)
    visit({entry.key.data(), shape_.key_words}, {values_.data() + entry.at, shape_.value_words});
}

MapScan::Key MapScan::key_of(std::span<const std::uint64_t> words) {
  Key key{};
  std::ranges::copy(words, key.begin());
  return key;
}

}  // namespace plimsoll::bpf
