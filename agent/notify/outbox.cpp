#include "agent/notify/outbox.h"

#include <algorithm>
#include <utility>

#include "agent/notify/body.h"

namespace plimsoll::notify {
namespace {

bool is_good(const Reply& reply) { return reply.status >= 200 && reply.status < 300; }

// RFC 9110, 15.5: it was the request, so that the same one fares no better; RFC 6585 has 429.
bool is_final(const Reply& reply) {
  return reply.hopeless ||
         (reply.status >= 300 && reply.status < 500 && reply.status != 408 && reply.status != 429);
}

std::string reason_of(const Reply& reply) {
  if (reply.status == 0) return reply.text;
  const bool elsewhere = reply.status >= 300 && reply.status < 400;
  return "answered " + std::to_string(reply.status) + (elsewhere ? ", redirections are not followed" : "") +
         (reply.text.empty() ? "" : ": " + reply.text);
}

}  // namespace

bool Outbox::Target::busy() const {
  return !alerts.empty() || std::ranges::any_of(lanes, [](const Lane& lane) { return !lane.queue.empty(); });
}

void Outbox::use(const std::vector<model::NotifyTarget>& targets) {
  for (auto& [name, target] : targets_) target.leaving = true;
  for (const model::NotifyTarget& config : targets) {
    Target& target = targets_[config.name];
    target.config = config;
    target.leaving = false;
    target.lanes.resize(model::urls_of(config).size());
    target.state.name = config.name;
    target.state.kind = kind_of(config);
    target.state.where = model::origins_of(config);
    // It may have been mended.
    for (Lane& lane : target.lanes) lane.not_before = {};
  }
}

void Outbox::tell(const std::vector<std::string>& targets, const Notification& notification,
                  const Moment& now) {
  const auto what = std::make_shared<const Notification>(notification);
  for (const std::string& name : targets) {
    const auto target = targets_.find(name);
    if (target == targets_.end()) continue;
    what->ended ? resolve(target->second, *what, now) : fire(target->second, what, now);
  }
}

void Outbox::fire(Target& target, const Shared& what, const Moment& now) {
  const Subject subject = what->subject();
  const Nanoseconds repeat = target.config.repeat;
  std::erase_if(target.fired, [&](const auto& one) { return now.boot - one.second >= repeat; });
  const auto known = target.alerts.find(subject);
  if (known == target.alerts.end() && target.alerts.size() >= options_.most_alerts) {
    ++target.state.dropped;
    return;
  }
  changed_ = true;
  // An alert that goes on began when it was first told of.
  auto firing = std::make_shared<Notification>(*what);
  if (known != target.alerts.end()) firing->began = known->second.firing->began;
  const auto fired = target.fired.find(subject);
  if (fired != target.fired.end()) {
    ++target.state.suppressed;
    if (known == target.alerts.end())
      target.alerts[subject] = {.firing = std::move(firing), .due = fired->second + repeat};
    return;
  }
  if (repeat.count() > 0) target.fired[subject] = now.boot;
  Alert& alert = target.alerts[subject];
  alert = {.firing = firing, .told = true};
  if (target.is_alertmanager()) alert.due = now.boot + options_.resend;
  push(target, firing, false, now);
}

void Outbox::resolve(Target& target, const Notification& what, const Moment& now) {
  const Subject subject = what.subject();
  std::vector<Shared> over;
  bool known = false;
  std::erase_if(target.alerts, [&](const auto& entry) {
    if (!entry.first.of_rule(subject)) return false;
    known = changed_ = true;
    if (!entry.second.told) return true;  // it came and went between two tellings
    auto end = std::make_shared<Notification>(*entry.second.firing);
    end->ended = what.ended;
    end->decision = what.decision;
    over.push_back(std::move(end));
    return true;
  });
  if (!known) over.push_back(std::make_shared<Notification>(what));
  // To a person the steps of a rule are one story with one end; an Alertmanager has an alert of each.
  if (!target.is_alertmanager() && over.size() > 1) over.erase(over.begin(), over.end() - 1);
  for (const Shared& one : over) push(target, one, false, now);
}

void Outbox::keep_only(const std::set<Rule>& holds, const Moment& now) {
  for (auto& [name, target] : targets_) {
    std::vector<Shared> over;
    for (const auto& [subject, alert] : target.alerts) {
      if (!holds.contains({subject.policy, subject.rule, subject.cgroup})) over.push_back(alert.firing);
    }
    for (const Shared& one : over) {
      if (!target.alerts.contains(one->subject())) continue;  // with another step of its rule
      Notification end = *one;
      end.ended = now.wall;
      resolve(target, end, now);
    }
  }
}

void Outbox::push(Target& target, const Shared& what, bool again, const Moment& now) {
  changed_ = true;
  for (Lane& lane : target.lanes) push(target, lane, {.what = what, .since = now.boot, .again = again});
}

void Outbox::push(Target& target, Lane& lane, Entry entry) {
  const std::ptrdiff_t first = lane.in_flight != 0 ? 1 : 0;
  if (target.is_alertmanager()) {
    const auto same = std::find_if(lane.queue.begin() + first, lane.queue.end(), [&](const Entry& one) {
      return one.what->subject() == entry.what->subject();
    });
    if (same != lane.queue.end()) {
      same->what = std::move(entry.what);
      same->again = same->again && entry.again;
      return;
    }
    // What is on its way tells of it already.
    if (entry.again && first != 0 && lane.queue.front().what->subject() == entry.what->subject()) return;
  }
  lane.queue.push_back(std::move(entry));
  if (lane.queue.size() <= options_.most_pending) return;
  lane.queue.erase(lane.queue.begin() + first);
  ++target.state.dropped;
}

void Outbox::tell_due(Target& target, const Moment& now) {
  if (target.leaving) return;
  for (auto& [subject, alert] : target.alerts) {
    if (!alert.due || now.boot < *alert.due) continue;
    const bool again = std::exchange(alert.told, true);
    if (!again && target.config.repeat.count() > 0) target.fired[subject] = now.boot;
    alert.due.reset();
    if (target.is_alertmanager()) alert.due = now.boot + options_.resend;
    const bool before = changed_;
    push(target, alert.firing, again, now);
    if (again) changed_ = before;  // the next agent tells again anyway
  }
}

std::vector<Outbox::Send> Outbox::due(const Moment& now) {
  std::erase_if(targets_, [](const auto& one) { return one.second.leaving && !one.second.busy(); });
  std::vector<Send> sends;
  for (auto& [name, target] : targets_) {
    tell_due(target, now);
    for (std::size_t i = 0; i < target.lanes.size(); ++i) {
      Lane& lane = target.lanes[i];
      if (lane.queue.empty() || lane.in_flight != 0 || now.boot < lane.not_before) continue;
      lane.in_flight = ++last_id_;
      sends.push_back(
          {last_id_, request_for(target.config, i, *lane.queue.front().what, options_.host, now.wall)});
    }
  }
  return sends;
}

std::optional<BootTime> Outbox::next_deadline() const {
  std::optional<BootTime> next;
  const auto at = [&](BootTime when) { next = next ? std::min(*next, when) : when; };
  for (const auto& [name, target] : targets_) {
    for (const Lane& lane : target.lanes) {
      if (!lane.queue.empty() && lane.in_flight == 0) at(lane.not_before);
    }
    if (target.leaving) continue;
    for (const auto& [subject, alert] : target.alerts) {
      if (alert.due) at(*alert.due);
    }
  }
  return next;
}

void Outbox::done(std::uint64_t id, const Reply& reply, const Moment& now) {
  for (auto& [name, target] : targets_) {
    const auto lane = std::ranges::find(target.lanes, id, &Lane::in_flight);
    if (lane == target.lanes.end()) continue;
    lane->in_flight = 0;
    return is_good(reply) ? succeeded(target, *lane, now) : failed(target, *lane, reply, now);
  }
}

void Outbox::succeeded(Target& target, Lane& lane, const Moment& now) {
  ++target.state.sent;
  target.state.last_sent = now.wall;
  target.state.last_error.clear();
  changed_ = changed_ || !lane.queue.front().again;
  lane.queue.pop_front();
  lane.failures = 0;
  lane.not_before = {};
}

void Outbox::failed(Target& target, Lane& lane, const Reply& reply, const Moment& now) {
  const std::string why = reason_of(reply);
  target.state.last_error = why;
  target.state.last_failed = now.wall;
  if (is_final(reply)) return give_up(target, lane, why, now);
  ++lane.failures;
  lane.not_before = now.boot + pause_of(lane, reply);
  const bool old = now.boot - lane.queue.front().since >= options_.give_up;
  if (!old) ++target.state.retried;
  // Those behind it that are as old have waited for the same reason.
  while (!lane.queue.empty() && now.boot - lane.queue.front().since >= options_.give_up)
    give_up(target, lane, "given up after " + format_duration(options_.give_up) + ": " + why, now);
}

void Outbox::give_up(Target& target, Lane& lane, const std::string& why, const Moment& now) {
  ++target.state.failed;
  const Entry entry = std::move(lane.queue.front());
  lane.queue.pop_front();
  changed_ = true;
  if (entry.again) return;  // it was told of once, and the next minute tells again
  failed_.push_back(record_of_failure(*entry.what, target.config.name, why, now.wall));
}

Nanoseconds Outbox::pause_of(const Lane& lane, const Reply& reply) const {
  if (reply.retry_after.count() > 0) return std::min(reply.retry_after, options_.give_up);
  Nanoseconds pause = options_.first_pause;
  for (unsigned i = 1; i < lane.failures && pause < options_.longest_pause; ++i) pause *= 2;
  pause = std::min(pause, options_.longest_pause);
  return std::chrono::duration_cast<Nanoseconds>(pause * options_.jitter());
}

std::vector<model::TargetState> Outbox::states() const {
  std::vector<model::TargetState> states;
  for (const auto& [name, target] : targets_) {
    if (target.leaving) continue;
    model::TargetState& state = states.emplace_back(target.state);
    for (const Lane& lane : target.lanes) state.pending += lane.queue.size();
  }
  return states;
}

}  // namespace plimsoll::notify
