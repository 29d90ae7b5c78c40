// The policy engine: snapshots, events and time in, decisions out. Pure: it reads no clock and touches
// nothing; the same code runs live, in audit mode and over history. Not thread-safe: one loop owns it.
//
// For each container, each time it is evaluated:
//  1. Its rules are moved on: `when` fires a rule, its steps give decisions, a `set` becomes an overlay;
//     `until` takes the overlay away again.
//  2. Limits and overlays of all policies that select it are merged, by priority, into one wanted value a
//     field. A limit that `autosize` enforces comes before what its own policy's limits and rules say, and so
//     below them.
//  3. What the cgroup has is compared with what is wanted, and with what the kernel took when it was last
//     written: a difference is a decision, kLimit the first time, kDrift where someone else wrote, kRule and
//     kUntil for overlays.
//  4. A field that nobody wants any more gets back what it was before the first write. It is forgotten when
//     that is reported done, not when it is decided: until then it is kept, saved, and tried again.
//  5. Targets that a rule notified are told once when that is over: when it, its policy or the container
//  ends.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/model/decision.h"
#include "agent/model/event.h"
#include "agent/model/sample.h"
#include "policies/document.h"
#include "policies/explanation.h"
#include "policies/history.h"
#include "policies/sizer.h"

namespace plimsoll::policies {

struct EngineOptions {
  // Cgroups that are never acted on, with all below: the agent's own, PID 1's, the shims'; nor
  // those that hold them. "/" stands for itself only.
  std::vector<std::string> untouchable;
  std::size_t kills_a_minute = 10;  // of the whole host
};

class Engine {
 public:
  explicit Engine(EngineOptions options);
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  // From the next evaluation on. State of rules whose text is unchanged is kept; overlays of others are taken
  // back.
  void use(std::shared_ptr<const PolicySet> set);
  // The disks that policies name (devices_of), as this host has them now; call it again when disks may have
  // come or gone. One that is not there: a limit of it is refused with `problem`. "8:0" stands for itself
  // where it is not named.
  struct Disk {
    std::string number;   // "8:0"
    std::string problem;  // where there is no number
  };
  void use_devices(std::map<std::string, Disk> disks) { disks_ = std::move(disks); }
  void pause(bool paused) { paused_ = paused; }

  std::vector<model::Decision> evaluate(const model::Snapshot& snapshot,
                                        std::span<const model::Event> events);
  // What came of a decision. A write that was refused or failed is tried again after 10 s, then 20, up to 5
  // min; another action after 1 s, then 2, 4 and 8, while its rule's condition holds. True: this was the
  // last try.
  bool report(const model::Decision& decision, const model::DecisionRecord& record);
  // What came of a stop or restart that was reported begun (kDone). Until then its rule does not end by its
  // cooldown, and one that fails counts among the tries.
  bool report_later(const model::DecisionRecord& record, BootTime now);

  // When the next `for`, `wait`, cooldown, thaw or retry comes due, as of the last evaluation and the reports
  // since; always after the samples that were evaluated. Sample anew at that moment and evaluate: values
  // older than it do not count. nullopt: nothing but a new value can change a decision.
  std::optional<BootTime> next_deadline() const { return due_; }

  // Where everything stands for one container, as of its sample in `snapshot`; without one (or where it is
  // not in it) rules and fields are told without the values of the moment.
  Explanation explain(const model::ContainerRef& ref, const model::Snapshot* snapshot = nullptr) const;
  // The same for HostPolicies.
  Explanation explain_host(const model::Snapshot* snapshot = nullptr) const;

  // What each container that a policy's `autosize` selects should be limited to, as far as is known.
  std::vector<model::Recommendation> recommendations() const;
  // What workloads were seen to use: to be kept over restarts and reboots alike, by itself.
  std::string save_sizes() const { return sizer_.save(); }
  Result<> restore_sizes(const std::string& text) { return sizer_.restore(text); }

  // What targets were told of and is not over: to hold a sender's own memory against.
  struct Alert {
    std::string policy, rule, cgroup;
    auto operator<=>(const Alert&) const = default;
  };
  std::set<Alert> alerts() const;

