#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "bpf/maps.h"
#include "bpf/oom_records.h"
#include "bpf/readings.h"

namespace plimsoll::bpf {
namespace {

// Of one kill that are kept: a group can be as large as pids.max lets it.
constexpr std::size_t kMostVictims = 1000;

template <typename Record>
std::optional<Record> record_of(std::span<const std::byte> bytes, std::uint32_t kind) {
  Record record;
  if (bytes.size() < sizeof record) return std::nullopt;
  std::memcpy(&record, bytes.data(), sizeof record);
  if (record.event.kind != kind) return std::nullopt;
  return record;
}

// Nullopt: it does not end. Processes name themselves: a control character would forge a line of the log, or
// speak to the terminal of whoever reads of it.
template <std::size_t Size>
std::optional<std::string> text_of(const char (&text)[Size]) {
  const auto* end = static_cast<const char*>(std::memchr(text, '\0', Size));
  if (end == nullptr) return std::nullopt;
  std::string out(text, end);
  std::ranges::replace_if(out, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, '?');
  return out;
}

bool fits_a_pid(std::uint32_t pid) { return pid <= std::uint32_t{std::numeric_limits<int>::max()}; }

}  // namespace

void read_oom(const Object& object, const Place& place, model::ProbeReadings& out) {
  const auto counts = object.counters().read<wire_oom_kills>("oom", place.id.inode);
  if (!counts) return;
  out.oom = model::OomKills{.memcg = counts->memcg, .global = counts->global};
}

model::Bound<Bytes> OomRecords::limit(std::uint64_t pages) const {
  // PAGE_COUNTER_MAX: what stands there where a file says "max".
  if (pages >= std::uint64_t{std::numeric_limits<std::int64_t>::max()} / page_size_)
    return model::Bound<Bytes>::max();
  return model::Bound<Bytes>(Bytes{pages * page_size_});
}

std::optional<model::OomProcess> OomRecords::process(const wire_process& wire) const {
  auto comm = text_of(wire.comm);
  if (!comm || !fits_a_pid(wire.pid) || !fits_a_pid(wire.tid)) return std::nullopt;
  return model::OomProcess{.pid = static_cast<int>(wire.pid),
                           .tid = static_cast<int>(wire.tid),
                           .uid = wire.uid,
                           .score_adj = wire.score_adj,
                           .comm = *std::move(comm),
                           .container = {wire.container},
                           .cgroup = {wire.cgroup},
                           .virtual_size = pages(wire.total_vm),
                           .anon = pages(wire.anon),
                           .file = pages(wire.file),
                           .shmem = pages(wire.shmem),
                           .swap = pages(wire.swap),
                           .page_tables = {wire.page_tables}};
}

std::optional<model::OomVictim> OomRecords::victim(std::span<const std::byte> record) {
  const auto wire = record_of<wire_oom_victim>(record, WIRE_EVENT_OOM_VICTIM);
  if (!wire) return std::nullopt;
  auto one = process(wire->process);
  auto path = text_of(wire->path);
  if (!one || one->pid == 0 || !path) return std::nullopt;
  model::OomVictim victim{*std::move(one), *std::move(path)};
  if (std::exchange(open_, wire->oom) != wire->oom) {  // the end of an earlier one was lost
    victims_.clear();
    told_ = 0;
  }
  ++told_;
  // The one that was chosen is killed, and counted, a second time with the rest of its group.
  const bool again = std::ranges::any_of(
      victims_, [&](const model::OomVictim& known) { return known.process.pid == victim.process.pid; });
  if (!again && victims_.size() < kMostVictims) victims_.push_back(victim);
  return victim;
}

std::optional<model::OomKill> OomRecords::end(std::span<const std::byte> record) {
  std::vector<model::OomVictim> victims = std::exchange(victims_, {});
  const std::uint32_t told = std::exchange(told_, 0);
  const std::uint64_t open = std::exchange(open_, 0);
  const auto wire = record_of<wire_oom>(record, WIRE_EVENT_OOM);
  if (!wire || wire->constraint >= WIRE_OOM_CONSTRAINTS || wire->ranked > WIRE_TOP || wire->victims == 0)
    return std::nullopt;
  auto asker = process(wire->asker);
  auto path = text_of(wire->path), asker_path = text_of(wire->asker_path);
  if (!asker || !path || !asker_path) return std::nullopt;
  model::OomKill kill{.began = {nanoseconds(wire->began)},
                      .killed = {nanoseconds(wire->killed_at)},
                      .constraint = static_cast<model::OomConstraint>(wire->constraint),
                      .cgroup = {wire->memcg},
                      .path = *std::move(path),
                      .container = {wire->event.container},
                      .usage = pages(wire->usage),
                      .swap = pages(wire->swap_usage),
                      .max = limit(wire->max),
                      .high = limit(wire->high),
                      .swap_max = limit(wire->swap_max),
                      .total = pages(wire->total),
                      .asker = *std::move(asker),
                      .asker_path = *std::move(asker_path),
                      .gfp = wire->gfp,
                      .order = wire->order,
                      .kills = wire->victims,
                      .untold = wire->victims,
                      .considered = wire->considered};
  if (open == wire->began) {
    kill.victims = std::move(victims);
    kill.untold -= std::min(told, wire->victims);
  }
  for (std::uint32_t i = 0; i < wire->ranked; ++i) {
    auto one = process(wire->top[i]);
    if (!one) return std::nullopt;
    kill.top.push_back(*std::move(one));
  }
  const auto rank = [](const model::OomProcess& one) {
    return std::pair(one.resident().value + one.swap.value, one.pid);
  };
  std::ranges::sort(kill.top, std::greater{}, rank);
  return kill;
}

}  // namespace plimsoll::bpf
