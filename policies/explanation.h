// What the engine knows of one container, or of the host: which policies select it, what holds its limits,
// and where each rule stands. Values, for policies/render.h; durations are as of the moment of the question.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "policies/document.h"

namespace plimsoll::policies {

struct PolicyState {
  std::string name, file;
  Place place;
  std::int64_t priority = 0;
  Mode mode = Mode::kEnforce;
  bool host = false;
  // A Policy: its limits and rules apply. A HostPolicy: one of its rules may choose the container as victim.
  bool applies = false;
  std::string why_not;  // the first thing that fails: "label tier is 'web', expected batch"
};

// One limit of the cgroup, held by a policy or not. Texts are the kernel's; empty where not known.
struct FieldState {
  std::string field;         // "memory.high"
  std::string device;        // "8:0", for the limits of a disk
  std::string wanted;        // by the policy that has the last word; empty: nobody holds it
  std::string now;           // in the last sample
  std::string original;      // before the first write, and again once nobody holds it
  std::string policy, rule;  // who has the last word; rule "limits" or a rule's name
  bool audit = false;        // only reported, never written
  bool held = false;         // the kernel took it
  std::string problem;       // why the last try to write it did not do
  Nanoseconds retry_in{0};
  // Who else sets it, highest priority first: policy, rule, value.
  struct Overruled {
    std::string policy, rule, wanted;
  };
  std::vector<Overruled> overruled;
};

struct ComparisonState {
  std::string text;         // "memory.usage > 80% of memory.max"
  std::string op;           // ">"
  std::string left, right;  // as people read them: "90MiB"; empty where unknown
  Truth truth = Truth::kUnknown;
  std::string why_unknown;
};
struct HoldState {
  std::string text;  // "memory.usage > 80% of memory.max for 10s"
  Nanoseconds needed{0};
  std::optional<Nanoseconds> held;  // nullopt: its condition does not hold now
};
struct ConditionState {
  std::string text;
  Truth truth = Truth::kUnknown;
  std::string why_unknown;                   // the first reason
  std::vector<ComparisonState> comparisons;  // empty where there is no sample to read
  std::vector<HoldState> holds;
};

enum class RulePhase {
  kUnseen,   // not evaluated yet
  kIdle,     // its condition is false
  kUnknown,  // its condition cannot be told
  kHolding,  // true in part: a `for` has begun
  kFired,    // active: `until` has not come yet, or its ladder has steps left
  kWaiting,  // active: inside a `wait` or a `freeze` of its ladder
  kCooling,  // over, and its cooldown has not ended
  kSpent,    // has fired, and fires again once its condition was false in between
  kPaused,   // would fire, but all enforcement is paused
};
std::string_view to_string(RulePhase phase);  // "unseen", "idle", ...

struct RuleState {
  std::string policy, rule;
  bool audit = false;
  RulePhase phase = RulePhase::kUnseen;
  ConditionState when;
  std::optional<ConditionState> until;
  bool active = false;
  std::size_t step = 0, steps = 0;    // taken, of `then`
  std::vector<std::string> notifies;  // the targets of its `notify` steps
  bool told = false;                  // they were told, and not yet that it is over
  std::optional<Nanoseconds> wait_left;
  Nanoseconds cooldown_left{0};
  std::optional<Nanoseconds> fired_ago;                   // its last firing, since the agent began
  std::vector<std::pair<std::string, std::string>> seen;  // the values of then
};

// A BPF probe that is not up, so that rules cannot know what they ask for.
struct MissingProbe {
  std::string probe, why;  // "sched", "switched off"
  std::vector<std::string> signals;
};

struct Explanation {
  std::string container, container_id, cgroup;  // the host: "host", "", "/"
  bool known = false;                           // was it in an evaluation yet
  std::string untouchable;                      // not empty: why nothing is ever done to it
  bool paused = false;
  std::string frozen_by;                     // "policy/rule, ..." that hold it frozen
  std::optional<Nanoseconds> thaw_in;        // nullopt where frozen: until a rule ends it
  std::vector<MissingProbe> missing_probes;  // that `rules` read signals of
  std::vector<PolicyState> policies;         // highest priority first
  std::vector<FieldState> fields;            // in the order of fields()
  std::vector<RuleState> rules;  // of the policies that apply; then of HostPolicies that may choose it
};

}  // namespace plimsoll::policies