  // What must survive a restart of the agent: values before the first write, values held, active rules,
  // cooldowns, freezes. Times are since boot: keep the text with the boot id, and give it back to the same
  // boot only (inodes of cgroups are used again after a reboot).
  std::string save() const;
  // Call after use(), which says whose rules' state is still good. Containers that are gone since are
  // forgotten at the first evaluation. Malformed text is kInvalid and changes nothing.
  Result<> restore(const std::string& text);

 private:
  static constexpr std::string_view kAutosize = "autosize";  // the rule's name in decisions
  struct RuleKey {
    std::string policy, rule;
    auto operator<=>(const RuleKey&) const = default;
  };
  // Looked up for each rule of each container in each tick, without making the strings of a key.
  struct RuleName {
    std::string_view policy, rule;
    RuleName(const Policy& of, const Rule& named) : policy(of.name), rule(named.name) {}
    RuleName(const RuleKey& key) : policy(key.policy), rule(key.rule) {}  // NOLINT: a key is a name
    auto operator<=>(const RuleName&) const = default;
  };
  struct RuleOrder {
    using is_transparent = void;
    bool operator()(const RuleName& a, const RuleName& b) const { return a < b; }
  };
  // What a rule has told targets of, and has not yet told them is over.
  struct Told {
    std::shared_ptr<const model::ContainerRef> ref;
    model::Notify last;  // to everyone who was told
    std::vector<std::pair<std::string, std::string>> seen;
    bool audit = false;
  };
  struct RuleRun {
    // What each evaluation touches stands together.
    std::vector<HoldTimer> when_timers;
    Truth truth = Truth::kUnknown;
    bool active = false;  // fired, and not yet put back
    bool was_true = false;
    bool told_freeze = false;  // audited and without an end of its own: its thaw is to be told as well
    unsigned given_up = 0;     // firings in a row of which a step was given up
    std::optional<BootTime> cooldown_ends;
    std::map<FieldId, std::string> overlay;

    Reading why;
    std::vector<HoldTimer> until_timers;
    std::size_t step = 0;                 // the next of `then`
    std::optional<BootTime> waits_since;  // a `wait` step is going on
    std::optional<BootTime> resumes;      // a `freeze` is going on, and steps follow it
    std::optional<BootTime> fired;
    BootTime breach;  // of the last step taken, with the values that were seen
    std::vector<std::pair<std::string, std::string>> seen;
    std::optional<Told> told;
    // Of steps that were decided and did not do, by their place in the ladder.
    struct Tried {
      unsigned times = 0;
      std::optional<BootTime> next;  // nullopt: decided, outcome not yet reported
      bool put_off = false;          // by a safety rule that says itself when: no failure
      bool begun = false;            // a stop or restart that goes on: report_later() tells its outcome
    };
    std::map<std::size_t, Tried> tries;
    std::string fingerprint;
  };
  struct Held {
    std::string original;  // before the first write
    std::string wanted;    // what was last asked for
    std::string accepted;  // what the kernel made of it; empty: not yet taken
    std::string policy, rule;
    bool audit = false;
    std::optional<BootTime> next_try;
    Nanoseconds pause{0};
    // When the last write took effect: a sample from before it says nothing of who wrote what.
    std::optional<BootTime> effective;
    bool in_flight = false;  // decided, outcome not yet reported
    bool written = false;    // at least once, by us: there is something to put back
    bool releasing = false;  // nobody wants it any more, and `original` is being put back
    bool refused = false;    // by a safety rule, and told; looked at again at each evaluation
    unsigned tries = 0;
    std::optional<std::string> given_up_at;  // what the file held when the last try failed
    unsigned corrections = 0;                // of what somebody else wrote, one soon after the other
    std::optional<BootTime> corrected;
    bool yielded = false;          // left to whoever else writes it
    std::uint64_t generation = 0;  // of the policies under which it was last looked at
    std::string problem;           // why the last try did not do
    void begin_anew() {            // another value is to be written: what came of the last one says nothing
      accepted.clear();
      problem.clear();
      next_try.reset();
      pause = Nanoseconds(0);
      in_flight = false;
      refused = false;
      tries = 0;
      given_up_at.reset();
    }
  };
  // A thaw that was decided and is not yet reported done.
  struct Thawing {
    std::string policy, rule;
    bool in_flight = true;
    std::optional<BootTime> next_try;
    Nanoseconds pause{0};
    unsigned tries = 0;
  };
  // Who has the last word on sizing one resource; null where nobody sizes it.
  struct SizedBy {
    const Policy* policy = nullptr;
    const SizeRule* rule = nullptr;
    explicit operator bool() const { return rule != nullptr; }
  };
  struct SizeWish {
    const Policy* policy = nullptr;
    FieldId field = 0;
    std::string value;
    std::vector<std::pair<std::string, std::string>> seen;
  };
  struct Tracked {
    std::string container_id;
    std::shared_ptr<const model::ContainerRef> ref;
    History history;
    // What selects it, lowest priority first; found anew when its ref or the set is another one.
    std::vector<const Policy*> selected;
    std::vector<RuleRun*> runs;  // of their rules, in order: entries of `rules`
    std::shared_ptr<const PolicySet> selected_from;
    SizedBy sized_cpu, sized_memory;
    std::vector<SizeWish> size_wishes;  // limits that enforcing autosize has come to
    std::map<RuleKey, RuleRun, RuleOrder> rules;
    std::map<FieldKey, Held> fields;
    // Original values just written back, and when: a sample from before still shows what was taken away.
    std::map<FieldKey, std::pair<BootTime, std::string>> given_back;
    // By the rule that froze it, the end: nullopt until the rule's `until`, its `thaw` or its end. The
    // container is thawed when no rule holds it frozen any more.
    std::map<RuleKey, std::optional<BootTime>, RuleOrder> freezes;
    std::optional<Thawing> thawing;
    std::uint64_t seen = 0;
  };
  class View;
  struct State;  // as save() gives it and restore() takes it
  struct Turn;   // one container's evaluation
  struct Wanted {
    std::string_view value, policy, rule;  // of the policy, or of its rule's run
    Drift drift;
    bool audit = false, force = false;
    model::Cause cause = model::Cause::kLimit;
    const RuleRun* run = nullptr;    // whose overlay it is
    const SizeWish* size = nullptr;  // where it is autosize's
  };
  // One wish of one policy: of its limits where neither `rule` nor `size` is there.
  struct Wish {
    const Policy& policy;
    const Rule* rule;
    const RuleRun* run;
    const SizeWish* size;
    FieldKey field;
    const std::string& value;
    std::string_view by() const {
      return size != nullptr ? kAutosize : rule != nullptr ? std::string_view(rule->name) : "limits";
    }
  };
  class Wishes;  // one Wanted a field

