#include "agent/enforce/executor.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace plimsoll::enforce {
namespace {

using model::DecisionRecord;
using model::Outcome;

void conclude(DecisionRecord& record, Outcome outcome, std::string_view detail = "") {
  record.outcome = std::string(to_string(outcome));
  if (!detail.empty()) record.detail += (record.detail.empty() ? "" : ": ") + std::string(detail);
}

void conclude_error(DecisionRecord& record, const Error& error) {
  if (error.kind() == ErrorKind::kNotFound) return conclude(record, Outcome::kVanished);
  const int number = error.number();
  const bool refused =
      number == EINVAL || number == EBUSY || number == EPERM || number == EOPNOTSUPP || number == ERANGE;
  conclude(record, refused ? Outcome::kRefused : Outcome::kFailed, error.message());
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

// The control files that a policy may write; a decision for any other is refused.
bool writable(std::string_view file) {
  static constexpr std::string_view kFiles[] = {
      "cpu.max",          "cpu.max.burst", "cpu.weight", "cpu.idle",   "cpuset.cpus",
      "memory.max",       "memory.high",   "memory.low", "memory.min", "memory.swap.max",
      "memory.oom.group", "pids.max",      "io.max",     "io.weight"};
  return std::ranges::find(kFiles, file) != std::end(kFiles);
}

// Every process of the subtree gets the signal through a pidfd that was opened while the process was seen in
// the cgroup; a pid that ended since cannot be mistaken for another one's.
Result<> signal_tree(int dir, int signal, int& signalled) {
  const UniqueFd procs(::openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC));
  if (!procs) return fail_errno("open cgroup.procs");
  const std::unique_ptr<FILE, int (*)(FILE*)> list(::fdopen(::dup(procs.get()), "r"), ::fclose);
  if (!list) return fail_errno("read cgroup.procs");
  for (int pid = 0; std::fscanf(list.get(), "%d", &pid) == 1;) {
    if (pid <= 1) continue;  // 0: outside our pid namespace
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (process && ::syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0) == 0) ++signalled;
  }
  const int copy = ::openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(copy < 0 ? nullptr : ::fdopendir(copy), ::closedir);
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    const UniqueFd child(::openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (child) PLIMSOLL_TRY(signal_tree(child.get(), signal, signalled));
  }
  return {};
}

DecisionRecord record_of(const model::Decision& decision) {
  DecisionRecord record;
  record.policy = decision.policy;
  record.rule = decision.rule;
  record.cause = std::string(to_string(decision.cause));
  record.action = std::string(action_name(decision.action));
  record.container = decision.container->name;
  record.container_id = decision.container->container_id;
  record.cgroup = decision.container->cgroup;
  record.seen = decision.seen;
  return record;
}

}  // namespace

