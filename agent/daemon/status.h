// What the agent's own API tells of containers and policies, as JSON. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>

#include "agent/daemon/board.h"

namespace plimsoll::daemon {

// The agent's own part of the picture.
struct OwnCost {
  double cpu_percent = 0;  // of one core, since it started
  Bytes memory;
  double sample_seconds = 0;
  std::uint64_t decisions = 0;  // ever
};

// "leaky/squeeze set memory.high max -> 127504384: done".
std::string sentence(const model::DecisionRecord& record);

// {"host": {cpu_usage, cpu_cores, memory_available, memory_total, {cpu,memory,io}_pressure}, "agent": {...},
// "containers": [{id, cgroup, name, image, runtime, cpu_usage, cpu_limit, throttled_percent, memory_usage,
// memory_working_set, memory_limit, {cpu,memory,io}_pressure, oom_kills, restarts, last_decision}]}.
// Cores, bytes, percent of the last 10 s; what is not known, or not limited, is null.
nlohmann::json containers_json(const View& view, const OwnCost& own);

// [{victim, aggressor, seconds}]: how long tasks of one waited for a CPU that the other had, since both were
// first seen.
nlohmann::json interference_json(const View& view);

// [{container: {id, name, image, cgroup, runtime, namespace, pod, kube_container, compose_service}, resource
// ("memory" | "cpu"), policy, mode, seek, audit, limit, used, target, lower, upper, saves, confidence (0..1),
// observed_seconds}], bytes or cores; a limit that is not there, and what it would save, are null. `only`: of
// this container; null: all.
nlohmann::json recommendations_json(const View& view, const model::ContainerRef* only);

// [{name, kind, where, sent, retried, failed, suppressed, dropped, pending, last_error, last_sent,
// last_failed}]: how notifications fare, since the agent began; moments that never were are null.
nlohmann::json targets_json(std::span<const model::TargetState> targets);

// The living container that `name` means: its name, id or id's unique prefix of 4 or more, or cgroup path.
// Null: none, or several.
const model::ContainerSample* find_container(const model::Snapshot& snapshot, std::string_view name);

}  // namespace plimsoll::daemon
