// Who a container is. Values without I/O.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/clock.h"

namespace plimsoll::model {

// A cgroup's identity is the inode of its folder (what BPF calls the cgroup id), not its path: paths are
// reused.
struct CgroupId {
  std::uint64_t inode = 0;
  auto operator<=>(const CgroupId&) const = default;
};

// The cgroup, below the root, whose children are this agent's own containers.
inline constexpr std::string_view kOwnParent = "plimsoll";

// Whose container it is. kOther: a cgroup that nobody we know launched.
enum class Runtime { kPlimsoll, kDocker, kPodman, kContainerd, kCrio, kSystemd, kOther };
std::string_view to_string(Runtime runtime);  // "plimsoll", "docker", "crio", "systemd", ...
std::optional<Runtime> runtime_from(std::string_view text);

struct ContainerRef {
  CgroupId id;
  std::string cgroup;  // path below the cgroup root, "/plimsoll/4f1c..."; unique among the living
  Runtime runtime = Runtime::kOther;
  std::string container_id;  // the runtime's own id (64 hex digits), or a systemd unit's name
  std::string name;          // "web-1"; a systemd unit's name; what people type
  std::string image;         // "registry.local/web:1"; empty where unknown
  std::string pod;           // Kubernetes, from the runtime's labels; empty elsewhere
  std::string kube_namespace;
  std::string kube_container;
  std::map<std::string, std::string> labels;
  std::optional<WallTime> created;
  std::optional<WallTime> started;
  std::optional<int> init_pid;  // in the agent's pid namespace
  std::uint32_t restarts = 0;   // by its restart policy; ours only
};

}  // namespace plimsoll::model

template <>
struct std::hash<plimsoll::model::CgroupId> {
  std::size_t operator()(plimsoll::model::CgroupId id) const noexcept {
    return std::hash<std::uint64_t>{}(id.inode);
  }
};
