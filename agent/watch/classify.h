// Whose container a cgroup is, from its path alone: one table of the layouts that runtimes make. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/model/container_ref.h"

namespace plimsoll::watch {

struct Match {
  model::Runtime runtime = model::Runtime::kOther;
  std::string container_id;  // 64 hex digits, or the unit's name for systemd's services
  std::string pod_uid;       // "0f8e...-..." where the path names a pod; empty elsewhere
  bool operator==(const Match&) const = default;
};

// `path` is below the cgroup root, "/system.slice/docker-<id>.scope". nullopt for all that is no container:
// slices, pods, conmon's scopes, and whatever lies inside a container, since that belongs to it. A service
// may hold containers (user@1000.service, a Podman unit): then both are listed.
std::optional<Match> classify(std::string_view path);

}  // namespace plimsoll::watch
