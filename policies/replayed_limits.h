// The limits that a container would have had in a replay: what was recorded, less what the policies of then
// wrote, with what the replayed ones write. Pure.
#pragma once

#include <map>
#include <string>

#include "agent/model/limits.h"
#include "policies/field.h"

namespace plimsoll::policies {

// The field that a write to a control file is of: "io.max" with "8:0 rbps=1048576" is one of disk 8:0.
std::optional<FieldKey> field_of(std::string_view file, const std::string& text);

class ReplayedLimits {
 public:
  // From what was read then to what the replayed agent would have read.
  void apply(model::Limits& recorded);
  // The agent of then wrote, and found `before` there: from now on the recording shows `after`.
  void wrote_then(const FieldKey& field, const std::string& before, const std::string& after);
  void writes(const FieldKey& field, const std::string& value);

 private:
  struct Field {
    std::string shown;     // by the recording, while nobody but the agent of then writes
    std::string replayed;  // what is read in its place
  };
  std::map<FieldKey, Field> fields_;  // those that either wrote
};

}  // namespace plimsoll::policies
