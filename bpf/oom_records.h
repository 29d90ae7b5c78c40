// The records of the probe `oom`, put together again: victims are told one by one, the rest after the last of
// them. Pure: bytes in, values out. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "agent/model/oom.h"
#include "bpf/wire.h"

namespace plimsoll::bpf {

class OomRecords {
 public:
  explicit OomRecords(std::uint64_t page_size) : page_size_(page_size) {}

  // A wire_oom_victim; nullopt: the record is none.
  std::optional<model::OomVictim> victim(std::span<const std::byte> record);
  // A wire_oom, with the victims that were told of it; nullopt: the record is none, and they are forgotten.
  std::optional<model::OomKill> end(std::span<const std::byte> record);

 private:
  Bytes pages(std::uint64_t count) const { return {count * page_size_}; }
  model::Bound<Bytes> limit(std::uint64_t pages) const;
  std::optional<model::OomProcess> process(const wire_process& wire) const;

  std::uint64_t page_size_;
  std::uint64_t open_ = 0;  // the kill whose victims these are
  std::uint32_t told_ = 0;  // kills of it
  std::vector<model::OomVictim> victims_;
};

}  // namespace plimsoll::bpf
