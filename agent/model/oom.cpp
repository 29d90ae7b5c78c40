#include "agent/model/oom.h"

namespace plimsoll::model {

std::string_view to_string(OomConstraint constraint) {
  return constraint == OomConstraint::kMemcg ? "memcg" : "global";
}

}  // namespace plimsoll::model
