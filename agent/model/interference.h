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

// By victim, then aggressor. What containers of one name did is added up; an aggressor that is gone is
// "(unknown)".
std::vector<NamedInterference> named_interference(const Snapshot& snapshot);

}  // namespace plimsoll::model
