#include "policies/replayed_limits.h"

namespace plimsoll::policies {

std::optional<FieldKey> field_of(std::string_view file, const std::string& text) {
  const auto all = fields();
  for (FieldId id = 0; id < all.size(); ++id) {
    if (all[id].file != file) continue;
    if (!all[id].per_device) return FieldKey(id);
    const std::size_t space = text.find(' ');
    if (space == std::string::npos) return std::nullopt;
    if (all[id].key.empty() || text.substr(space + 1).starts_with(std::string(all[id].key) + "="))
      return FieldKey(id, text.substr(0, space));
  }
  return std::nullopt;
}

void ReplayedLimits::apply(model::Limits& recorded) {
  for (auto& [key, field] : fields_) {
    const auto now = field_now(key, recorded);
    if (!now) continue;
    // Somebody else wrote: the replayed agent would have seen it too, and held against it or not.
    if (*now != field.shown)
      field = {*now, *now};
    else
      put_field(key, field.replayed, recorded);
  }
}

void ReplayedLimits::wrote_then(const FieldKey& field, const std::string& before, const std::string& after) {
  fields_.try_emplace(field, Field{before, before}).first->second.shown = after;
}

void ReplayedLimits::writes(const FieldKey& field, const std::string& value) {
  fields_.try_emplace(field, Field{value, value}).first->second.replayed = value;
}

}  // namespace plimsoll::policies
