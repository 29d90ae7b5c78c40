// From what a user asked for, and the image's defaults, to the OCI specification that the shim launches.
#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/container/config.h"
#include "agent/container/containers.h"
#include "agent/image/store.h"
#include "agent/oci/spec.h"

namespace plimsoll::container {

// Entrypoint and command as Docker combines them; kInvalid: "No command specified".
Result<std::vector<std::string>> command_of(const Config& config, const image::Defaults& image);
// `base` with each "NAME=value" of `changes` put in or replaced, each "NAME" taken out.
std::vector<std::string> merged_env(const std::vector<std::string>& base,
                                    const std::vector<std::string>& changes);

struct BundlePaths {
  std::string rootfs;  // mounted
  std::string folder;  // for hosts, hostname, resolv.conf
  std::string cgroup;  // "/plimsoll/ID"
};

// `config` as resolved by apply_image(): nothing is left to the image. Makes missing sources of -v binds.
Result<oci::Spec> make_spec(const std::string& id, const Config& config,
                            const std::vector<std::string>& command, const BundlePaths& paths);

// Fills what `config` leaves open from the image: env, cmd, entrypoint, user, working_dir, labels,
// stop_signal.
void apply_image(const image::Defaults& image, Config& config);

// The process of an exec session in a container of this config.
Result<oci::Process> make_exec_process(const Config& config, const ExecConfig& exec,
                                       const std::string& rootfs);

}  // namespace plimsoll::container
