// What is to be done to start a container, worked out from its specification before anything is touched: the
// namespaces, the steps that build its root, and the credentials of its process. Pure.
//
// Paths inside the container (`path`, `destination`) are absolute and clean: no "..", no "//". They say
// nothing yet about symbolic links: whoever carries a step out resolves them inside the root (rooted.h).
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/base/result.h"
#include "agent/launch/capabilities.h"
#include "agent/launch/mount_options.h"
#include "agent/launch/resources.h"
#include "agent/oci/spec.h"

namespace plimsoll::launch {

// A namespace to enter: `flag` is its CLONE_NEW*.
struct JoinNamespace {
  std::uint64_t flag = 0;
  std::string path;
  bool operator==(const JoinNamespace&) const = default;
};

struct NamespacePlan {
  std::uint64_t create = 0;  // CLONE_NEW* of the new ones, without CLONE_NEWCGROUP
  // Made by the process itself once it is in its cgroup: the cgroup where it is made becomes its root.
  bool create_cgroup = false;
  std::vector<JoinNamespace> join;
  std::uint64_t all = 0;  // every CLONE_NEW* that is made or joined: what `exec` enters
  bool operator==(const NamespacePlan&) const = default;
};

// ---- the steps that build the root, in their order ----

struct MountFilesystem {
  std::string destination, type, source;
  MountOptions options;
};
struct BindMount {
  std::string destination, source;  // source: an absolute path of the host
  MountOptions options;
};
// Changes the attributes of the mount that is at `destination` already.
struct Remount {
  std::string destination;
  MountOptions options;
};
struct MakeNode {
  std::string path;
  char type = 'c';
  unsigned major = 0, minor = 0;
  std::uint32_t mode = 0666, uid = 0, gid = 0;
};
struct MakeSymlink {
  std::string path, target;
};
struct MakeConsole {};  // the terminal, bound over /dev/console
struct MakeFolder {     // with its parents, where missing: the working folder
  std::string path;
};
struct WriteSysctl {
  std::string path, value;  // "net/ipv4/ip_forward"
};
struct MakeReadonly {
  std::string path;
};
struct Mask {
  std::string path;
};
using RootStep = std::variant<MountFilesystem, BindMount, Remount, MakeNode, MakeSymlink, MakeConsole,
                              MakeFolder, WriteSysctl, MakeReadonly, Mask>;

struct Limit {
  int resource = 0;  // RLIMIT_*
  std::string name;
  rlimit value{};
};

struct ProcessPlan {
  bool terminal = false;
  std::optional<oci::ConsoleSize> console_size;
  oci::User user;
  std::vector<std::string> args, env;
  std::string cwd;
  CapabilitySets capabilities;
  std::vector<Limit> limits;
  bool no_new_privileges = false;
  std::optional<int> oom_score_adj;
};

struct Plan {
  NamespacePlan namespaces;
  std::string root;       // absolute path on the host
  bool make_root = true;  // false: the mount namespace is joined, and its root is the container's
  bool root_readonly = false;
  Propagation root_propagation;
  std::vector<RootStep> steps;
  std::string hostname, domainname;
  ProcessPlan process;
  std::optional<oci::Seccomp> seccomp;
  std::string cgroup;  // below the cgroup mount, "/plimsoll-runtime/web"
  std::vector<ControlWrite> control_writes;
  std::optional<std::vector<oci::DeviceRule>> device_rules;  // nullopt: none asked for, all allowed
};

struct PlanInput {
  std::string id;
  std::string bundle;  // absolute
};

// kInvalid: the specification contradicts itself or is unsafe; kUnsupported: it asks for what this runtime
// does not do yet. Both name the place in config.json.
Result<Plan> make_plan(const oci::Spec& spec, const PlanInput& input);
Result<ProcessPlan> make_process_plan(const oci::Process& process);

// "/a/./b//../c" -> "/a/c"; relative paths are taken from "/"; ".." stops at "/".
std::string clean_path(std::string_view path);

}  // namespace plimsoll::launch
