#include "agent/launch/lifecycle.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <csignal>

#include "agent/base/rfc3339.h"
#include "agent/base/units.h"
#include "agent/kernel/cgroup.h"
#include "agent/kernel/file.h"
#include "agent/kernel/pidfd.h"
#include "agent/launch/container_cgroup.h"
#include "agent/launch/plan_checks.h"

namespace plimsoll::launch {
namespace {

constexpr int kKillCeilingMs = 10'000;

// Removes the folder of a container whose creation fails.
class EntryGuard {
 public:
  explicit EntryGuard(const Entry& entry) : entry_(&entry) {}
  EntryGuard(const EntryGuard&) = delete;
  EntryGuard& operator=(const EntryGuard&) = delete;
  ~EntryGuard() {
    if (entry_ != nullptr && !entry_->remove()) return;  // nobody to tell; `delete --force` can try again
  }
  void keep() { entry_ = nullptr; }

 private:
  const Entry* entry_;
};

Status status_of(const Roots& roots, const Record& record, const Entry& entry) {
  if (record.pid == 0) return Status::kCreating;
  if (start_time(roots.proc, record.pid) != record.start_time) return Status::kStopped;
  return entry.has_fifo() ? Status::kCreated : Status::kRunning;
}

// The process of the record, by descriptor; nullopt where it has ended.
std::optional<kernel::Pidfd> process_of(const Roots& roots, const Record& record) {
  if (record.pid <= 0) return std::nullopt;
  auto pidfd = kernel::Pidfd::open(record.pid);
  // Opened before the start time is compared: what the descriptor names cannot change any more.
  if (!pidfd || start_time(roots.proc, record.pid) != record.start_time) return std::nullopt;
  return std::move(*pidfd);
}

Result<std::string> cgroup_mount(const Roots& roots) {
  if (!roots.cgroup.empty()) return roots.cgroup;
  PLIMSOLL_ASSIGN(const std::string mounts, kernel::read_file(roots.proc + "/self/mounts"));
  return kernel::find_cgroup2_mount(mounts);
}

Result<std::string> absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  char here[4096] = {};
  if (::getcwd(here, sizeof here) == nullptr) return fail_errno("read the working folder");
  return clean_path(std::string(here) + "/" + path);
}

Result<> check_root(const Plan& plan) {
  struct stat info{};
  if (::stat(plan.root.c_str(), &info) != 0) return fail_errno("config.json: root.path: " + plan.root);
  if (!S_ISDIR(info.st_mode)) return invalid("config.json: root.path: " + plan.root + " is not a folder");
  return {};
}

Result<> write_pid_file(const std::string& path, int pid) {
  if (path.empty()) return {};
  return kernel::replace_file(path, std::to_string(pid), 0644);
}

// What launch() works out before it touches anything.
struct Prepared {
  std::string config, bundle;
  oci::Spec spec;
  Plan plan;
};

Result<Prepared> prepare(const std::string& id, const LaunchOptions& options) {
  Prepared out;
  PLIMSOLL_ASSIGN(out.bundle, absolute(options.bundle));
  PLIMSOLL_ASSIGN(out.config, kernel::read_file(out.bundle + "/config.json"));
  PLIMSOLL_ASSIGN(out.spec, oci::parse_spec(out.config));
  PLIMSOLL_ASSIGN(out.plan, make_plan(out.spec, {.id = id, .bundle = out.bundle}));
  PLIMSOLL_TRY(check_root(out.plan));
  return out;
}

Result<> complete(const Roots& roots, const Entry& entry, Record& record, const Plan& plan,
                  const LaunchOptions& options, const Spawned& spawned) {
  record.pid = spawned.pid();
  record.start_time = start_time(roots.proc, spawned.pid()).value_or(0);
  PLIMSOLL_TRY(entry.write(record));
  PLIMSOLL_TRY(spawned.send_filter(plan.seccomp ? &*plan.seccomp : nullptr));
  PLIMSOLL_TRY(spawned.wait_until_ready());
  PLIMSOLL_TRY(write_pid_file(options.pid_file, spawned.pid()));
  PLIMSOLL_TRY(spawned.let_go());
  return options.hold ? Result<>{} : spawned.wait_for_exec();
}

Result<Spawned> launch_in(const Roots& roots, const Clock& clock, const std::string& id,
                          const LaunchOptions& options) {
  PLIMSOLL_TRY(check_id(id));
  PLIMSOLL_ASSIGN(const Prepared prepared, prepare(id, options));
  const Plan& plan = prepared.plan;
  PLIMSOLL_ASSIGN(const std::string mount, cgroup_mount(roots));
  PLIMSOLL_ASSIGN(const Entry entry, Store(roots.state).create(id));
  EntryGuard entry_guard(entry);
  Record record{
      .id = id, .bundle = prepared.bundle, .root = plan.root, .created = format_rfc3339(clock.wall())};
  record.cgroup = mount + plan.cgroup;
  record.cgroup_topmost = record.cgroup;
  record.namespaces = plan.namespaces.all;
  record.annotations = prepared.spec.annotations;
  // Before there is anything to remove: whoever cleans up after a crash of ours finds out what.
  PLIMSOLL_TRY(entry.write(record));
  PLIMSOLL_TRY(entry.save_config(prepared.config));
  PLIMSOLL_ASSIGN(ContainerCgroup cgroup, ContainerCgroup::create(mount, plan));
  record.cgroup_topmost = cgroup.topmost_made();
  UniqueFd fifo;
  if (options.hold) {
    PLIMSOLL_ASSIGN(fifo, entry.make_fifo());
  }
  const SpawnInput input{.plan = &plan,
                         .process = &plan.process,
                         .seccomp = plan.seccomp ? &*plan.seccomp : nullptr,
                         .cgroup = cgroup.fd(),
                         .start_fifo = fifo.get(),
                         .console_socket = options.console_socket,
                         .preserve_fds = options.preserve_fds,
                         .no_pivot = options.no_pivot,
                         .new_keyring = options.new_keyring,
                         .sibling = options.sibling};
  PLIMSOLL_ASSIGN(Spawned spawned, spawn(input));
  PLIMSOLL_TRY(complete(roots, entry, record, plan, options, spawned));
  cgroup.keep();
  entry_guard.keep();
  return spawned;
}

Result<> signal_all(const Record& record, int signal) {
  if (signal == SIGKILL) {
    PLIMSOLL_ASSIGN(const kernel::Cgroup cgroup, kernel::Cgroup::open(record.cgroup));
    return cgroup.kill();
  }
  PLIMSOLL_ASSIGN(const auto pids, processes_below(record.cgroup));
  for (const int pid : pids) {
    const auto pidfd = kernel::Pidfd::open(pid);
    if (!pidfd) continue;
    auto sent = pidfd->signal(signal);
    if (!sent && sent.error().kind() != ErrorKind::kNotFound) return sent;
  }
  return {};
}

Result<> end_process(const Roots& roots, const Record& record) {
  const auto process = process_of(roots, record);
  if (!process) return {};
  auto sent = process->signal(SIGKILL);
  if (!sent && sent.error().kind() != ErrorKind::kNotFound) return sent;
  pollfd ended{process->fd(), POLLIN, 0};
  if (::poll(&ended, 1, kKillCeilingMs) != 1) return fail("it is still there 10 s after SIGKILL");
  return {};
}

Result<> remove_entry(const Roots& roots, const Entry& entry, const std::string& id, bool force) {
  auto record = entry.read();
  if (!record && !force) return std::unexpected(std::move(record).error());
  if (record) {
    const Status status = status_of(roots, *record, entry);
    if (status == Status::kRunning && !force) {
      return fail("container " + id + " is running: stop it first, or use --force", ErrorKind::kConflict);
    }
    PLIMSOLL_TRY(end_process(roots, *record));
    PLIMSOLL_TRY(remove_container_cgroup(record->cgroup, record->cgroup_topmost));
  } else {
    // Its state is damaged: what runs in the cgroup that is its by default must not be lost sight of.
    PLIMSOLL_ASSIGN(std::string cgroup, cgroup_mount(roots));
    PLIMSOLL_ASSIGN(const std::string below, cgroup_path("", id));
    cgroup += below;
    PLIMSOLL_TRY(remove_container_cgroup(cgroup, cgroup));
  }
  return entry.remove();
}

}  // namespace

