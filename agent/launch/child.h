// The cloned process's side of a launch: an ordered checklist that ends in exec. It runs in the process that
// is to become the container's, in a copy of the launcher's memory (clone without CLONE_VM).
#pragma once

#include <vector>

#include "agent/base/unique_fd.h"
#include "agent/launch/handshake.h"
#include "agent/launch/plan.h"

namespace plimsoll::launch {

// A namespace held open by descriptor.
struct OpenNamespace {
  std::uint64_t flag = 0;
  std::string path;
  UniqueFd fd;
};

struct ChildInput {
  const Plan* plan = nullptr;  // nullptr: an exec into a running container
  const ProcessPlan* process = nullptr;
  std::vector<OpenNamespace> join;  // without the PID namespace, which the launcher entered
  // exec: the container's init and the namespaces of it that are entered
  int target = -1;
  std::uint64_t target_namespaces = 0;

  const Handshake* handshake = nullptr;
  int start_fifo = -1;      // wait here for one byte before the exec; -1: go on at once
  int console_socket = -1;  // gets the terminal's master; -1 only without a terminal
  int preserve_fds = 0;
  bool no_pivot = false;
  bool new_keyring = true;
  bool die_with_parent = false;
  bool has_filter = false;  // a kFilter will come
};

[[noreturn]] void run_child(const ChildInput& input);

}  // namespace plimsoll::launch
