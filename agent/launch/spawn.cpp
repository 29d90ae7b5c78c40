#include "agent/launch/spawn.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>

#include "agent/launch/child.h"
#include "agent/launch/seccomp_filter.h"

namespace plimsoll::launch {
namespace {

Result<std::vector<OpenNamespace>> open_namespaces(const Plan* plan) {
  std::vector<OpenNamespace> out;
  if (plan == nullptr) return out;
  for (const JoinNamespace& join : plan->namespaces.join) {
    UniqueFd fd(::open(join.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno("open namespace " + join.path);
    if (join.flag == CLONE_NEWPID) {
      if (::setns(fd.get(), CLONE_NEWPID) != 0) return fail_errno("join namespace " + join.path);
      continue;
    }
    out.push_back({join.flag, join.path, std::move(fd)});
  }
  return out;
}

struct Cloned {
  int pid = -1;
  int pidfd = -1;
};

Cloned clone_process(const SpawnInput& input) {
  Cloned cloned;
  clone_args args{};
  args.flags = CLONE_PIDFD | (input.plan != nullptr ? input.plan->namespaces.create : 0);
  args.pidfd = reinterpret_cast<std::uint64_t>(&cloned.pidfd);
  // With CLONE_PARENT the parent gets the signal that it got for us.
  args.exit_signal = input.sibling ? 0 : SIGCHLD;
  if (input.sibling) args.flags |= CLONE_PARENT;
  if (input.cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<std::uint64_t>(input.cgroup);
  }
  cloned.pid = static_cast<int>(::syscall(SYS_clone3, &args, sizeof args));
  return cloned;
}

}  // namespace

Spawned::Spawned(Spawned&& other) noexcept
    : pid_(other.pid_),
      pidfd_(std::move(other.pidfd_)),
      handshake_(std::move(other.handshake_)),
      sibling_(other.sibling_),
      owned_(std::exchange(other.owned_, false)) {}

Spawned::~Spawned() {
  if (!owned_) return;
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  pollfd ended{pidfd_.get(), POLLIN, 0};
  while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {
  }
  if (!sibling_) ::waitpid(pid_, nullptr, 0);
}

Result<> Spawned::send_filter(const oci::Seccomp* profile) const {
  if (profile == nullptr) return {};
  PLIMSOLL_ASSIGN(const SeccompFilter filter, compile_seccomp(*profile));
  std::string body(sizeof filter.flags, '\0');
  std::memcpy(body.data(), &filter.flags, sizeof filter.flags);
  body.append(reinterpret_cast<const char*>(filter.program.data()),
              filter.program.size() * sizeof(sock_filter));
  // The child may have failed and gone: its own word on why is worth more than our "broken pipe".
  if (auto said = handshake_.say(Word::kFilter, body); !said && said.error().number() != EPIPE) return said;
  return {};
}

Result<> Spawned::wait_until_ready() const {
  if (auto ready = handshake_.expect(Word::kReady); !ready) return std::unexpected(std::move(ready).error());
  return {};
}

Result<> Spawned::wait_for_exec() const {
  if (auto gone = handshake_.expect(Word::kGone); !gone) return std::unexpected(std::move(gone).error());
  return {};
}

Result<Spawned> spawn(const SpawnInput& input) {
  if (input.process->terminal && input.console_socket < 0) {
    return invalid("process.terminal wants a console socket to send the terminal to");
  }
  PLIMSOLL_ASSIGN(auto join, open_namespaces(input.plan));
  if ((input.target_namespaces & CLONE_NEWPID) != 0 && ::setns(input.target, CLONE_NEWPID) != 0) {
    return fail_errno("enter the container's PID namespace");
  }
  PLIMSOLL_ASSIGN(auto ends, Handshake::make());
  const Cloned cloned = clone_process(input);
  if (cloned.pid < 0) return fail_errno("clone the container's process");
  if (cloned.pid == 0) {
    ends.first.close();
    run_child({.plan = input.plan,
               .process = input.process,
               .join = std::move(join),
               .target = input.target,
               .target_namespaces = input.target_namespaces & ~static_cast<std::uint64_t>(CLONE_NEWPID),
               .handshake = &ends.second,
               .start_fifo = input.start_fifo,
               .console_socket = input.console_socket,
               .preserve_fds = input.preserve_fds,
               .no_pivot = input.no_pivot,
               .new_keyring = input.new_keyring,
               .die_with_parent = input.sibling,
               .has_filter = input.seccomp != nullptr});
  }
  return Spawned(cloned.pid, UniqueFd(cloned.pidfd), std::move(ends.first), input.sibling);
}

}  // namespace plimsoll::launch
