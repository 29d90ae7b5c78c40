// Durations in Docker's words: "3 minutes", "About an hour".
#pragma once

#include <string>

#include "agent/base/units.h"

namespace plimsoll::container {

std::string duration_words(Nanoseconds duration);

}  // namespace plimsoll::container
