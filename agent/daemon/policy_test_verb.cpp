// plimsoll policy test: policies over what was recorded. It reads the files itself, so that an agent is
// neither needed nor kept from its work.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "agent/base/json_text.h"
#include "agent/base/rfc3339.h"
#include "agent/cli/flags.h"
#include "agent/cli/table.h"
#include "agent/cli/time_text.h"
#include "agent/daemon/verbs.h"
#include "agent/history/reader.h"
#include "policies/render.h"
#include "policies/replay.h"

namespace plimsoll::daemon {
namespace {

using policies::Replay;

constexpr int kDenied = 3;
constexpr auto kBefore = std::chrono::minutes(10);

struct Range {
  WallTime from, to;
};

// "24h", or "FROM..TO", each as parse_moment() takes it.
Result<Range> range_of(const std::string& text, WallTime now) {
  const std::size_t dots = text.find("..");
  const auto from = parse_moment(text.substr(0, dots), now);
  if (!from) return std::unexpected(Error(from.error()).in("--history"));
  Range range{from->value_or(WallTime{}), now};
  if (dots == std::string::npos) return range;
  const auto to = parse_moment(text.substr(dots + 2), now);
  if (!to) return std::unexpected(Error(to.error()).in("--history"));
  range.to = to->value_or(now);
  if (range.from > range.to) return invalid("--history '" + text + "': the beginning is after the end");
  return range;
}

struct Outcome {
  std::vector<Replay::Taken> taken;
  std::map<std::string, Replay::Container> containers;
  std::uint64_t missed = 0, moments = 0;
  std::optional<WallTime> first, last;
  std::vector<std::string> problems;
};

// Some minutes before the range are replayed too, for what rules remember: a `for`, windows, cooldowns.
Result<Outcome> run(const std::string& folder, const Range& range,
                    std::shared_ptr<const policies::PolicySet> set) {
  Outcome out;
  Replay replay(std::move(set), {});
  PLIMSOLL_ASSIGN(
      auto reader,
      history::Reader::open(folder, range.from == WallTime{} ? range.from : range.from - kBefore, range.to));
  std::string boot;
  while (const auto moment = reader.next()) {
    if (boot != reader.boot_id() && !boot.empty()) replay.begin_boot();
    boot = reader.boot_id();
    if (moment->snapshot->wall < range.from) {
      (void)replay.next(*moment);
      continue;
    }
    if (out.moments++ == 0) replay.begin_count();
    if (!out.first) out.first = moment->snapshot->wall;
    out.last = moment->snapshot->wall;
    std::ranges::move(replay.next(*moment), std::back_inserter(out.taken));
  }
  out.containers = replay.containers();
  out.missed = replay.missed();
  out.problems = reader.problems();
  return out;
}

std::string_view over_of(const Replay::Container& one) {
  return one.over_memory_max.count() > 0 ? "over-memory" : "";
}

// What of `denied` would have happened.
std::set<std::string> happened(const Outcome& outcome, const std::vector<std::string>& denied) {
  std::set<std::string> found;
  for (const Replay::Taken& one : outcome.taken) {
    const std::string action(model::action_name(one.decision.action));
    if (std::ranges::find(denied, action) != denied.end()) found.insert(action);
  }
  for (const auto& [id, one] : outcome.containers) {
    const std::string over(over_of(one));
    if (!over.empty() && std::ranges::find(denied, over) != denied.end()) found.insert(over);
  }
  return found;
}

std::string detail_of(const model::Decision& decision) {
  if (const auto* set = std::get_if<model::SetFile>(&decision.action))
    return set->file + " " + set->before + " -> " + set->value;
  if (const auto* notify = std::get_if<model::Notify>(&decision.action)) return notify->text;
  if (const auto* less = std::get_if<model::ReclaimMemory>(&decision.action))
    return format_bytes(less->amount);
  return "";
}

std::string outcome_of(const model::Decision& decision) {
  return !decision.refusal.empty() ? "refused: " + decision.refusal : decision.audit ? "audited" : "";
}

struct Sum {
  std::size_t decisions = 0, containers = 0, as_then = 0;
  Nanoseconds over_high{0}, over_max{0}, over_cpu{0};
  double memory = 0, cpu = 0;  // byte and core seconds
};
Sum sum_of(const Outcome& outcome) {
  Sum sum{.decisions = outcome.taken.size()};
  std::set<std::string> hit;
  for (const Replay::Taken& one : outcome.taken) {
    hit.insert(one.decision.container->cgroup);
    sum.as_then += one.as_then ? 1 : 0;
  }
  sum.containers = hit.size();
  for (const auto& [id, one] : outcome.containers) {
    sum.over_high += one.over_memory_high, sum.over_max += one.over_memory_max,
        sum.over_cpu += one.over_cpu_max;
    sum.memory += one.memory_byte_seconds, sum.cpu += one.cpu_core_seconds;
  }
  return sum;
}

nlohmann::json json_of(const Outcome& outcome, const Range& range) {
  using nlohmann::json;
  json decisions = json::array(), containers = json::array();
  for (const Replay::Taken& one : outcome.taken)
    decisions.push_back({{"when", format_rfc3339(one.when)},
                         {"container", one.decision.container->name},
                         {"container_id", one.decision.container->container_id},
                         {"policy", one.decision.policy},
                         {"rule", one.decision.rule},
                         {"cause", to_string(one.decision.cause)},
                         {"action", model::action_name(one.decision.action)},
                         {"detail", detail_of(one.decision)},
                         {"audit", one.decision.audit},
                         {"refusal", one.decision.refusal},
                         {"as_then", one.as_then}});
  for (const auto& [id, one] : outcome.containers)
    containers.push_back({{"id", id},
                          {"name", one.name},
                          {"seconds", to_seconds(one.seen)},
                          {"over_memory_high_seconds", to_seconds(one.over_memory_high)},
                          {"over_memory_max_seconds", to_seconds(one.over_memory_max)},
                          {"over_cpu_max_seconds", to_seconds(one.over_cpu_max)},
                          {"memory_given_back_byte_seconds", one.memory_byte_seconds},
                          {"cpu_given_back_core_seconds", one.cpu_core_seconds}});
  return {{"from", format_rfc3339(outcome.first.value_or(range.from))},
          {"to", format_rfc3339(outcome.last.value_or(range.to))},
          {"moments", outcome.moments},
          {"decisions", std::move(decisions)},
          {"not_decided_again", outcome.missed},
          {"containers", std::move(containers)},
          {"problems", outcome.problems}};
}

std::string given(double seconds_of, double seconds, bool memory) {
  if (seconds <= 0 || seconds_of == 0) return "-";
  const double mean = seconds_of / seconds;
  if (!memory) return fmt::format("{:+.2f} cores", mean);
  return (mean < 0 ? "-" : "+") + format_bytes(Bytes{static_cast<std::uint64_t>(std::abs(mean))});
}

std::string span(Nanoseconds time) { return time.count() == 0 ? "-" : format_duration(time); }

Result<std::string> text_of(const Outcome& outcome, std::size_t last) {
  const Sum sum = sum_of(outcome);
  std::string out = fmt::format(
      "{} to {}: {} moments, {} containers\n{} decisions in {} containers; {} were taken then too, {} of "
      "then were not taken again\n",
      cli::day_text(format_rfc3339(*outcome.first)), cli::day_text(format_rfc3339(*outcome.last)),
      outcome.moments, outcome.containers.size(), sum.decisions, sum.containers, sum.as_then, outcome.missed);
  for (const std::string& problem : outcome.problems) out += "unreadable: " + problem + "\n";
  if (!outcome.taken.empty()) {
    cli::Table table({{"When", "WHEN"},
                      {"Container", "CONTAINER"},
                      {"Rule", "POLICY/RULE"},
                      {"Action", "ACTION"},
                      {"Detail", "DETAIL"},
                      {"Then", "TAKEN THEN"}});
    const std::size_t first = outcome.taken.size() > last ? outcome.taken.size() - last : 0;
    if (first > 0) out += fmt::format("the last {}:\n", last);
    for (std::size_t i = first; i < outcome.taken.size(); ++i) {
      const Replay::Taken& one = outcome.taken[i];
      const std::string why = outcome_of(one.decision);
      table.add({cli::day_text(format_rfc3339(one.when)), one.decision.container->name,
                 one.decision.policy + "/" + one.decision.rule,
                 std::string(model::action_name(one.decision.action)),
                 detail_of(one.decision) + (why.empty() ? "" : " (" + why + ")"),
                 one.as_then ? "yes" : "no"});
    }
    PLIMSOLL_ASSIGN(const std::string rows, table.render(""));
    out += "\n" + rows;
  }
  cli::Table table({{"Container", "CONTAINER"},
                    {"Seen", "SEEN"},
                    {"High", "OVER memory.high"},
                    {"Max", "OVER memory.max"},
                    {"Cpu", "OVER cpu.max"},
                    {"Memory", "MEMORY GIVEN BACK"},
                    {"Cores", "CPU GIVEN BACK"}});
  for (const auto& [id, one] : outcome.containers)
    table.add({one.name, span(one.seen), span(one.over_memory_high), span(one.over_memory_max),
               span(one.over_cpu_max), given(one.memory_byte_seconds, to_seconds(one.seen), true),
               given(one.cpu_core_seconds, to_seconds(one.seen), false)});
  PLIMSOLL_ASSIGN(const std::string rows, table.render(""));
  return out + "\n" + rows;
}

std::string against_text(const Outcome& outcome, const Outcome& against) {
  const Sum now = sum_of(outcome), then = sum_of(against);
  return fmt::format(
      "\nagainst the other policies: decisions {} for {}, over memory.high {} for {}, over memory.max {} for "
      "{}, over cpu.max {} for {}\n",
      now.decisions, then.decisions, span(now.over_high), span(then.over_high), span(now.over_max),
      span(then.over_max), span(now.over_cpu), span(then.over_cpu));
}

Result<std::shared_ptr<const policies::PolicySet>> load(const cli::Words& names) {
  PLIMSOLL_ASSIGN(const auto files, read_files(names));
  const policies::LoadOutcome outcome = policies::load_texts(files);
  if (outcome.good()) return outcome.set;
  std::string text = policies::check_text(outcome);
  while (text.ends_with('\n')) text.pop_back();
  return invalid(text);
}

}  // namespace

Result<int> policy_test(const cli::Words& args) {
  std::string history = "24h", state = "/var/lib/plimsoll", format, last = "50", against;
  std::vector<std::string> denied;
  cli::Flags flags("policy test [FLAGS] FILE...",
                   "What policies would have done to what was recorded. Usage stays as it was: what a "
                   "container would have\n"
                   "done under other limits, nobody knows. Exit status: 0 good, 1 a policy or the history is "
                   "not, 3 something\n"
                   "denied would have happened",
                   "plimsoll policy test --history 24h --deny kill --deny over-memory new.yaml");
  flags.value(0, "history", history, "RANGE", "a span back from now, or FROM..TO (24h)")
      .value(0, "state", state, "FOLDER", "the agent's state folder (" + state + ")")
      .value(0, "against", against, "FILE", "policies, or a folder of them, to compare with")
      .list(0, "deny", denied, "WHAT",
            "an action (set, freeze, thaw, kill, notify, reclaim), or over-memory: use above memory.max")
      .value('n', "last", last, "COUNT", "of decisions that are shown (50)")
      .value(0, "format", format, "FORMAT", "text or json (text)");
  PLIMSOLL_ASSIGN(const auto names, flags.take(args, {.least = 1}, "at least one file or folder"));
  if (!names) return 0;
  PLIMSOLL_ASSIGN(const bool as_json, wants_json(format));
  const auto most = parse_u64(last);
  if (!most) return invalid("--last '" + last + "': expected a whole number");
  constexpr std::array<std::string_view, 9> kDeniable = {
      "set", "freeze", "thaw", "kill", "notify", "reclaim", "stop", "restart", "over-memory"};
  for (const std::string& one : denied) {
    if (std::ranges::find(kDeniable, one) == kDeniable.end())
      return invalid("--deny '" + one + "': expected one of " +
                     fmt::format("{}", fmt::join(kDeniable, ", ")));
  }
  PLIMSOLL_ASSIGN(const Range range, range_of(history, std::chrono::system_clock::now()));
  PLIMSOLL_ASSIGN(const auto set, load(*names));
  PLIMSOLL_ASSIGN(const Outcome outcome, run(state + "/history", range, set));
  if (outcome.moments == 0)
    return fail("--history '" + history + "': nothing was recorded then in " + state + "/history");
  std::optional<Outcome> other;
  if (!against.empty()) {
    PLIMSOLL_ASSIGN(const auto set_against, load({against}));
    PLIMSOLL_ASSIGN(other, run(state + "/history", range, set_against));
  }
  const std::set<std::string> found = happened(outcome, denied);
  if (as_json) {
    nlohmann::json body = json_of(outcome, range);
    if (other) body["against"] = json_of(*other, range);
    body["denied"] = found;
    fmt::print("{}\n", json_text(body));
  } else {
    PLIMSOLL_ASSIGN(const std::string text, text_of(outcome, *most));
    fmt::print("{}{}", text, other ? against_text(outcome, *other) : "");
    for (const std::string& one : found) fmt::print("denied, and would have happened: {}\n", one);
  }
  return found.empty() ? 0 : kDenied;
}

}  // namespace plimsoll::daemon
