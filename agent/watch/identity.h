// Who a container is: read from its runtime's own files, which are outside input. Roots are injected.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/watch/classify.h"

namespace plimsoll::watch {

struct Identity {
  std::string name, image, pod, kube_namespace, kube_container;
  std::map<std::string, std::string> labels;
  std::optional<WallTime> created, started;
  std::optional<int> init_pid;
  std::uint32_t restarts = 0;
};

// Knows the agent's own containers; implemented by agent/container's owner. Called from the watch flow.
class IdentitySource {
 public:
  virtual ~IdentitySource() = default;
  virtual std::optional<Identity> identify(const std::string& container_id) = 0;  // nullopt: not (yet) known
};

struct IdentityRoots {
  std::string containerd = {};          // "/run/containerd/io.containerd.runtime.v2.task"
  std::string docker = {};              // "/var/lib/docker/containers"
  std::string containers_storage = {};  // "/var/lib/containers/storage": Podman's and CRI-O's
};

// nullopt: the runtime has not written its files yet, or is not one that writes any. An error names the file
// that could not be understood.
Result<std::optional<Identity>> read_identity(const IdentityRoots& roots, const Match& match);

// The parsers behind it, pure; errors of kind kInvalid.
Result<Identity> parse_containerd_config(std::string_view text);  // an OCI config.json with CRI's annotations
Result<Identity> parse_docker_config(std::string_view text);      // config.v2.json
Result<Identity> parse_storage_config(std::string_view text);     // Podman's or CRI-O's userdata/config.json
// Adds name, image and time of the container `id` from overlay-containers/containers.json.
Result<> parse_storage_list(std::string_view text, const std::string& id, Identity& identity);

}  // namespace plimsoll::watch
