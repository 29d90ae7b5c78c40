// The OCI runtime specification's config.json (1.0 to 1.2) as types: what a container is, before it is one.
// Names are the specification's, in snake_case. What is absent in the document is nullopt or empty. Fields
// that the specification has and this runtime does not do yet are listed in `Spec::unsupported`, so that a
// launcher can refuse them; unknown fields are ignored, as config.md ("Extensibility") demands.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace plimsoll::oci {

// root: `path` is absolute or relative to the bundle.
struct Root {
  std::string path;
  bool readonly = false;
  bool operator==(const Root&) const = default;
};

// mounts[]: options as in fstab (mount flags, propagation, data for the filesystem, mixed).
struct Mount {
  std::string destination, type, source;
  std::vector<std::string> options;
  bool operator==(const Mount&) const = default;
};

struct User {
  std::uint32_t uid = 0, gid = 0;
  std::optional<std::uint32_t> umask;
  std::vector<std::uint32_t> additional_gids;
  bool operator==(const User&) const = default;
};

struct Rlimit {
  std::string type;  // "RLIMIT_NOFILE"
  std::uint64_t soft = 0, hard = 0;
  bool operator==(const Rlimit&) const = default;
};

// Names as "CAP_CHOWN".
struct Capabilities {
  std::vector<std::string> bounding, effective, inheritable, permitted, ambient;
  bool operator==(const Capabilities&) const = default;
};

struct ConsoleSize {
  std::uint16_t height = 0, width = 0;
  bool operator==(const ConsoleSize&) const = default;
};

struct Process {
  bool terminal = false;
  std::optional<ConsoleSize> console_size;
  User user;
  std::vector<std::string> args;  // never empty after parsing
  std::vector<std::string> env;   // "NAME=VALUE"
  std::string cwd = "/";          // absolute
  std::optional<Capabilities> capabilities;
  std::vector<Rlimit> rlimits;
  bool no_new_privileges = false;
  std::optional<int> oom_score_adj;
  std::vector<std::string> unsupported;  // JSON paths below the process, e.g. "apparmorProfile"
  bool operator==(const Process&) const = default;
};

enum class NamespaceType { kMount, kPid, kNetwork, kIpc, kUts, kCgroup, kUser, kTime };

// A new namespace, or with `path` the existing one to join.
struct Namespace {
  NamespaceType type = NamespaceType::kMount;
  std::string path;
  bool operator==(const Namespace&) const = default;
};

// linux.devices[]: a node to make. type: 'c' or 'u' (character), 'b' (block), 'p' (fifo).
struct Device {
  char type = 'c';
  std::string path;
  std::int64_t major = 0, minor = 0;
  std::optional<std::uint32_t> file_mode, uid, gid;
  bool operator==(const Device&) const = default;
};

// linux.resources.devices[]: later rules win. type 'a' is all kinds; no major or minor is any.
struct DeviceRule {
  bool allow = false;
  char type = 'a';
  std::optional<std::int64_t> major, minor;
  std::string access = "rwm";
  bool operator==(const DeviceRule&) const = default;
};

// Bytes; -1 is unlimited. swap is cgroup v1's: memory and swap together.
struct MemoryResources {
  std::optional<std::int64_t> limit, reservation, swap;
  bool operator==(const MemoryResources&) const = default;
};

// quota, period and burst in microseconds of CPU time; shares as in cgroup v1 (2..262144).
struct CpuResources {
  std::optional<std::uint64_t> shares, burst, period;
  std::optional<std::int64_t> quota, idle;
  std::string cpus, mems;
  bool operator==(const CpuResources&) const = default;
};

struct ThrottleDevice {
  std::int64_t major = 0, minor = 0;
  std::uint64_t rate = 0;  // bytes or operations a second
  bool operator==(const ThrottleDevice&) const = default;
};

struct WeightDevice {
  std::int64_t major = 0, minor = 0;
  std::uint16_t weight = 0;
  bool operator==(const WeightDevice&) const = default;
};

struct BlockIoResources {
  std::optional<std::uint16_t> weight;  // 10..1000
  std::vector<WeightDevice> weight_devices;
  std::vector<ThrottleDevice> read_bps, write_bps, read_iops, write_iops;
  bool operator==(const BlockIoResources&) const = default;
};

struct HugepageLimit {
  std::string page_size;  // "2MB"
  std::uint64_t limit = 0;
  bool operator==(const HugepageLimit&) const = default;
};

struct Resources {
  std::vector<DeviceRule> devices;
  std::optional<MemoryResources> memory;
  std::optional<CpuResources> cpu;
  std::optional<std::int64_t> pids_limit;  // -1: unlimited
  std::optional<BlockIoResources> block_io;
  std::vector<HugepageLimit> hugepage_limits;
  std::map<std::string, std::string> unified;  // control file -> text
  bool operator==(const Resources&) const = default;
};

struct SeccompArg {
  std::uint32_t index = 0;
  std::uint64_t value = 0, value_two = 0;
  std::string op;  // "SCMP_CMP_EQ"
  bool operator==(const SeccompArg&) const = default;
};

struct SeccompRule {
  std::vector<std::string> names;
  std::string action;  // "SCMP_ACT_ALLOW"
  std::optional<std::uint32_t> errno_ret;
  std::vector<SeccompArg> args;
  bool operator==(const SeccompRule&) const = default;
};

struct Seccomp {
  std::string default_action;
  std::optional<std::uint32_t> default_errno_ret;
  std::vector<std::string> architectures, flags;
  std::vector<SeccompRule> syscalls;
  bool operator==(const Seccomp&) const = default;
};

struct Linux {
  std::vector<Namespace> namespaces;
  std::vector<Device> devices;
  std::optional<Resources> resources;
  std::string cgroups_path;
  std::map<std::string, std::string> sysctl;
  std::optional<Seccomp> seccomp;
  std::string rootfs_propagation;  // "", "private", "slave", "shared", "unbindable", each also with 'r'
  std::vector<std::string> masked_paths, readonly_paths;
  bool operator==(const Linux&) const = default;
};

struct Spec {
  std::string oci_version;
  std::optional<Process> process;
  Root root;
  std::string hostname, domainname;
  std::vector<Mount> mounts;
  std::map<std::string, std::string> annotations;
  Linux linux_;                          // `linux` is a macro of GCC
  std::vector<std::string> unsupported;  // JSON paths, e.g. "hooks.prestart"; to_json leaves them out
  bool operator==(const Spec&) const = default;
};

// Errors are of kind kInvalid and name the place:
// `config.json: process.rlimits[0].soft: expected a non-negative integer, got "x"`.
Result<Spec> parse_spec(std::string_view json);
std::string to_json(const Spec& spec);

// The process document of `exec --process`; errors begin with "process.json: ".
Result<Process> parse_process(std::string_view json);
std::string to_json(const Process& process);

// What Docker gives a container that asks for nothing: new namespaces (all but user and time), /proc, /dev,
// /dev/pts, /dev/shm, /dev/mqueue, /sys and /sys/fs/cgroup (read-only), masked and read-only paths, 14
// capabilities, device rules and the seccomp profile. Left to the caller: process.args, env, cwd, user,
// root.path, hostname, cgroups_path, resources. process.args is empty.
Spec default_spec();
Seccomp default_seccomp();

// "mount" <-> kMount etc., as linux.namespaces[].type.
std::string_view name_of(NamespaceType type);

}  // namespace plimsoll::oci
