#include "agent/launch/child.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "agent/launch/process_setup.h"
#include "agent/launch/root_builder.h"
#include "agent/launch/seccomp_filter.h"

namespace plimsoll::launch {
namespace {

constexpr int kNotExecutable = 126;
constexpr int kNotFoundStatus = 127;

class Child {
 public:
  explicit Child(const ChildInput& input) : in_(input), process_(*input.process) {}

  Result<> set_up();
  [[noreturn]] void become_program();
  void report(const Error& error) const { in_.handshake->say_error(error); }

 private:
  Result<> join_namespaces();
  Result<> name_host();
  Result<> build_root();
  Result<> take_terminal(Terminal& terminal);
  Result<> new_keyring();
  Result<> filter_and_user();
  Result<> receive_filter();

  const ChildInput& in_;
  const ProcessPlan& process_;
  SeccompFilter filter_;
  std::string program_;
  std::vector<std::string> env_;
};

// The checklist. What needs the host's files or rights comes first, what gives them up comes last.
Result<> Child::set_up() {
  reset_signals();
  ::umask(0);
  if (process_.oom_score_adj) {
    UniqueFd procfs;
    PLIMSOLL_TRY(write_procfs(procfs, "self/oom_score_adj", std::to_string(*process_.oom_score_adj)));
  }
  PLIMSOLL_TRY(join_namespaces());
  if (::setsid() < 0) return fail_errno("start a session");
  // Here, since this process is in its cgroup by now: the new namespace's root is where its maker is.
  if (in_.plan != nullptr && in_.plan->namespaces.create_cgroup && ::unshare(CLONE_NEWCGROUP) != 0) {
    return fail_errno("create the cgroup namespace");
  }
  PLIMSOLL_TRY(name_host());
  PLIMSOLL_TRY(build_root());
  PLIMSOLL_TRY(new_keyring());
  PLIMSOLL_TRY(apply_limits(process_.limits));
  // Before the working folder is entered, so that none of ours can be it.
  close_other_descriptors(in_.preserve_fds, {in_.handshake->fd(), in_.start_fifo});
  PLIMSOLL_TRY(enter_working_folder(process_.cwd));
  ::umask(process_.user.umask.value_or(0022));
  PLIMSOLL_TRY(receive_filter());
  env_ = process_.env;
  add_home(env_, process_.user.uid);
  PLIMSOLL_TRY(filter_and_user());
  PLIMSOLL_ASSIGN(program_, find_program(process_.args[0], env_));
  PLIMSOLL_TRY(in_.handshake->say(Word::kReady));
  auto go = in_.handshake->expect(Word::kGo);
  if (!go) return std::unexpected(std::move(go).error());
  return {};
}

Result<> Child::join_namespaces() {
  if (in_.target >= 0 && ::setns(in_.target, static_cast<int>(in_.target_namespaces)) != 0) {
    return fail_errno("enter the container's namespaces");
  }
  for (const OpenNamespace& space : in_.join) {
    if (::setns(space.fd.get(), static_cast<int>(space.flag)) != 0) {
      return fail_errno("join namespace " + space.path);
    }
  }
  return {};
}

Result<> Child::name_host() {
  if (in_.plan == nullptr) return {};
  const std::string& host = in_.plan->hostname;
  const std::string& domain = in_.plan->domainname;
  if (!host.empty() && ::sethostname(host.data(), host.size()) != 0)
    return fail_errno("set hostname " + host);
  if (!domain.empty() && ::setdomainname(domain.data(), domain.size()) != 0) {
    return fail_errno("set domainname " + domain);
  }
  return {};
}

Result<> Child::build_root() {
  if (in_.plan != nullptr && in_.plan->make_root) {
    RootBuilder root(*in_.plan);
    PLIMSOLL_TRY(root.open_sources());
    PLIMSOLL_TRY(root.isolate());
    PLIMSOLL_TRY(root.perform());
    PLIMSOLL_TRY(root.enter(in_.no_pivot));
    return take_terminal(root.terminal());
  }
  Terminal terminal;
  if (process_.terminal) {
    const UniqueFd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root) return fail_errno("open /");
    PLIMSOLL_ASSIGN(terminal, open_terminal(root.get(), process_.console_size));
  }
  return take_terminal(terminal);
}

Result<> Child::take_terminal(Terminal& terminal) {
  if (!process_.terminal) return {};
  // The slave belongs to the user who works at it.
  if (::fchown(terminal.slave.get(), process_.user.uid, static_cast<gid_t>(-1)) != 0) {
    return fail_errno("give the terminal to user " + std::to_string(process_.user.uid));
  }
  PLIMSOLL_TRY(send_descriptor(in_.console_socket, terminal.master.get(), "/dev/ptmx"));
  return become_terminal(terminal.slave.get());
}

// Without its own, the container could read the keys of whoever launched it.
Result<> Child::new_keyring() {
  if (!in_.new_keyring || in_.plan == nullptr) return {};
  const long code = ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "_plimsoll", 0, 0, 0);
  if (code < 0 && errno != ENOSYS && errno != EPERM) return fail_errno("create the session keyring");
  return {};
}

