// The policy files as a JSON Schema (draft 2020-12), for editors: made of the same table as the loader.
#pragma once

#include <string>

namespace plimsoll::policies {

// What one document of a policy file may be. Whatever the loader takes is valid; what is valid may still be
// refused by it, as units, conditions and contradictions are its own to judge. Ends with a newline.
std::string schema_json();

}  // namespace plimsoll::policies
