#include "agent/enforce/executor.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/base/json_text.h"
#include "agent/base/units.h"
#include "agent/enforce/device_value.h"
#include "agent/enforce/signal_tree.h"
#include "agent/kernel/control_files.h"
#include "agent/kernel/text_scan.h"

namespace plimsoll::enforce {
namespace {

using model::DecisionRecord;
using model::Outcome;
using nlohmann::json;

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

// The control files that a policy may write; a decision for any other is refused.
bool writable(std::string_view file) {
  static constexpr std::string_view kFiles[] = {
      "cpu.max",          "cpu.max.burst", "cpu.weight", "cpu.idle",   "cpuset.cpus",
      "memory.max",       "memory.high",   "memory.low", "memory.min", "memory.swap.max",
      "memory.oom.group", "pids.max",      "io.max",     "io.weight"};
  return std::ranges::find(kFiles, file) != std::end(kFiles);
}

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? std::to_string(signal) : name;
}

bool empty(const kernel::Cgroup& cgroup) {
  const auto text = cgroup.read("cgroup.events");
  const auto events = text ? kernel::parse_cgroup_events(*text) : std::unexpected(text.error());
  return events && !events->populated;
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

Result<std::optional<kernel::Cgroup>> Executor::open(const std::string& cgroup_path,
                                                     model::CgroupId id) const {
  const UniqueFd root(::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return fail_errno("open cgroup root " + root_);
  const std::string relative = cgroup_path.starts_with('/') ? cgroup_path.substr(1) : cgroup_path;
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const UniqueFd inside(static_cast<int>(
      ::syscall(SYS_openat2, root.get(), relative.empty() ? "." : relative.c_str(), &how, sizeof how)));
  if (!inside) return fail_errno("open cgroup " + cgroup_path);
  PLIMSOLL_ASSIGN(auto cgroup, kernel::Cgroup::open(root_ + "/" + relative));
  if (cgroup.id() != id) return std::optional<kernel::Cgroup>();
  return std::optional<kernel::Cgroup>(std::move(cgroup));
}

// True: in force, and the kernel still reclaims down to it.
Result<bool> Executor::write(const kernel::Cgroup& cgroup, const model::SetFile& action,
                             const std::string& before) {
  writer_.give_up(cgroup, action.file);
  if (LimitWriter::reclaims(cgroup, action.file, action.value)) {
    return writer_.write(cgroup, action.file, action.value, before);
  }
  PLIMSOLL_TRY(cgroup.write(action.file, action.value));
  return false;
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
  if (auto before = cgroup.read(action.file))
    record.before = value_shown(action.file, action.value, std::move(*before));
  const auto written = write(cgroup, action, record.before);
  if (!written && action.file == "io.weight" && written.error().number() == EOPNOTSUPP) {
    return conclude(
        record, Outcome::kRefused,
        "weights of this disk need the kernel's cost model: enable it in io.cost.qos of the root cgroup");
  }
  if (!written) return conclude_error(record, written.error());
  auto after = cgroup.read(action.file);
  if (!after) return conclude_error(record, after.error());
  record.after = value_shown(action.file, action.value, std::move(*after));
  conclude(record, Outcome::kDone, *written ? "in force, the kernel still reclaims down to it" : "");
}

void Executor::reclaim(const model::ReclaimMemory& action, const kernel::Cgroup& cgroup,
                       DecisionRecord& record) {
  record.detail = "memory.reclaim " + format_bytes(action.amount);
  if (!cgroup.has("memory.reclaim")) {
    if (!cgroup.has("cgroup.type")) return conclude(record, Outcome::kVanished);
    return conclude(record, Outcome::kRefused,
                    "this cgroup has no such file: its controller is off, or the kernel is older than 5.19");
  }
  const auto current = [&] {
    const auto text = cgroup.read("memory.current");
    return text ? std::string(kernel::without_newline(*text)) : std::string();
  };
  record.before = current();
  const auto done = writer_.reclaim(cgroup, action.amount);
  record.after = current();
  if (!done) return conclude_error(record, done.error());
  conclude(record, Outcome::kDone,
           *done == LimitWriter::Reclaimed::kAll    ? ""
           : *done == LimitWriter::Reclaimed::kLess ? "less could be taken away than was asked for"
                                                    : "the kernel still reclaims");
}

void Executor::kill(const model::Kill& action, model::CgroupId id, const kernel::Cgroup& cgroup,
                    DecisionRecord& record) {
  record.detail = "SIG" + signal_name(action.signal);
  if (action.signal == SIGKILL) {  // reaches frozen processes too
    const auto killed = cgroup.kill();
    return killed ? conclude(record, Outcome::kDone) : conclude_error(record, killed.error());
  }
  pending_.push_back({clock_.boot() + action.grace, id, action.grace, record});
  persist();
  const auto signalled = signal_tree(cgroup.fd(), action.signal);
  if (!signalled) {
    pending_.pop_back();
    persist();
    return conclude_error(record, signalled.error());
  }
  record.detail += " to " + std::to_string(*signalled) + (*signalled == 1 ? " process" : " processes");
  // The signal waits for the thaw: sent first, so that nothing runs in between.
  if (const auto frozen = cgroup.read("cgroup.freeze"); frozen && kernel::without_newline(*frozen) == "1") {
    if (const auto thawed = cgroup.freeze(false); !thawed) return conclude_error(record, thawed.error());
    record.detail += ", thawed";
  }
  conclude(record, Outcome::kDone);
}

// Plimsoll's own containers only: others are their runtime's to stop.
void Executor::end(const model::Decision& decision, const kernel::Cgroup& cgroup, DecisionRecord& record) {
  const model::ContainerRef& ref = *decision.container;
  if (ref.runtime != model::Runtime::kPlimsoll) {
    return conclude(record, Outcome::kRefused,
                    "only Plimsoll's own containers can be stopped, this is one of " +
                        std::string(to_string(ref.runtime)) + "'s; see kill");
  }
  const auto* stop = std::get_if<model::Stop>(&decision.action);
  const auto grace = stop != nullptr ? stop->grace : std::get<model::Restart>(decision.action).grace;
  const auto begun = endings_.begin({.id = ref.container_id,
                                     .restart = stop == nullptr,
                                     .grace = grace,
                                     .cgroup = ref.id,
                                     .record = record});
  if (!begun) return conclude_error(record, begun.error());
  persist();
  record.detail = "begun, grace " + (grace ? format_duration(*grace) : "of the container");
  // A frozen one would not see the signal.
  if (const auto frozen = cgroup.read("cgroup.freeze"); frozen && kernel::without_newline(*frozen) == "1") {
    if (const auto thawed = cgroup.freeze(false); !thawed) return conclude_error(record, thawed.error());
    record.detail += ", thawed";
  }
  conclude(record, Outcome::kDone);
}

void Executor::act(const model::Decision& decision, const kernel::Cgroup& cgroup, DecisionRecord& record) {
  if (const auto* set_file = std::get_if<model::SetFile>(&decision.action))
    return set(*set_file, cgroup, record);
  if (const auto* signal = std::get_if<model::Kill>(&decision.action))
    return kill(*signal, decision.container->id, cgroup, record);
  if (const auto* less = std::get_if<model::ReclaimMemory>(&decision.action))
    return reclaim(*less, cgroup, record);
  if (std::holds_alternative<model::Stop>(decision.action) ||
      std::holds_alternative<model::Restart>(decision.action))
    return end(decision, cgroup, record);
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
  if (const auto* less = std::get_if<model::ReclaimMemory>(&decision.action))
    record.detail = "memory.reclaim " + format_bytes(less->amount);
  if (const auto* notify = std::get_if<model::Notify>(&decision.action)) {
    record.detail = model::words_of(*notify);
    conclude(record, decision.audit ? Outcome::kAudited : Outcome::kDone);
  } else if (!decision.refusal.empty()) {
    conclude(record, Outcome::kRefused, decision.refusal);
  } else if (decision.audit) {
    conclude(record, Outcome::kAudited);
  } else if (auto cgroup = open(decision.container->cgroup, decision.container->id); !cgroup) {
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

std::vector<DecisionRecord> Executor::tick() {
  writer_.reap();
  const BootTime now = clock_.boot();
  std::vector<DecisionRecord> records;
  const auto settled = std::erase_if(pending_, [&](const PendingKill& one) {
    const auto cgroup = open(one.record.cgroup, one.id);
    if (!cgroup || !cgroup->has_value() || empty(**cgroup)) return true;  // all of them obeyed
    if (paused_ || one.when > now) return false;
    DecisionRecord record = one.record;
    record.when = clock_.wall();
    record.detail = "SIGKILL after the grace of " + format_duration(one.grace);
    record.breach_to_effect = now - one.when + one.grace;
    const auto killed = (*cgroup)->kill();
    killed ? conclude(record, Outcome::kDone) : conclude_error(record, killed.error());
    records.push_back(std::move(record));
    return true;
  });
  auto ended = endings_.take_ended();
  if (settled > 0 || !ended.empty()) persist();
  std::ranges::move(ended, std::back_inserter(records));
  return records;
}

std::optional<BootTime> Executor::next_deadline() const {
  if (paused_) return std::nullopt;
  const auto first = std::ranges::min_element(pending_, {}, &PendingKill::when);
  if (first == pending_.end()) return std::nullopt;
  return first->when;
}

void Executor::pause(bool paused) {
  if (!std::exchange(paused_, paused) || paused || pending_.empty()) return;
  for (PendingKill& one : pending_) one.when = clock_.boot() + one.grace;
  persist();
}

namespace {

json saved_record(const DecisionRecord& record) {
  return {{"cgroup", record.cgroup},
          {"policy", record.policy},
          {"rule", record.rule},
          {"cause", record.cause},
          {"action", record.action},
          {"container", record.container},
          {"container_id", record.container_id}};
}

DecisionRecord restored_record(const json& saved) {
  DecisionRecord record;
  record.cgroup = saved.at("cgroup");
  record.policy = saved.at("policy");
  record.rule = saved.at("rule");
  record.cause = saved.at("cause");
  record.action = saved.at("action");
  record.container = saved.at("container");
  record.container_id = saved.at("container_id");
  return record;
}

}  // namespace

std::string Executor::saved() const {
  json kills = json::array(), endings = json::array();
  for (const PendingKill& one : pending_) {
    kills.push_back(saved_record(one.record));
    kills.back().update(
        {{"when", one.when.since_boot.count()}, {"inode", one.id.inode}, {"grace", one.grace.count()}});
  }
  for (const Endings::Job& one : endings_.pending()) {
    endings.push_back(saved_record(one.record));
    endings.back().update({{"restart", one.restart},
                           {"inode", one.cgroup.inode},
                           {"grace", one.grace ? one.grace->count() : -1}});
  }
  if (kills.empty() && endings.empty()) return "";
  return json_text(json{{"version", 1}, {"kills", std::move(kills)}, {"endings", std::move(endings)}});
}

void Executor::persist() const {
  if (persist_) persist_(saved());
}

Result<> Executor::restore(const std::string& state) {
  if (state.empty()) return {};
  std::vector<PendingKill> restored;
  std::vector<Endings::Job> endings;
  try {
    const json text = json::parse(state);
    for (const json& one : text.at("kills")) {
      restored.push_back({.when = BootTime{Nanoseconds(one.at("when").get<std::int64_t>())},
                          .id = {one.at("inode").get<std::uint64_t>()},
                          .grace = Nanoseconds(one.at("grace").get<std::int64_t>()),
                          .record = restored_record(one)});
    }
    for (const json& one : text.value("endings", json::array())) {
      const auto grace = one.at("grace").get<std::int64_t>();
      DecisionRecord record = restored_record(one);
      endings.push_back({.id = record.container_id,
                         .restart = one.at("restart"),
                         .grace = grace < 0 ? std::nullopt : std::optional(Nanoseconds(grace)),
                         .cgroup = {one.at("inode").get<std::uint64_t>()},
                         .record = std::move(record)});
    }
  } catch (const json::exception& error) {
    return invalid(std::string("saved state of the executor: ") + error.what());
  }
  pending_ = std::move(restored);
  for (Endings::Job& one : endings) resume(std::move(one));
  return {};
}

// Not where the container has come to a new beginning meanwhile; nor a stop where it has come to its end. A
// restart that had come as far must not leave it there.
void Executor::resume(Endings::Job job) {
  const auto cgroup = open(job.record.cgroup, job.cgroup);
  const bool gone = !cgroup && cgroup.error().kind() == ErrorKind::kNotFound;
  const bool same = cgroup && cgroup->has_value();
  const bool runs = same && !empty(**cgroup);
  if (runs || (job.restart && (gone || same))) (void)endings_.begin(std::move(job));
}

}  // namespace plimsoll::enforce
