// One BPF object: its programs and maps in the kernel, for as long as this lives. Nothing is pinned, so that
// the kernel takes all of it back when the agent ends, however it ends. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/units.h"
#include "bpf/counters.h"

struct bpf_map;
struct bpf_object;
struct bpf_link;

namespace plimsoll::bpf {

// A map that several objects use.
struct SharedMap {
  std::string name;
  int fd;
};

struct ObjectSource {
  std::string name;                     // "lifecycle"
  std::span<const std::uint8_t> bytes;  // ELF
  // The kernel's types, a file: /sys/kernel/btf/vmlinux. Empty: libbpf looks for them, and for a type that is
  // not there among those of all modules as well, which takes CAP_SYS_ADMIN.
  std::string types = {};
};

// What its programs cost: both are 0 while kernel.bpf_stats_enabled is. And how often they were not run since
// they would have interrupted themselves.
struct RunTime {
  Nanoseconds spent{0};
  std::uint64_t runs = 0;
  std::uint64_t missed = 0;
};

// How much its maps have room for. The maps meant are per-CPU hashes, whose keys are 64-bit cgroup ids of
// containers, or begin with one or two of them: an entry takes memory once there is one. And a per-CPU
// array of the object's name, with a slot for each container, which takes it at once.
struct Room {
  std::uint32_t containers;  // of maps keyed by a container
  std::uint32_t cells;       // of maps keyed by a container and something else
};

class Object {
 public:
  // Loads it with the maps of `shared` in place of its own of that name, the others with that much room, and
  // attaches all of its programs, or none; those of the cgroup kinds to `cgroup_root`, a folder, without
  // which they are refused. A program whose section begins with '?' is left out where the kernel has not its
  // hook. Where such names are equal up to "___", one of them does the work, under the hook that this kernel
  // has: the first that can, and that none can is an error. Errors: what the kernel or the verifier said, in
  // one line that names program and hook.
  static Result<std::unique_ptr<Object>> load(const ObjectSource& source, std::span<const SharedMap> shared,
                                              const Room& room, int cgroup_root = -1);
  ~Object();
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  int map(const char* name) const;  // its descriptor, which stays the object's; -1: there is none
  Counters& counters() { return counters_; }
  const Counters& counters() const { return counters_; }
  RunTime run_time() const;

 private:
  Object() = default;
  Result<> size_maps(const ObjectSource& source, std::span<const SharedMap> shared, const Room& room);
  Result<> choose_programs(const std::string& name);
  Result<> attach(const std::string& name, int cgroup_root);
  void find_counters(const std::string& name);

  struct CloseObject {
    void operator()(bpf_object* object) const;
  };
  struct CloseLink {
    void operator()(bpf_link* link) const;
  };
  std::unique_ptr<bpf_object, CloseObject> object_;
  Counters counters_;
  std::vector<std::unique_ptr<bpf_link, CloseLink>> links_;
};

}  // namespace plimsoll::bpf