std::optional<std::uint64_t> start_time(const std::string& proc, int pid) {
  const auto text = kernel::read_file(proc + "/" + std::to_string(pid) + "/stat");
  if (!text) return std::nullopt;
  // The name (field 2) is in parentheses and may hold anything; after it come state (3) ... starttime (22).
  std::size_t at = text->rfind(')');
  if (at == std::string::npos || at + 2 >= text->size()) return std::nullopt;
  const char state = (*text)[at + 2];
  if (state == 'Z' || state == 'X') return std::nullopt;
  for (int field = 2; field < 22; ++field) {
    at = text->find(' ', at + 1);
    if (at == std::string::npos) return std::nullopt;
  }
  return parse_u64(std::string_view(*text).substr(at + 1, text->find(' ', at + 1) - at - 1));
}

Result<Spawned> launch(const Roots& roots, const Clock& clock, const std::string& id,
                       const LaunchOptions& options) {
  auto spawned = launch_in(roots, clock, id, options);
  if (!spawned)
    return std::unexpected(std::move(spawned).error().in((options.hold ? "create " : "run ") + id));
  return spawned;
}

Result<> start(const Roots& roots, const std::string& id) {
  const auto started = [&]() -> Result<> {
    PLIMSOLL_ASSIGN(const Entry entry, Store(roots.state).open(id));
    PLIMSOLL_ASSIGN(const Record record, entry.read());
    const Status status = status_of(roots, record, entry);
    if (status != Status::kCreated) {
      return fail("it is " + std::string(name_of(status)) + ", not created", ErrorKind::kConflict);
    }
    return entry.open_gate();
  }();
  if (started) return {};
  return std::unexpected(Error(started.error()).in("start " + id));
}

