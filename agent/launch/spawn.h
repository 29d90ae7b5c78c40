// A plan -> a process. The protocol between the launcher (L) and the process that it clones (C):
//   1. L holds all namespaces to join open, and enters the PID namespace among them itself, since that moves
//      only children.
//   2. L clones C right into its cgroup (clone3, CLONE_INTO_CGROUP): no instant outside its limits.
//   3. C works through its checklist (child.cpp) while L compiles the seccomp filter and sends it (kFilter).
//   4. C says kReady, having done everything but the exec; or kError with operation, object and cause.
//   5. L writes down who C is, and says kGo. If L dies before, C reads the end of file and ends.
//   6. C waits at the start fifo if there is one, then execs. The handshake's end of file tells L that the
//      exec succeeded; kError, that it did not.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/unique_fd.h"
#include "agent/launch/handshake.h"
#include "agent/launch/plan.h"

namespace plimsoll::launch {

struct SpawnInput {
  const Plan* plan = nullptr;  // nullptr: an exec into a running container
  const ProcessPlan* process = nullptr;
  const oci::Seccomp* seccomp = nullptr;
  int cgroup = -1;  // where C begins its life
  int target = -1;  // exec: pidfd of the container's init, and the namespaces of it to enter
  std::uint64_t target_namespaces = 0;
  int start_fifo = -1;
  int console_socket = -1;
  int preserve_fds = 0;
  bool no_pivot = false;
  bool new_keyring = true;
  // The caller's parent becomes C's parent, and C dies with it: for the shim, which lets a child do this.
  bool sibling = false;
};

// The process until it is let go. Destroyed before release(), it is killed (and reaped, if it is our child).
class Spawned {
 public:
  Spawned(int pid, UniqueFd pidfd, Handshake handshake, bool sibling)
      : pid_(pid), pidfd_(std::move(pidfd)), handshake_(std::move(handshake)), sibling_(sibling) {}
  Spawned(Spawned&& other) noexcept;
  Spawned& operator=(Spawned&&) = delete;
  ~Spawned();

  int pid() const { return pid_; }
  const UniqueFd& pidfd() const { return pidfd_; }

  Result<> send_filter(const oci::Seccomp* profile) const;
  Result<> wait_until_ready() const;
  Result<> let_go() const { return handshake_.say(Word::kGo); }
  Result<> wait_for_exec() const;
  void release() { owned_ = false; }

 private:
  int pid_;
  UniqueFd pidfd_;
  Handshake handshake_;
  bool sibling_;
  bool owned_ = true;
};

// Steps 1 and 2. Single-threaded callers only.
Result<Spawned> spawn(const SpawnInput& input);

}  // namespace plimsoll::launch
