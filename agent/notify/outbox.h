// What is still to be told to whom, and when the next try is due. Pure: no clock, no thread, no network;
// sender.h is all that. Rules, for each target by itself, so that a dead one holds up none:
//  1. Each URL has a queue of its own, of which only the first is on its way: order is kept.
//  2. A try that fails is made again after 1 to 2 s, then twice that, up to 1 min, or when the other side
//  says
//     (Retry-After); after an hour, and at once where it was refused for good (4xx but 408 and 429), it is
//     given up.
//  3. A queue holds so many; beyond that the oldest goes.
//  4. What was told within the target's `repeat` is not told again; where it still holds then, it is told
//  then.
//  5. An Alertmanager is told again each minute of what holds, and only the newest state of an alert waits
//  for
//     it: it forgets what it is not told, and has its own ways to group and repeat.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/model/notify_target.h"
#include "agent/notify/notification.h"
#include "agent/notify/transport.h"

namespace plimsoll::notify {

struct Moment {
  BootTime boot;
  WallTime wall;
};

struct OutboxOptions {
  std::string host;                  // its name, for those who are told
  std::size_t most_pending = 1000;   // of each URL
  std::size_t most_alerts = 10'000;  // that hold at once, of each target
  Nanoseconds give_up = std::chrono::hours(1);
  Nanoseconds first_pause = std::chrono::seconds(2), longest_pause = std::chrono::minutes(1);
  Nanoseconds resend = std::chrono::minutes(1);         // to Alertmanagers
  std::function<double()> jitter = [] { return 1.0; };  // 0.5 to 1: the part of a pause that is waited
};

class Outbox {
 public:
  struct Send {
    std::uint64_t id = 0;
    Request request;
  };

  explicit Outbox(OutboxOptions options) : options_(std::move(options)) {}

  // From now on. What waits for one that is there no more is still sent; a new URL gets what waits.
  void use(const std::vector<model::NotifyTarget>& targets);
  // Unknown targets are passed over.
  void tell(const std::vector<std::string>& targets, const Notification& notification, const Moment& now);
  // Whatever holds according to this outbox and not to `holds` is over: an end that nobody told of.
  using Rule = std::tuple<std::string, std::string, std::string>;  // policy, rule, cgroup
  void keep_only(const std::set<Rule>& holds, const Moment& now);

  // What is to be sent now; each is on its way until done() is told of it.
  std::vector<Send> due(const Moment& now);
  void done(std::uint64_t id, const Reply& reply, const Moment& now);
  std::optional<BootTime> next_deadline() const;

  // Those that were given up since the last call, for the audit log.
  std::vector<model::DecisionRecord> take_failed() { return std::exchange(failed_, {}); }
  std::vector<model::TargetState> states() const;

  // What must survive a restart; good over a reboot. `now` makes ages of times.
  std::string save(const Moment& now) const;
  // Call after use(): what is for others than these is lost. Malformed text is kInvalid and changes nothing.
  Result<> restore(const std::string& text, const Moment& now);
  // True once after each change of what save() would give.
  bool take_changed() { return std::exchange(changed_, false); }

 private:
  using Shared = std::shared_ptr<const Notification>;
  struct Entry {
    Shared what;
    BootTime since;
    bool again = false;  // Alertmanager was told already
  };
  struct Lane {
    std::deque<Entry> queue;
    std::uint64_t in_flight = 0;  // the first's request; 0: none
    unsigned failures = 0;        // in a row
    BootTime not_before;
  };
  struct Alert {
    Shared firing;
    bool told = false;            // else it waits for `due`
    std::optional<BootTime> due;  // to be told, or told again
  };
  struct Target {
    model::NotifyTarget config;
    bool leaving = false;  // no policy file has it any more
    std::vector<Lane> lanes;
    std::map<Subject, Alert> alerts;    // that hold
    std::map<Subject, BootTime> fired;  // within `repeat`
    model::TargetState state;

    bool is_alertmanager() const { return std::holds_alternative<model::Alertmanager>(config.to); }
    bool busy() const;
  };

  void fire(Target& target, const Shared& what, const Moment& now);
  void resolve(Target& target, const Notification& what, const Moment& now);
  void push(Target& target, const Shared& what, bool again, const Moment& now);
  void push(Target& target, Lane& lane, Entry entry);
  void tell_due(Target& target, const Moment& now);
  void succeeded(Target& target, Lane& lane, const Moment& now);
  void failed(Target& target, Lane& lane, const Reply& reply, const Moment& now);
  void give_up(Target& target, Lane& lane, const std::string& why, const Moment& now);
  Nanoseconds pause_of(const Lane& lane, const Reply& reply) const;

  OutboxOptions options_;
  std::map<std::string, Target> targets_;
  std::uint64_t last_id_ = 0;
  std::vector<model::DecisionRecord> failed_;
  bool changed_ = false;
};

}  // namespace plimsoll::notify
