// From what the kernel told of an OOM kill to what is kept of it. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "agent/model/oom.h"
#include "agent/model/sample.h"
#include "agent/watch/memory_history.h"

namespace plimsoll::daemon {

// Names the containers that are spoken of, by what `now` knows of the living and of the ended, and adds what
// the memory of the first victim's was before. The id stays 0.
model::PostMortem post_mortem(model::OomKill kill, const model::Snapshot& now,
                              const watch::MemoryHistory& history);

// {id, when, constraint, kills, untold, container: {id, name, image, pod, namespace, cgroup} or null,
//  ran_out: {cgroup, cgroup_id, container, container_id, usage_bytes, max_bytes, high_bytes, swap_bytes,
//            swap_max_bytes, total_bytes},
//  asked_by: PROCESS + {cgroup, order, gfp}, victims: [PROCESS + {cgroup}],
//  processes: {looked_seconds_before, considered, top: [PROCESS]},
//  before: [{seconds_before, {usage,anon,file,shmem,swap,working_set,max,high}_bytes, pressure_some_10s,
//            pressure_full_10s}]}
// PROCESS: {pid, tid, uid, comm, container, container_id,
//           {resident,anon,file,shmem,swap,page_tables,virtual}_bytes, oom_score_adj}.
// Null: not known, not there, or no limit; pressures are percent. `file` has `shmem` in it in `before`, as in
// memory.stat, and not in PROCESS.
nlohmann::json post_mortem_json(const model::PostMortem& one);

// For the log: "OOM kill: java (pid 4242) of web-1, 251.3MiB; memory.max of /a/b ran out".
std::string summary_line(const model::PostMortem& one);

// The same without `processes` and `before`, for lists.
nlohmann::json post_mortem_summary(nlohmann::json whole);

// Whether it is of that container: its name, or its id's beginning; of a victim or of what ran out.
bool concerns(const nlohmann::json& whole, std::string_view container);

}  // namespace plimsoll::daemon