Result<> kill(const Roots& roots, const std::string& id, int signal, bool all) {
  const auto killed = [&]() -> Result<> {
    PLIMSOLL_ASSIGN(const Entry entry, Store(roots.state).open(id));
    PLIMSOLL_ASSIGN(const Record record, entry.read());
    const auto process = process_of(roots, record);
    if (all) return signal_all(record, signal);
    if (!process) return fail("container not running", ErrorKind::kConflict);
    return process->signal(signal);
  }();
  if (killed) return {};
  return std::unexpected(Error(killed.error()).in("kill " + id));
}

Result<> remove(const Roots& roots, const std::string& id, bool force) {
  auto entry = Store(roots.state).open(id);
  if (!entry && force && entry.error().kind() == ErrorKind::kNotFound) return {};
  if (!entry) return std::unexpected(std::move(entry).error().in("delete " + id));
  auto removed = remove_entry(roots, *entry, id, force);
  if (removed) return {};
  return std::unexpected(std::move(removed).error().in("delete " + id));
}

Result<Known> look_up(const Roots& roots, const std::string& id) {
  PLIMSOLL_ASSIGN(const Entry entry, Store(roots.state).open(id));
  PLIMSOLL_ASSIGN(Record record, entry.read());
  const Status status = status_of(roots, record, entry);
  return Known{std::move(record), status};
}

Result<std::vector<Known>> list(const Roots& roots) {
  std::vector<Known> out;
  PLIMSOLL_ASSIGN(const auto ids, Store(roots.state).ids());
  for (const std::string& id : ids) {
    if (auto known = look_up(roots, id)) out.push_back(std::move(*known));
  }
  return out;
}

}  // namespace plimsoll::launch
