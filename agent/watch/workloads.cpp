#include "agent/watch/workloads.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/base/json_text.h"

namespace plimsoll::watch {
namespace {

using Json = nlohmann::json;

// Counters of one cgroup never go back; one that does belongs to no reading that can be trusted.
template <typename Number>
Number grown(Number before, Number now) {
  return now > before ? now - before : Number{};
}

constexpr std::uint64_t kFormat = 1;

// Throws for anything but a whole number from 0 on: converting what is larger than 64 bits would be
// undefined.
std::uint64_t count_at(const Json& object, const char* key) {
  return object.at(key).get_ref<const Json::number_unsigned_t&>();
}

// Leaves room to count on.
Microseconds time_at(const Json& object, const char* key) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 62;
  return Microseconds(static_cast<std::int64_t>(std::min(count_at(object, key), kMost)));
}

}  // namespace

Workloads::Counted Workloads::counted_in(const model::Sample& sample, const Counted& before) {
  Counted now = before;  // a file that could not be read this time has counted nothing
  if (sample.memory.events) {
    now.oom_kills = sample.memory.events->oom_kill;
    now.memory_max_hits = sample.memory.events->max;
  }
  if (sample.cpu) {
    now.cpu_usage = sample.cpu->usage;
    now.cpu_throttled = sample.cpu->throttled.value_or(Microseconds{0});
  }
  if (!sample.io.empty()) {
    now.io_read = now.io_written = Bytes{};
    for (const model::IoStat& device : sample.io) {
      now.io_read.value += device.read.value;
      now.io_written.value += device.written.value;
    }
  }
  return now;
}

void Workloads::make_room() {
  while (entries_.size() > most_) {
    std::set<Key> alive;
    for (const auto& [id, living] : living_) alive.insert(living.key);
    auto oldest = entries_.end();
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      if (alive.contains(at->first)) continue;
      if (oldest == entries_.end() || at->second.touched < oldest->second.touched) oldest = at;
    }
    if (oldest == entries_.end()) return;
    entries_.erase(oldest);
  }
}

Workloads::Entry& Workloads::entry_of(const Key& key) {
  Entry& entry = entries_[key];
  entry.totals.name = key.first;
  entry.totals.image = key.second;
  entry.touched = ++turn_;
  return entry;
}

void Workloads::account(const model::ContainerRef& ref, const model::Sample& now) {
  const auto [at, is_new] = living_.try_emplace(ref.id, Living{{ref.name, ref.image}, {}});
  Living& living = at->second;
  model::WorkloadTotals& totals = entry_of(living.key).totals;
  if (is_new) ++totals.starts;
  const Counted counted = counted_in(now, living.counted);
  totals.oom_kills += grown(living.counted.oom_kills, counted.oom_kills);
  totals.memory_max_hits += grown(living.counted.memory_max_hits, counted.memory_max_hits);
  totals.cpu_usage += grown(living.counted.cpu_usage, counted.cpu_usage);
  totals.cpu_throttled += grown(living.counted.cpu_throttled, counted.cpu_throttled);
  totals.io_read.value += grown(living.counted.io_read.value, counted.io_read.value);
  totals.io_written.value += grown(living.counted.io_written.value, counted.io_written.value);
  living.counted = counted;
  if (is_new) make_room();
}

void Workloads::keep_only(const std::set<model::CgroupId>& alive) {
  std::erase_if(living_, [&](const auto& one) { return !alive.contains(one.first); });
}

std::shared_ptr<const std::vector<model::WorkloadTotals>> Workloads::totals() const {
  auto all = std::make_shared<std::vector<model::WorkloadTotals>>();
  all->reserve(entries_.size());
  for (const auto& [key, entry] : entries_) all->push_back(entry.totals);
  return all;
}

std::string Workloads::save(std::string_view boot_id) const {
  Json workloads = Json::array();
  for (const auto& [key, entry] : entries_) {
    const model::WorkloadTotals& totals = entry.totals;
    workloads.push_back({{"name", key.first},
                         {"image", key.second},
                         {"starts", totals.starts},
                         {"oomKills", totals.oom_kills},
                         {"memoryMaxHits", totals.memory_max_hits},
                         {"cpuUsageUsec", totals.cpu_usage.count()},
                         {"cpuThrottledUsec", totals.cpu_throttled.count()},
                         {"ioReadBytes", totals.io_read.value},
                         {"ioWrittenBytes", totals.io_written.value}});
  }
  Json living = Json::array();
  for (const auto& [id, one] : living_) {
    living.push_back({{"cgroup", id.inode},
                      {"name", one.key.first},
                      {"image", one.key.second},
                      {"oomKills", one.counted.oom_kills},
                      {"memoryMaxHits", one.counted.memory_max_hits},
                      {"cpuUsageUsec", one.counted.cpu_usage.count()},
                      {"cpuThrottledUsec", one.counted.cpu_throttled.count()},
                      {"ioReadBytes", one.counted.io_read.value},
                      {"ioWrittenBytes", one.counted.io_written.value}});
  }
  const Json document = {
      {"format", kFormat}, {"bootId", boot_id}, {"workloads", workloads}, {"living", living}};
  // Names come from runtimes' files: bytes that are no UTF-8 must not stop the rest from being saved.
  return json_text(document, 1);
}

Result<> Workloads::restore(std::string_view text, std::string_view boot_id) {
  Workloads read(most_);
  try {
    const Json document = Json::parse(text);
    if (count_at(document, "format") != kFormat) return invalid("restore workloads: another format");
    for (const Json& one : document.at("workloads")) {
      Entry& entry = read.entry_of({one.at("name").get<std::string>(), one.at("image").get<std::string>()});
      entry.totals.starts = count_at(one, "starts");
      entry.totals.oom_kills = count_at(one, "oomKills");
      entry.totals.memory_max_hits = count_at(one, "memoryMaxHits");
      entry.totals.cpu_usage = time_at(one, "cpuUsageUsec");
      entry.totals.cpu_throttled = time_at(one, "cpuThrottledUsec");
      entry.totals.io_read.value = count_at(one, "ioReadBytes");
      entry.totals.io_written.value = count_at(one, "ioWrittenBytes");
    }
    if (document.at("bootId").get<std::string>() == boot_id) {
      for (const Json& one : document.at("living")) {
        Living living{{one.at("name").get<std::string>(), one.at("image").get<std::string>()}, {}};
        living.counted = {count_at(one, "oomKills"),           count_at(one, "memoryMaxHits"),
                          time_at(one, "cpuUsageUsec"),        time_at(one, "cpuThrottledUsec"),
                          Bytes{count_at(one, "ioReadBytes")}, Bytes{count_at(one, "ioWrittenBytes")}};
        read.living_.emplace(model::CgroupId{count_at(one, "cgroup")}, std::move(living));
      }
    }
  } catch (const Json::exception& error) {
    return invalid(std::string("restore workloads: ") + error.what());
  }
  *this = std::move(read);
  return {};
}

}  // namespace plimsoll::watch
