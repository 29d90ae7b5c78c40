#include "agent/model/interference.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace plimsoll::model {
namespace {

std::string_view by_nobody(Interference::By by) {
  switch (by) {
    case Interference::By::kHost:
      return "(host)";
    case Interference::By::kIdle:
      return "(idle)";
    case Interference::By::kQuota:
      return "(quota)";
    case Interference::By::kContainer:
    case Interference::By::kUnknown:
      break;
  }
  return "(unknown)";
}

}  // namespace

std::vector<NamedInterference> named_interference(const Snapshot& snapshot) {
  if (!snapshot.interference) return {};
  std::unordered_map<CgroupId, const ContainerRef*> alive, known;
  for (const EndedContainer& one : snapshot.ended) known[one.ref->id] = one.ref.get();
  for (const ContainerSample& one : snapshot.containers) alive[one.ref->id] = one.ref.get();
  known.insert(alive.begin(), alive.end());
  std::vector<NamedInterference> out;
  for (const Interference& cell : *snapshot.interference) {
    const auto victim = alive.find(cell.victim);
    if (victim == alive.end()) continue;
    NamedInterference named{.victim = victim->second->name, .victim_id = victim->second->container_id};
    if (cell.by == Interference::By::kContainer) {
      const auto aggressor = known.find(cell.aggressor);
      if (aggressor == known.end()) continue;
      named.aggressor = aggressor->second->name;
      named.aggressor_id = aggressor->second->container_id;
    } else {
      named.aggressor = by_nobody(cell.by);
    }
    named.waited = cell.waited;
    out.push_back(std::move(named));
  }
  std::ranges::sort(out, {}, [](const NamedInterference& one) {
    return std::tie(one.victim, one.victim_id, one.aggressor, one.aggressor_id);
  });
  return out;
}

}  // namespace plimsoll::model
