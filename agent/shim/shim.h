// `plimsoll-runtime shim`: see protocol.h.
#pragma once

#include <string>
#include <vector>

namespace plimsoll::shim {

// The whole life of a shim; gives its exit status.
int shim_main(const std::vector<std::string>& words);

}  // namespace plimsoll::shim
