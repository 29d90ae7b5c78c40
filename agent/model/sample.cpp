#include "agent/model/sample.h"

namespace plimsoll::model {

std::optional<Bytes> working_set(const Memory& memory) {
  if (!memory.current || !memory.stat) return std::nullopt;
  const std::uint64_t inactive = memory.stat->inactive_file.value;
  return Bytes{memory.current->value > inactive ? memory.current->value - inactive : 0};
}

}  // namespace plimsoll::model
