// A policy as loaded: typed, checked, compiled. Immutable once it is in a PolicySet.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/model/container_ref.h"
#include "agent/model/decision.h"
#include "agent/model/notify_target.h"
#include "policies/diagnostic.h"
#include "policies/expression.h"
#include "policies/field.h"
#include "policies/glob.h"
#include "policies/host_cpus.h"
#include "policies/recommender.h"

namespace plimsoll::policies {

// All keys that are given must match; the alternatives inside a key are any-of.
struct Selector {
  std::map<std::string, std::vector<Glob>> labels;
  std::vector<Glob> names, images, cgroups, namespaces;
  std::vector<model::Runtime> runtimes;  // empty: our own containers only
  std::shared_ptr<const Selector> except;
  bool matches(const model::ContainerRef& ref) const;
  // The same, but without `runtimes` it is for containers of any.
  bool covers(const model::ContainerRef& ref) const;
  // The first key that does not match, and what was there instead: "label tier is 'web', expected batch".
  // Empty where it matches.
  std::string why_not(const model::ContainerRef& ref) const;
};

// A limit in `limits`: the kernel's text, or a share of this policy's own memory.max.
struct LimitValue {
  FieldId field = 0;
  std::string text;
  Place place;
  std::string device;  // as the policy names it, where the field is per device
};

struct SetStep {
  FieldId field = 0;
  std::optional<Expression> value;  // nullopt: "max", a text, or a change
  std::string text;                 // where it is not computed
  std::optional<double> change;     // "+10%" is 0.1 of what the cgroup has now
  std::optional<double> bound;      // "up to" / "down to"
  bool force = false;
  Place place;
};
struct FreezeStep {
  std::optional<Nanoseconds> duration;
  Place place;
};
struct ThawStep {};
// HostPolicy: whom an action is for. Those that `prefer` covers come first and those that `avoid` covers
// last, whatever their values; among equals the one with the most, or the least, of a signal.
struct Victim {
  Selector among;
  bool least = false;
  SignalId by = 0;
  std::optional<Selector> prefer, avoid;
};
struct KillStep {
  int signal = 15;
  Nanoseconds grace{std::chrono::seconds(10)};
  std::optional<Victim> victim;
};
// Stop or restart: Plimsoll's own containers only.
struct EndStep {
  bool restart = false;
  std::optional<Nanoseconds> grace;  // nullopt: the container's own
  std::optional<Victim> victim;
  Place place;
};
struct ReclaimStep {
  Expression amount;
};
struct TargetName {
  std::string name;
  Place place;
};
struct NotifyStep {
  std::string text;            // with {{container.name}} and {{SIGNAL}}
  std::vector<TargetName> to;  // no two alike, each in PolicySet::targets
  model::Severity severity = model::Severity::kWarning;
};
struct WaitStep {
  Nanoseconds duration;
};
using Step =
    std::variant<SetStep, FreezeStep, ThawStep, KillStep, NotifyStep, WaitStep, EndStep, ReclaimStep>;

const Victim* victim_of(const Step& step);          // null: the container itself, or nobody
const Expression* expression_of(const Step& step);  // what it computes; null: nothing

struct Rule {
  std::string name;
  Expression when;
  std::optional<Expression> until;
  std::optional<Nanoseconds> cooldown;
  std::vector<Step> then;
  std::string fingerprint;  // a reload keeps the state of a rule whose text is the same
};

// What is done where somebody else writes a limit that a policy holds.
struct Drift {
  // After so many corrections the file is left to whoever writes it; 0: at once. nullopt: held, whatever
  // comes.
  std::optional<unsigned> yield_after;
};

enum class Mode { kEnforce, kAudit, kOff };
std::string_view to_string(Mode mode);

// `autosize` of one resource: what limit fits, from what is used.
enum class SizeMode { kOff, kRecommend, kEnforce };
std::string_view to_string(SizeMode mode);
struct SizeRule {
  SizeMode mode = SizeMode::kRecommend;
  Sizing sizing;
  // Memory only: not from what is used, but from how little does without pressure. kEnforce then takes cold
  // memory away step by step (memory.reclaim), and sets no limit.
  bool seek_pressure = false;
  double pressure = 0.001;  // share of time that may be stalled for memory
  Place place;
};

struct Policy {
  std::string name, description, file;
  Place place;
  bool host = false;  // kind: HostPolicy
  std::int64_t priority = 0;
  Mode mode = Mode::kEnforce;
  Drift drift;
  Selector select;
  std::vector<LimitValue> limits;
  std::vector<Rule> rules;
  std::optional<SizeRule> size_cpu, size_memory;
};

// kind: NotifyTarget
struct Target {
  model::NotifyTarget sends;
  std::string description, file;
  Place place;
};

struct PolicySet {
  // Sorted by priority, lowest first; equal ones by name, backwards: whoever comes later wins.
  std::vector<Policy> policies;
  std::vector<Target> targets;  // by name
};

// Where the rule's notifications are sent, each once.
std::vector<std::string> targets_of(const Rule& rule);
// The disks that its limits name, each once.
std::vector<std::string> devices_of(const PolicySet& set);

// Whether a HostPolicy that is not off looks at how much memory the host has left.
bool guards_memory(const PolicySet& set);

struct LoadOutcome {
  std::shared_ptr<const PolicySet> set;  // null where there is an error
  std::vector<Diagnostic> diagnostics;   // errors and warnings, by file and place
  bool good() const { return set != nullptr; }
};

struct PolicyFile {
  std::string name, text;
};
// With `host`, limits that this machine cannot hold are errors; without, the files are for any machine.
LoadOutcome load_texts(const std::vector<PolicyFile>& files, const std::optional<HostCpus>& host = {});
// All *.yaml and *.yml of the folder, by name. kSystem: unreadable.
Result<std::vector<PolicyFile>> read_folder(const std::string& folder);
// The policies of a folder; one that is not there holds none. kSystem: unreadable.
Result<LoadOutcome> load_folder(const std::string& folder, const std::optional<HostCpus>& host = {});

}  // namespace plimsoll::policies
