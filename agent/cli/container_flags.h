// The flags that `run` and `create` share, in Docker's words, and the body of POST /containers/create they
// become.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/cli/flags.h"

namespace plimsoll::cli {

struct ContainerFlags {
  std::string name, entrypoint, hostname, user, workdir, memory, memory_swap, memory_reservation, cpus,
      cpu_shares, cpuset_cpus, pids_limit, network, restart, stop_signal, stop_timeout, oom_score_adj,
      cidfile, shm_size;
  std::vector<std::string> env, env_files, labels, label_files, volumes, tmpfs, cap_add, cap_drop,
      security_opts, sysctls, ulimits, devices, log_opts;
  bool interactive = false, tty = false, remove = false, read_only = false, privileged = false;

  void declare(Flags& flags);
  // `words` is IMAGE [COMMAND] [ARG...]. A value that makes no sense is kInvalid and names its flag.
  // `attached` says whether the caller will attach to it.
  Result<nlohmann::json> body(const std::vector<std::string>& words, bool attached) const;
};

// "KEY=VALUE" lines of an env or label file; blank lines and lines that begin with '#' are left out.
Result<std::vector<std::string>> read_pairs_file(const std::string& path);

}  // namespace plimsoll::cli