Result<> Child::receive_filter() {
  if (!in_.has_filter) return {};
  PLIMSOLL_ASSIGN(const Message message, in_.handshake->expect(Word::kFilter));
  constexpr std::size_t kHead = sizeof(filter_.flags);
  std::memcpy(&filter_.flags, message.body.data(), kHead);
  filter_.program.resize((message.body.size() - kHead) / sizeof(sock_filter));
  std::memcpy(filter_.program.data(), message.body.data() + kHead,
              filter_.program.size() * sizeof(sock_filter));
  return {};
}

// A filter may be loaded with CAP_SYS_ADMIN or with no_new_privs only. Where the container will have either,
// it is loaded last, when there is least left to do under it; else before the rights are given up.
Result<> Child::filter_and_user() {
  const bool keeps_right = (process_.capabilities.effective & (1ULL << CAP_SYS_ADMIN)) != 0;
  const bool late = process_.no_new_privileges || keeps_right;
  if (in_.has_filter && !late) PLIMSOLL_TRY(load_seccomp(filter_));
  PLIMSOLL_TRY(become_user(process_.user, process_.capabilities));
  // After the change of user, which clears it.
  if (in_.die_with_parent && ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
    return fail_errno("bind the process to its shim");
  }
  if (process_.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return fail_errno("set no_new_privs");
  }
  if (in_.has_filter && late) PLIMSOLL_TRY(load_seccomp(filter_));
  return {};
}

void Child::become_program() {
  char byte = 0;
  ssize_t got = in_.start_fifo >= 0 ? 0 : 1;
  while (in_.start_fifo >= 0 && (got = ::read(in_.start_fifo, &byte, 1)) < 0 && errno == EINTR) {
  }
  if (got != 1) ::_exit(kNotExecutable);  // whoever could have said "start" is gone
  std::vector<char*> args;
  for (const std::string& arg : process_.args) args.push_back(const_cast<char*>(arg.c_str()));
  args.push_back(nullptr);
  std::vector<char*> env;
  for (const std::string& entry : env_) env.push_back(const_cast<char*>(entry.c_str()));
  env.push_back(nullptr);
  if (in_.start_fifo >= 0) ::close(in_.start_fifo);
  ::execve(program_.c_str(), args.data(), env.data());
  const int number = errno;
  const Error error = Error::from_errno("exec " + process_.args[0], number);
  report(error);
  // After `start` nobody listens any more; the container's own output is the only place left.
  if (in_.start_fifo >= 0) {
    const std::string line = error.message() + "\n";
    if (::write(2, line.data(), line.size()) < 0) ::_exit(kNotExecutable);
  }
  ::_exit(number == ENOENT ? kNotFoundStatus : kNotExecutable);
}

}  // namespace

void run_child(const ChildInput& input) {
  Child child(input);
  if (const auto ready = child.set_up(); !ready) {
    child.report(ready.error());
    ::_exit(1);
  }
  child.become_program();
}

}  // namespace plimsoll::launch
