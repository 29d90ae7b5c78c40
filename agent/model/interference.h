// The matrix of who waited for whom, by the names that people know. Pure.
#pragma once

#include <string>
#include <vector>

#include "agent/model/sample.h"

namespace plimsoll::model {

struct NamedInterference {
  std::string victim;     // a living container's name
  std::string aggressor;  // likewise, or of one that ended; or "(host)", "(idle)", "(quota)", "(unknown)"
  std::string victim_id, aggressor_id;  // their runtimes' ids, since several may have one name; empty: none
  Nanoseconds waited{0};
};

// By victim, then aggressor; one cell for each pair of containers, so that none ever falls: what several of
// one name did would, when one of them ends. Cells of victims that are gone are left out, as are those of
// aggressors that Snapshot::ended no longer has.
std::vector<NamedInterference> named_interference(const Snapshot& snapshot);

}  // namespace plimsoll::model
