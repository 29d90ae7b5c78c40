// Totals by name and image that go on when a container of that name ends and the next begins. Counters of a
// cgroup start at 0 with it, so each reading adds what was counted since the last one of the same cgroup.
// Single-threaded.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "agent/model/container_ref.h"
#include "agent/model/workload.h"

namespace plimsoll::watch {

class Workloads {
 public:
  // Beyond `most` workloads the one that was counted longest ago, and has no living container, gives way.
  explicit Workloads(std::size_t most = 4096) : most_(most) {}

  void account(const model::ContainerRef& ref, const model::Sample& now);
  void ended(model::CgroupId id) { living_.erase(id); }
  // After restore(): forgets what was counted of cgroups that ended meanwhile.
  void keep_only(const std::set<model::CgroupId>& alive);

  std::shared_ptr<const std::vector<model::WorkloadTotals>> totals() const;  // by name, then image

  // JSON for the agent's state folder. What the living had counted is in it, so that after a restart only
  // what happened since is added; `boot_id` tells whether inodes still mean the same.
  std::string save(std::string_view boot_id) const;
  // Replaces all. kInvalid: not what save() wrote; nothing is changed then.
  Result<> restore(std::string_view text, std::string_view boot_id);

 private:
  using Key = std::pair<std::string, std::string>;
  struct Counted {
    model::Count oom_kills = 0, memory_max_hits = 0;
    Microseconds cpu_usage{0}, cpu_throttled{0};
    Bytes io_read, io_written;
  };
  struct Entry {
    model::WorkloadTotals totals;
    std::uint64_t touched = 0;
  };
  struct Living {
    Key key;
    Counted counted;
  };

  static Counted counted_in(const model::Sample& sample, const Counted& before);
  Entry& entry_of(const Key& key);
  void make_room();

  std::size_t most_;
  std::uint64_t turn_ = 0;
  std::map<Key, Entry> entries_;
  std::unordered_map<model::CgroupId, Living> living_;
};

}  // namespace plimsoll::watch
