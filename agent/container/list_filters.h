// Docker's filters of GET /containers/json. Values without I/O.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/container/state.h"

namespace plimsoll::container {

// When a container that a `before` or `since` filter names was made.
using CreatedOf = std::function<Result<WallTime>(const std::string& name)>;

// Whether a container has what all filters want: id, name (a regular expression), label, status, exited,
// ancestor, before, since, network, volume. Of one filter any value is enough, but all labels must match, as
// in Docker. kInvalid for any other filter and for values that mean nothing.
Result<bool> matches(const State& state, const std::map<std::string, std::vector<std::string>>& filters,
                     const CreatedOf& created_of);

// Docker's word for the network that a container has.
std::string network_of(const Config& config);

}  // namespace plimsoll::container
