// exec: a further process in a running container, with the container's own configuration as its default.
#include <fcntl.h>
#include <sched.h>

#include <algorithm>

#include "agent/base/units.h"
#include "agent/kernel/cgroup.h"
#include "agent/kernel/file.h"
#include "agent/kernel/pidfd.h"
#include "agent/launch/lifecycle.h"

namespace plimsoll::launch {
namespace {

// "UID" or "UID:GID", decimal and nothing else (CVE-2026-30892: odd strings that turn into 0).
Result<> set_user(const std::string& text, oci::User& user) {
  const std::size_t colon = text.find(':');
  const auto uid = parse_u64(std::string_view(text).substr(0, colon));
  const auto gid = colon == std::string::npos ? std::optional<std::uint64_t>(user.gid)
                                              : parse_u64(std::string_view(text).substr(colon + 1));
  constexpr std::uint64_t kMost = 0xFFFFFFFE;  // 2^32-1 is "no change" to the kernel
  if (!uid || !gid || *uid > kMost || *gid > kMost) {
    return invalid("user '" + text + "': expected UID or UID:GID, as numbers");
  }
  user.uid = static_cast<std::uint32_t>(*uid);
  user.gid = static_cast<std::uint32_t>(*gid);
  return {};
}

void add_capabilities(const std::vector<std::string>& names, oci::Process& process) {
  if (names.empty()) return;
  if (!process.capabilities) process.capabilities.emplace();
  oci::Capabilities& sets = *process.capabilities;
  // Not to the inheritable ones: CVE-2022-29162.
  for (auto* set : {&sets.bounding, &sets.effective, &sets.permitted}) {
    set->insert(set->end(), names.begin(), names.end());
  }
}

Result<> apply(const ExecOptions& options, oci::Process& process) {
  process.args = options.args;
  process.terminal = options.terminal;
  process.console_size.reset();
  if (!options.cwd.empty()) {
    if (!options.cwd.starts_with('/')) return invalid("cwd '" + options.cwd + "': expected an absolute path");
    process.cwd = options.cwd;
  }
  if (!options.user.empty()) PLIMSOLL_TRY(set_user(options.user, process.user));
  for (const std::string& entry : options.env) {
    const std::string name = entry.substr(0, entry.find('=') + 1);
    std::erase_if(process.env,
                  [&](const std::string& one) { return !name.empty() && one.starts_with(name); });
    process.env.push_back(entry);
  }
  add_capabilities(options.capabilities, process);
  if (options.no_new_privileges) process.no_new_privileges = true;
  return {};
}

// Where a new process of the container belongs: its cgroup, or where its init moved on to a cgroup below (a
// cgroup that hands controllers down holds no processes).
Result<UniqueFd> cgroup_of(const Roots& roots, const Record& record) {
  std::string folder = record.cgroup;
  PLIMSOLL_ASSIGN(const auto own, kernel::Cgroup::open(folder));
  const auto handed_down = own.read("cgroup.subtree_control");
  if (handed_down && handed_down->size() > 1) {
    PLIMSOLL_ASSIGN(const std::string text,
                    kernel::read_file(roots.proc + "/" + std::to_string(record.pid) + "/cgroup"));
    const std::size_t at = text.find("0::");
    const std::string now = at == std::string::npos ? "" : text.substr(at + 3, text.find('\n', at) - at - 3);
    // `now` is seen from the mount's root; the part below the container's cgroup is what is wanted.
    for (std::size_t cut = 0; (cut = now.find('/', cut)) != std::string::npos; ++cut) {
      if (record.cgroup.ends_with(now.substr(0, cut)) && cut > 0) folder = record.cgroup + now.substr(cut);
    }
  }
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("open cgroup " + folder);
  return fd;
}

Result<Spawned> exec_in(const Roots& roots, const std::string& id, const ProcessPlan& process,
                        const ExecOptions& options) {
  PLIMSOLL_ASSIGN(const Entry entry, Store(roots.state).open(id));
  PLIMSOLL_ASSIGN(const Record record, entry.read());
  PLIMSOLL_ASSIGN(const std::string config, entry.config());
  PLIMSOLL_ASSIGN(const oci::Spec spec, oci::parse_spec(config));
  auto init = kernel::Pidfd::open(record.pid);
  if (!init || start_time(roots.proc, record.pid) != record.start_time || entry.has_fifo()) {
    return fail("container not running", ErrorKind::kConflict);
  }
  PLIMSOLL_ASSIGN(const UniqueFd cgroup, cgroup_of(roots, record));
  const oci::Seccomp* seccomp = spec.linux_.seccomp ? &*spec.linux_.seccomp : nullptr;
  const SpawnInput input{.process = &process,
                         .seccomp = seccomp,
                         .cgroup = cgroup.get(),
                         .target = init->fd(),
                         .target_namespaces = record.namespaces,
                         .start_fifo = options.hold_fd,
                         .console_socket = options.console_socket,
                         .preserve_fds = options.preserve_fds,
                         .sibling = options.sibling};
  PLIMSOLL_ASSIGN(Spawned spawned, spawn(input));
  PLIMSOLL_TRY(spawned.send_filter(seccomp));
  PLIMSOLL_TRY(spawned.wait_until_ready());
  if (!options.pid_file.empty()) {
    PLIMSOLL_TRY(kernel::replace_file(options.pid_file, std::to_string(spawned.pid()), 0644));
  }
  return spawned;
}

}  // namespace

Result<ProcessPlan> plan_exec(const std::string& config, const ExecOptions& options) {
  if (!options.process_file.empty()) {
    PLIMSOLL_ASSIGN(const std::string text, kernel::read_file(options.process_file));
    PLIMSOLL_ASSIGN(oci::Process process, oci::parse_process(text));
    if (options.terminal) process.terminal = true;
    return make_process_plan(process);
  }
  PLIMSOLL_ASSIGN(oci::Spec spec, oci::parse_spec(config));
  if (!spec.process) return invalid("config.json: process: is missing");
  PLIMSOLL_TRY(apply(options, *spec.process));
  if (spec.process->args.empty()) return invalid("no command to execute");
  return make_process_plan(*spec.process);
}

Result<Spawned> exec(const Roots& roots, const std::string& id, const ProcessPlan& process,
                     const ExecOptions& options) {
  auto spawned = exec_in(roots, id, process, options);
  if (!spawned) return std::unexpected(std::move(spawned).error().in("exec in " + id));
  return spawned;
}

}  // namespace plimsoll::launch