Result<std::optional<kernel::Cgroup>> Executor::open(const model::ContainerRef& container) const {
  const UniqueFd root(::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return fail_errno("open cgroup root " + root_);
  const std::string relative =
      container.cgroup.starts_with('/') ? container.cgroup.substr(1) : container.cgroup;
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const UniqueFd inside(static_cast<int>(
      ::syscall(SYS_openat2, root.get(), relative.empty() ? "." : relative.c_str(), &how, sizeof how)));
  if (!inside) return fail_errno("open cgroup " + container.cgroup);
  PLIMSOLL_ASSIGN(auto cgroup, kernel::Cgroup::open(root_ + "/" + relative));
  if (cgroup.id() != container.id) return std::optional<kernel::Cgroup>();
  return std::optional<kernel::Cgroup>(std::move(cgroup));
}

void Executor::set(const model::SetFile& action, const kernel::Cgroup& cgroup, DecisionRecord& record) {
  record.detail = action.file;
  record.before = action.before;
  record.after = action.value;
  if (!writable(action.file)) return conclude(record, Outcome::kRefused, "not a limit that a policy may set");
  if (!cgroup.has(action.file)) {
    // A vanished cgroup has no files either; its own cgroup.type tells the two apart.
    if (!cgroup.has("cgroup.type")) return conclude(record, Outcome::kVanished);
    return conclude(record, Outcome::kRefused, "this cgroup has no such file: its controller is off");
  }
  if (auto before = cgroup.read(action.file)) record.before = trimmed(std::move(*before));
  if (const auto written = cgroup.write(action.file, action.value); !written) {
    return conclude_error(record, written.error());
  }
  auto after = cgroup.read(action.file);
  if (!after) return conclude_error(record, after.error());
  record.after = trimmed(std::move(*after));
  conclude(record, Outcome::kDone);
}

void Executor::kill(const model::Kill& action, const kernel::Cgroup& cgroup, DecisionRecord& record) {
  record.detail =
      std::string("SIG") + (::sigabbrev_np(action.signal) != nullptr ? ::sigabbrev_np(action.signal) : "?");
  if (action.signal == SIGKILL) {
    const auto killed = cgroup.kill();
    return killed ? conclude(record, Outcome::kDone) : conclude_error(record, killed.error());
  }
  int signalled = 0;
  if (const auto sent = signal_tree(cgroup.fd(), action.signal, signalled); !sent) {
    return conclude_error(record, sent.error());
  }
  record.detail += " to " + std::to_string(signalled) + " processes";
  if (auto again = kernel::Cgroup::open(cgroup.path())) {
    pending_.push_back({clock_.boot() + action.grace, std::move(*again)});
  }
  conclude(record, Outcome::kDone);
}

void Executor::act(const model::Decision& decision, const kernel::Cgroup& cgroup, DecisionRecord& record) {
  if (const auto* set_file = std::get_if<model::SetFile>(&decision.action))
    return set(*set_file, cgroup, record);
  if (const auto* signal = std::get_if<model::Kill>(&decision.action)) return kill(*signal, cgroup, record);
  const bool freeze = std::holds_alternative<model::Freeze>(decision.action);
  const auto frozen = cgroup.freeze(freeze);
  record.before = freeze ? "0" : "1";
  record.after = freeze ? "1" : "0";
  record.detail = "cgroup.freeze";
  if (!frozen) return conclude_error(record, frozen.error());
  conclude(record, Outcome::kDone);
}

DecisionRecord Executor::carry_out(const model::Decision& decision) {
  DecisionRecord record = record_of(decision);
  record.when = clock_.wall();
  if (const auto* set_file = std::get_if<model::SetFile>(&decision.action)) {
    record.detail = set_file->file;
    record.before = set_file->before;
    record.after = set_file->value;
  }
  if (const auto* notify = std::get_if<model::Notify>(&decision.action)) {
    record.detail = notify->text;
    conclude(record, decision.audit ? Outcome::kAudited : Outcome::kDone);
  } else if (!decision.refusal.empty()) {
    conclude(record, Outcome::kRefused, decision.refusal);
  } else if (decision.audit) {
    conclude(record, Outcome::kAudited);
  } else if (auto cgroup = open(*decision.container); !cgroup) {
    conclude_error(record, cgroup.error());
  } else if (!cgroup->has_value()) {
    conclude(record, Outcome::kVanished);
  } else {
    record.detail.clear();
    act(decision, **cgroup, record);
  }
  record.breach_to_effect = std::max(Nanoseconds(0), clock_.boot() - decision.breach);
  return record;
}

void Executor::tick() {
  const BootTime now = clock_.boot();
  std::erase_if(pending_, [&](const PendingKill& one) {
    if (one.when > now) return false;
    (void)one.cgroup
        .kill();  // those that obeyed are gone, and with them perhaps the cgroup: nothing left to do then
    return true;
  });
}

std::optional<BootTime> Executor::next_deadline() const {
  const auto first = std::ranges::min_element(pending_, {}, &PendingKill::when);
  if (first == pending_.end()) return std::nullopt;
  return first->when;
}

}  // namespace plimsoll::enforce
