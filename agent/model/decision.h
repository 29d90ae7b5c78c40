// What the policy engine wants done (Decision), and what came of it (DecisionRecord). The same record is
// stored in the audit log, counted in the metrics and shown by the CLI and the API.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/units.h"
#include "agent/model/container_ref.h"

namespace plimsoll::model {

// Write `value` into the control file `file` of the container's cgroup ("memory.high" <- "134217728").
struct SetFile {
  std::string file;
  std::string value;   // as the kernel takes it; "max" for no limit
  std::string before;  // what the engine saw there
};
struct Freeze {
  std::optional<Nanoseconds> duration;  // thawed again after it; nullopt: until the rule's `until` or a thaw
};
struct Thaw {};
struct Kill {
  int signal = 15;
  Nanoseconds grace{0};  // then SIGKILL to what is left (cgroup.kill)
};
struct Notify {
  std::string text;  // template already filled in
};
// Take memory away that is not in use (memory.reclaim). Less may be found than was asked for.
struct ReclaimMemory {
  Bytes amount;
};
// End the container for good, as `plimsoll stop` does: its restart policy does not bring it back. Plimsoll's
// own only; `grace` nullopt: the container's own.
struct Stop {
  std::optional<Nanoseconds> grace;
};
struct Restart {
  std::optional<Nanoseconds> grace;
};
using Action = std::variant<SetFile, Freeze, Thaw, Kill, Notify, ReclaimMemory, Stop, Restart>;
// "set" | "freeze" | "thaw" | "kill" | "notify" | "reclaim" | "stop" | "restart"
std::string_view action_name(const Action& action);

// Why the engine decided: a limit not yet held, a limit that someone else changed, a rule that fired or was
// put back, a size that was found to fit.
enum class Cause { kLimit, kDrift, kRule, kUntil, kAutosize };
std::string_view to_string(Cause cause);  // "limit" | "drift" | "rule" | "until" | "autosize"

enum class Outcome {
  kDone,
  kAudited,   // mode: audit; nothing was touched
  kVanished,  // the container was gone before the action
  kRefused,   // the safety rules or the kernel said no; see DecisionRecord::detail
  kFailed,
};
std::string_view to_string(Outcome outcome);  // "done" | "audited" | "vanished" | "refused" | "failed"

struct Decision {
  std::shared_ptr<const ContainerRef> container;
  std::string policy;
  std::string rule;  // a rule's name; "limits" for Cause::kLimit and kDrift; "autosize"
  Cause cause = Cause::kRule;
  bool audit = false;    // decide and report, touch nothing
  std::size_t step = 0;  // of the rule's ladder, where the cause is kRule
  Action action;
  std::string refusal;  // not empty: a safety rule forbids the action; it is recorded, not carried out
  std::vector<std::pair<std::string, std::string>> seen;  // signal -> value as text, in the condition's order
  BootTime breach;   // when the condition began to hold (before its `for`)
  BootTime decided;  // when the engine decided
};

struct DecisionRecord {
  std::int64_t id = 0;  // the audit log's, ascending; 0 where not yet stored
  WallTime when;
  std::string policy, rule;
  std::string cause, action, outcome;  // as to_string() gives them
  std::string container;               // name
  std::string container_id;            // the runtime's id
  std::string cgroup;
  std::string detail;         // "memory.high", the notification's text, or why it was refused or failed
  std::string before, after;  // values of the file set; empty for other actions
  std::vector<std::pair<std::string, std::string>> seen;
  Nanoseconds breach_to_effect{0};
};

// How many decisions there were of one kind; the words are DecisionRecord's.
struct DecisionCount {
  std::string policy, rule, action, outcome;
  std::uint64_t count = 0;
};

}  // namespace plimsoll::model
