#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "agent/base/units.h"
#include "agent/cli/flags.h"
#include "agent/cli/probe_note.h"
#include "agent/cli/table.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;
using Pair = std::pair<std::string, std::string>;  // victim, aggressor
using Matrix = std::map<Pair, double>;             // seconds waited
// Of each two containers: several may have one name.
using Cells = std::map<std::pair<Pair, Pair>, double>;  // their names, their ids

Result<Cells> cells_of(const Connection& agent) {
  PLIMSOLL_ASSIGN(const json told, agent.get("/plimsoll/v1/interference"));
  Cells cells;
  for (const json& cell : told)
    cells[{{cell.value("victim", ""), cell.value("aggressor", "")},
           {cell.value("victim_id", ""), cell.value("aggressor_id", "")}}] = cell.value("seconds", 0.0);
  return cells;
}

Matrix by_name(const Cells& cells) {
  Matrix matrix;
  for (const auto& [pair, seconds] : cells) matrix[pair.first] += seconds;
  return matrix;
}

// What was waited within a window; with a window of 0, since the containers were first seen.
Result<Matrix> waited_within(const Connection& agent, Nanoseconds window) {
  PLIMSOLL_ASSIGN(Cells now, cells_of(agent));
  if (window.count() == 0) return by_name(now);
  const Cells before = std::move(now);
  std::this_thread::sleep_for(window);
  PLIMSOLL_ASSIGN(now, cells_of(agent));
  for (auto& [pair, seconds] : now) {
    if (const auto earlier = before.find(pair); earlier != before.end()) seconds -= earlier->second;
  }
  return by_name(now);
}

}  // namespace

Result<int> noisy(const Connection& agent, const Words& args) {
  std::string window = "10s", format;
  Flags flags("noisy [FLAGS]", "Show which containers kept others waiting for a CPU",
              "plimsoll noisy --window 1m");
  flags
      .value(0, "window", window, "SPAN",
             "watch for so long (10s); 0s: all since the containers were first seen")
      .value(0, "format", format, "FORMAT", "table, json, or a template such as '{{.Victim}}'");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 0}, "no words"));
  if (!words) return 0;
  const auto span = parse_duration(window);
  if (!span) return invalid("--window: " + span.error().message());
  PLIMSOLL_ASSIGN(const Matrix matrix, waited_within(agent, *span));
  std::map<std::string, double> of_victim;
  std::vector<std::pair<double, Pair>> rows;
  for (const auto& [pair, seconds] : matrix) {
    if (seconds <= 0) continue;
    of_victim[pair.first] += seconds;
    rows.emplace_back(seconds, pair);
  }
  std::ranges::sort(rows, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  Table table(
      {{"Victim", "VICTIM"}, {"Aggressor", "WAITED FOR"}, {"Waited", "TIME"}, {"Share", "OF ITS WAIT"}});
  for (const auto& [seconds, pair] : rows) {
    table.add({pair.first, pair.second == pair.first ? "(itself)" : pair.second,
               format_duration(Nanoseconds(static_cast<std::int64_t>(seconds * 1e9))),
               fmt::format("{:.0f}%", 100 * seconds / of_victim[pair.first])});
  }
  PLIMSOLL_ASSIGN(const std::string text, table.render(format));
  fmt::print("{}", text);
  if (rows.empty()) tell_if_down(agent, "sched");
  return 0;
}

}  // namespace plimsoll::cli
