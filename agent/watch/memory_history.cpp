#include "agent/watch/memory_history.h"

#include <algorithm>

namespace plimsoll::watch {
namespace {

constexpr std::uint64_t kUnit = 4096;
constexpr std::uint32_t kUnknown = 0xffffffff;
constexpr std::uint32_t kNoLimit = kUnknown - 1;
constexpr std::uint32_t kMostUnits = kNoLimit - 1;  // 16 TiB

std::uint32_t packed(const std::optional<Bytes>& bytes) {
  if (!bytes) return kUnknown;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes->value / kUnit, kMostUnits));
}
std::uint32_t packed(const std::optional<model::Bound<Bytes>>& limit) {
  if (!limit) return kUnknown;
  return limit->is_max() ? kNoLimit : packed(std::optional(limit->value()));
}

std::optional<Bytes> bytes(std::uint32_t value) {
  if (value == kUnknown) return std::nullopt;
  return Bytes{value * kUnit};
}
std::optional<model::Bound<Bytes>> limit(std::uint32_t value) {
  if (value == kUnknown) return std::nullopt;
  return value == kNoLimit ? model::Bound<Bytes>::max() : model::Bound<Bytes>(Bytes{value * kUnit});
}
std::optional<float> share(float value) {
  if (value < 0) return std::nullopt;
  return value;
}

}  // namespace

MemoryHistory::Moment MemoryHistory::moment_of(const model::Sample& sample) {
  const model::Memory& memory = sample.memory;
  const auto& pressure = sample.pressure.memory;
  std::optional<Bytes> anon, file, shmem;
  if (memory.stat) {
    anon = memory.stat->anon;
    file = memory.stat->file;
    shmem = memory.stat->shmem;
  }
  return {.taken = sample.taken,
          .usage = packed(memory.current),
          .anon = packed(anon),
          .file = packed(file),
          .shmem = packed(shmem),
          .swap = packed(memory.swap_current),
          .working_set = packed(model::working_set(memory)),
          .max = packed(sample.limits.memory_max),
          .high = packed(sample.limits.memory_high),
          .pressure_some = pressure ? static_cast<float>(pressure->some.avg10) : -1,
          .pressure_full = pressure && pressure->full ? static_cast<float>(pressure->full->avg10) : -1};
}

model::MemoryMoment MemoryHistory::told(const Moment& moment) {
  return {.taken = moment.taken,
          .usage = bytes(moment.usage),
          .anon = bytes(moment.anon),
          .file = bytes(moment.file),
          .shmem = bytes(moment.shmem),
          .swap = bytes(moment.swap),
          .working_set = bytes(moment.working_set),
          .max = limit(moment.max),
          .high = limit(moment.high),
          .pressure_some = share(moment.pressure_some),
          .pressure_full = share(moment.pressure_full)};
}

void MemoryHistory::note(const model::Snapshot& snapshot) {
  for (const model::ContainerSample& one : snapshot.containers) {
    Ring& ring = rings_[one.ref->id];
    // What an event made the watcher read is there already.
    if (ring.noted != 0 && ring.back(0).taken == one.sample.taken) continue;
    ring.moments[ring.noted++ % kTicks] = moment_of(one.sample);
  }
  std::erase_if(rings_, [&](const auto& one) { return snapshot.boot - one.second.back(0).taken > kSpan; });
}

std::vector<model::MemoryMoment> MemoryHistory::before(model::CgroupId id, BootTime end) const {
  std::vector<model::MemoryMoment> moments;
  const auto found = rings_.find(id);
  if (found == rings_.end()) return moments;
  const Ring& ring = found->second;
  for (std::uint64_t ago = std::min<std::uint64_t>(ring.noted, kTicks); ago-- > 0;) {
    const Moment& moment = ring.back(ago);
    if (moment.taken <= end && end - moment.taken <= kSpan) moments.push_back(told(moment));
  }
  return moments;
}

}  // namespace plimsoll::watch