  // Every limit and overlay of the policies that select the container, lowest priority first:
  // visit(const Wish&).
  template <typename Visit>
  void each_wish(const Tracked& tracked, Visit visit) const;
  void due(BootTime at) { due_ = due_ ? std::min(*due_, at) : at; }
  bool untouchable(const std::string& cgroup) const;
  void evaluate_container(const model::ContainerSample& one, const model::Snapshot& snapshot);
  void evaluate_host(const model::Snapshot& snapshot);
  void run_rule(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run);
  static RuleRun& run_of(Tracked& tracked, const Policy& policy, const Rule& rule);
  void run_steps(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run);
  bool take_step(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run, const Step& step);
  void set_step(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run, const SetStep& step);
  void note_deadlines(const Turn& turn, const Rule& rule, const RuleRun& run);
  void end_rule(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run);
  void notify(const Turn& turn, RuleRun& run, const NotifyStep& step, model::Decision made);
  void end_told(const RuleKey& key, const RuleRun& run);
  void end_told(const Tracked& tracked);
  void tell_ended(const model::Snapshot& snapshot);
  void freeze(Turn& turn, RuleRun& run, const FreezeStep& step, model::Decision made);
  void thaw(Turn& turn, const RuleKey& rule, model::Decision made);
  void end_freeze(Turn& turn, const RuleKey& rule, RuleRun& run, bool audit);
  void thaw_when_due(Turn& turn);
  bool report_thaw(const model::Decision& decision, const model::DecisionRecord& record, Tracked& tracked);
  void select(Tracked& tracked, const std::shared_ptr<const model::ContainerRef>& ref);
  model::Decision of_step(const Turn& turn, const Policy& policy, const Rule& rule, const RuleRun& run,
                          const Step& step) const;
  static bool acts_once(const Step& step);
  void act(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run, const Step& step);
  void try_again(Turn& turn, const Policy& policy, const Rule& rule, RuleRun& run);
  const model::ContainerSample* choose_victim(const Turn& turn, const Victim& whom, double& value) const;
  Reading value_of(const Turn& turn, const model::ContainerSample& one, SignalId signal) const;
  bool aim(const Turn& turn, const Victim& whom, model::Decision& made) const;
  std::optional<BootTime> put_off(BootTime now, const model::Decision& made, std::string& why);
  RuleRun* run_of(const std::string& policy, const std::string& rule, Tracked* tracked);
  std::optional<bool> report_act(const model::Decision& decision, const model::DecisionRecord& record,
                                 Tracked* tracked);
  bool report_step(RuleRun& run, std::size_t step, bool done, BootTime at);
  static bool report_field(const FieldKey& key, Held& held, const model::Decision& decision,
                           const model::DecisionRecord& record);
  static Nanoseconds rest_after(Nanoseconds cooldown, unsigned given_up);
  static SizedBy sized_by(const Tracked& tracked, std::optional<SizeRule> Policy::* resource);
  void size(Turn& turn, const model::ContainerSample& one);
  void size_memory(Turn& turn, Sizer::Living& living);
  void size_cpu(Turn& turn, Sizer::Living& living);
  void probe(Turn& turn, Sizer::Living& living);
  void note_steps(const Turn& turn, const Sizer::Resource& resource);
  void step_memory(Turn& turn, Sizer::Living& living);
  static void step_cpu(Turn& turn, Sizer::Living& living);
  static bool take_up(const Turn& turn, const SizedBy& by, FieldId field, Sizer::Resource& resource);
  void reclaim(Turn& turn, const SizedBy& by, double amount,
               std::vector<std::pair<std::string, std::string>> seen);
  static void wish(Turn& turn, const SizedBy& by, FieldId field, const Sizer::Resource& resource);
  const Wishes& merge(Turn& turn);
  void compare(Turn& turn, const Wishes& wanted);
  void hold(Turn& turn, const FieldKey& key, const Wishes& wanted);
  bool give_back(Turn& turn, const FieldKey& key, Held& held);
  bool may_try(const Turn& turn, Held& held, const std::optional<std::string>& now);
  void look_anew(Held& held) const;
  // Somebody else wrote it: counted. True: from now on it is left to them.
  static bool yields(const Turn& turn, Held& held, const Drift& drift);
  static std::optional<std::string> shown(const Turn& turn, const FieldKey& key);
  std::string refusal_of(const Turn& turn, const FieldKey& key, const Wishes& wanted) const;
  static bool stays_idle(const Turn& turn, const Wishes& wanted);
  RuleState state_of(const Policy& policy, const Rule& rule, const Tracked* tracked, BootTime now,
                     const SignalSource* source) const;
  void explain_policies(const model::ContainerRef& ref, Explanation& told) const;
  void explain_fields(const Tracked* tracked, const model::Sample* sample, BootTime now,
                      Explanation& told) const;
  static void explain_freezes(const Tracked& tracked, BootTime now, Explanation& told);
  template <typename Filter>
  void explain_host_rules(const model::Snapshot* snapshot, Explanation& told, Filter filter) const;
  model::Decision decision(const Turn& turn, std::string_view policy, std::string_view rule,
                           bool audit) const;
  std::string filled(const Turn& turn, const std::string& text) const;

  EngineOptions options_;
  std::shared_ptr<const PolicySet> set_ = std::make_shared<const PolicySet>();
  std::map<std::string, Disk> disks_;
  History::Wanted windows_, host_windows_;
  bool paused_ = false;
  std::unordered_map<std::uint64_t, Tracked> tracked_;  // by inode
  Sizer sizer_;
  Tracked host_;
  std::deque<BootTime> kills_;  // stops and restarts among them
  // By container id, which a restart does not change: how often a policy did it, one soon after the other.
  struct Restarts {
    unsigned count = 0;
    BootTime last;
  };
  std::map<std::string, Restarts> restarts_;
  std::vector<std::pair<RuleKey, Told>> ended_;  // to be told at the end of this evaluation
  std::uint64_t sequence_ = 0, generation_ = 0;
  std::optional<BootTime> due_;
  std::vector<model::Decision> out_;
  std::unique_ptr<Wishes> wishes_;  // kept for its memory
};

}  // namespace plimsoll::policies
