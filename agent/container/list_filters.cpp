#include "agent/container/list_filters.h"

#include <regex.h>

#include <algorithm>
#include <array>

namespace plimsoll::container {
namespace {

bool label_matches(const std::map<std::string, std::string>& labels, const std::string& wanted) {
  const auto equals = wanted.find('=');
  const auto found = labels.find(wanted.substr(0, equals));
  return found != labels.end() && (equals == std::string::npos || found->second == wanted.substr(equals + 1));
}

// With and without the slash that Docker's names begin with.
Result<bool> name_matches(const std::string& name, const std::string& pattern) {
  constexpr std::size_t kMostPattern = 256;  // names are short; the compiler of patterns recurses
  regex_t compiled{};
  if (pattern.size() > kMostPattern || ::regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB) != 0)
    return invalid("invalid filter 'name=" + pattern.substr(0, kMostPattern) + "': not a regular expression");
  const bool found = ::regexec(&compiled, name.c_str(), 0, nullptr, 0) == 0 ||
                     ::regexec(&compiled, ("/" + name).c_str(), 0, nullptr, 0) == 0;
  ::regfree(&compiled);
  return found;
}

Result<bool> status_matches(Status status, const std::string& value) {
  constexpr std::array<std::string_view, 7> kKnown = {"created", "running",  "restarting", "exited",
                                                      "paused",  "removing", "dead"};
  if (std::ranges::find(kKnown, value) == kKnown.end())
    return invalid("invalid filter 'status=" + value + "'");
  return to_string(status) == value;
}

bool ancestor_matches(const State& state, const std::string& value) {
  const std::string& image = state.config.image;
  return image == value || image == value + ":latest" || image + ":latest" == value ||
         (value.size() >= 4 && state.image_id.starts_with(value)) || "sha256:" + state.image_id == value;
}

Result<bool> one_matches(const State& state, const std::string& filter, const std::string& value,
                         const CreatedOf& created_of) {
  if (filter == "id") return state.id.starts_with(value);
  if (filter == "name") return name_matches(state.config.name, value);
  if (filter == "label") return label_matches(state.config.labels, value);
  if (filter == "status") return status_matches(state.status, value);
  if (filter == "exited") return state.status == Status::kExited && std::to_string(state.exit_code) == value;
  if (filter == "ancestor") return ancestor_matches(state, value);
  if (filter == "network") return network_of(state.config) == value;
  if (filter == "volume") {
    return std::ranges::any_of(state.config.mounts, [&](const MountPoint& mount) {
      return mount.source == value || mount.target == value;
    });
  }
  if (filter == "before" || filter == "since") {
    PLIMSOLL_ASSIGN(const WallTime other, created_of(value));
    return filter == "before" ? state.created < other : state.created > other;
  }
  return invalid("invalid filter '" + filter + "'");
}

}  // namespace

std::string network_of(const Config& config) { return config.network_mode == "host" ? "host" : "none"; }

Result<bool> matches(const State& state, const std::map<std::string, std::vector<std::string>>& filters,
                     const CreatedOf& created_of) {
  bool wanted = true;
  for (const auto& [filter, values] : filters) {
    bool any = false, all = true;
    for (const std::string& value : values) {
      PLIMSOLL_ASSIGN(const bool one, one_matches(state, filter, value, created_of));
      any = any || one;
      all = all && one;
    }
    if (!values.empty() && !(filter == "label" ? all : any)) wanted = false;
  }
  return wanted;
}

}  // namespace plimsoll::container
