// The matrix of who waited for whom, by the names that people know. Pure.
#pragma once

#include <string>
#include <vector>

#include "agent/model/sample.h"

namespace plimsoll::model {

struct NamedInterference {
  std::string victim;     // a living container's name
  std::string aggressor;  // likewise; or "(host)", "(idle)", "(quota)", "(unknown)": see Interference::By
  Nanoseconds waited{0};
};

// By victim, then aggressor. What containers of one name did is added up. Cells of who is gone are left out:
// the kernel's are taken out by the next tick, and what they held since the beginning would be told of
// somebody else until then.
std::vector<NamedInterference> named_interference(const Snapshot& snapshot);

}  // namespace plimsoll::model
