// What a user asked for: Docker's Config and HostConfig (Engine API v1.47, ContainerCreate) as types. Values
// without I/O. Immutable once the container is made, but for its name.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/base/units.h"

namespace plimsoll::container {

enum class RestartKind { kNo, kOnFailure, kAlways, kUnlessStopped };

struct RestartPolicy {
  RestartKind kind = RestartKind::kNo;
  int maximum_retries = 0;  // on-failure only; 0: no end
  bool operator==(const RestartPolicy&) const = default;
};

struct Ulimit {
  std::string name;                 // "nofile"
  std::int64_t soft = 0, hard = 0;  // -1: unlimited
};

struct DeviceMapping {
  std::string on_host, in_container;
  std::string access;  // "rwm"
};

// A bind of a host path, or a tmpfs.
struct MountPoint {
  enum class Kind { kBind, kTmpfs };
  Kind kind = Kind::kBind;
  std::string source;  // binds: absolute path on the host
  std::string target;  // absolute path in the container
  bool read_only = false;
  std::string propagation;           // "" is rprivate
  std::vector<std::string> options;  // tmpfs: "size=64m", "mode=1777"...
  bool make_source = false;          // -v makes a missing host folder, --mount does not
};

struct Limits {
  Bytes memory;  // 0: no limit
  std::optional<std::int64_t>
      memory_swap;  // memory and swap together; -1: unlimited swap; nullopt: as much again
  Bytes memory_reservation;
  std::int64_t nano_cpus = 0;                  // 1e9 is one core; excludes quota and period
  std::int64_t cpu_quota = 0, cpu_period = 0;  // microseconds; 0: none, 100000
  std::int64_t cpu_shares = 0;                 // 2..262144; 0: default
  std::string cpuset_cpus, cpuset_mems;
  std::int64_t pids = 0;  // 0 or -1: no limit
};

struct Config {
  std::string name;   // without a slash
  std::string image;  // as the user wrote it
  std::string hostname, domainname, user, working_dir;
  std::vector<std::string> env;                        // "NAME=value"; "NAME" removes the image's
  std::optional<std::vector<std::string>> cmd;         // nullopt: the image's
  std::optional<std::vector<std::string>> entrypoint;  // nullopt: the image's; [""] or []: none
  std::map<std::string, std::string> labels;
  bool tty = false, open_stdin = false, stdin_once = false;
  bool attach_stdin = false, attach_stdout = false, attach_stderr = false;
  std::string stop_signal;          // "SIGTERM", "15"; "": the image's, else SIGTERM
  std::optional<int> stop_timeout;  // seconds; -1: for ever
  std::set<std::string> exposed_ports;

  std::vector<std::string> binds;        // as written: "/host:/target[:ro,...]"
  std::vector<MountPoint> mounts;        // binds, tmpfs and mounts together, checked
  std::string network_mode = "default";  // "default" (as "none"), "none" (loopback only), "host"
  RestartPolicy restart;
  bool auto_remove = false;
  bool privileged = false, readonly_rootfs = false;
  bool no_new_privileges = false, seccomp_unconfined = false;
  std::vector<std::string> cap_add, cap_drop;  // "CAP_NET_ADMIN" or "ALL"
  std::vector<std::string> security_opt;       // as written
  std::map<std::string, std::string> sysctls;
  std::vector<Ulimit> ulimits;
  std::vector<DeviceMapping> devices;
  std::vector<std::string> group_add, extra_hosts;
  bool host_pid = false, host_ipc = false, host_uts = false;
  int oom_score_adj = 0;
  Bytes shm_size{64UL << 20};
  std::optional<std::vector<std::string>> masked_paths, readonly_paths;
  std::uint16_t console_height = 0, console_width = 0;
  Bytes log_size{10UL << 20};  // a file of the log; --log-opt max-size
  int log_files = 3;           // --log-opt max-file
  Limits limits;
};

}  // namespace plimsoll::container
