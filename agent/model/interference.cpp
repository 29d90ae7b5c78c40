#include "agent/model/interference.h"

#include <map>
#include <unordered_map>

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
  std::unordered_map<CgroupId, std::string_view> names;
  for (const ContainerSample& one : snapshot.containers) names[one.ref->id] = one.ref->name;
  std::map<std::pair<std::string_view, std::string_view>, Nanoseconds> cells;
  for (const Interference& cell : *snapshot.interference) {
    const auto victim = names.find(cell.victim);
    if (victim == names.end()) continue;
    const bool by_container = cell.by == Interference::By::kContainer;
    const auto aggressor = by_container ? names.find(cell.aggressor) : names.end();
    if (by_container && aggressor == names.end()) continue;
    cells[{victim->second, by_container ? aggressor->second : by_nobody(cell.by)}] += cell.waited;
  }
  std::vector<NamedInterference> out;
  for (const auto& [pair, waited] : cells)
    out.push_back({std::string(pair.first), std::string(pair.second), waited});
  return out;
}

}  // namespace plimsoll::model
