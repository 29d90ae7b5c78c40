// Which BPF probes a rule reads signals of and does not have. Pure.
#pragma once

#include "agent/model/sample.h"
#include "policies/explanation.h"

namespace plimsoll::policies {

// Adds those of one rule to what is told, as of the snapshot; null: nothing is known of the probes.
void add_missing_probes(const Rule& rule, const model::Snapshot* snapshot, std::vector<MissingProbe>& told);

}  // namespace plimsoll::policies
