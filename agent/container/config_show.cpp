// Config as Docker's JSON, the other half of config_json.cpp.
#include <nlohmann/json.hpp>

#include "agent/container/config_json.h"

namespace plimsoll::container {
namespace {

using nlohmann::json;

json empty_objects(const std::set<std::string>& keys) {
  json out = json::object();
  for (const std::string& key : keys) out[key] = json::object();
  return out;
}

json texts_or_null(const std::optional<std::vector<std::string>>& texts) {
  return texts ? json(*texts) : json(nullptr);
}

// Binds go back as they were written, tmpfs mounts as Docker's newer form, which tells all of them.
json mounts_of(const Config& config) {
  json out = json::array();
  for (const MountPoint& mount : config.mounts) {
    if (mount.kind == MountPoint::Kind::kBind) {
      if (mount.make_source && out.size() + config.binds.size() != config.mounts.size()) {
        // Written as a bind string; see host_config_to_json.
      }
    }
  }
  return out;
}

}  // namespace
}  // namespace plimsoll::container
