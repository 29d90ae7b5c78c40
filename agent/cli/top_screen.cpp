#include "agent/cli/top_screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "agent/base/units.h"
#include "agent/cli/table.h"
#include "agent/cli/time_text.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

constexpr double kNear = 0.8;   // from here on a bar is yellow
constexpr double kFull = 0.95;  // from here on it is red
constexpr int kBarCells = 10;
constexpr const char* kRed = "\033[31m";
constexpr const char* kYellow = "\033[33m";
constexpr const char* kBold = "\033[1m";
constexpr const char* kPlain = "\033[0m";

std::optional<double> number(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::optional<double> ratio(const json& one, const char* use, const char* limit) {
  const auto used = number(one, use);
  const auto most = number(one, limit);
  if (!used || !most || *most <= 0) return std::nullopt;
  return *used / *most;
}

double load(const json& one) {
  return std::max(ratio(one, "cpu_usage", "cpu_limit").value_or(0),
                  ratio(one, "memory_usage", "memory_limit").value_or(0));
}

// "|||||     " for 0.5; dots where there is no limit.
std::string bar(std::optional<double> part, bool color) {
  if (!part) return std::string(kBarCells, '.');
  const int cells = std::clamp(static_cast<int>(std::lround(*part * kBarCells)), 0, kBarCells);
  const std::string text = std::string(static_cast<std::size_t>(cells), '|') +
                           std::string(static_cast<std::size_t>(kBarCells - cells), ' ');
  if (!color || *part < kNear) return text;
  return (*part >= kFull ? kRed : kYellow) + text + kPlain;
}

std::string cores(std::optional<double> value) { return value ? fmt::format("{:.2f}", *value) : "-"; }
std::string bytes(std::optional<double> value) {
  return value ? format_bytes({static_cast<std::uint64_t>(*value)}) : "-";
}
std::string percent(std::optional<double> value) { return value ? fmt::format("{:.0f}%", *value) : "-"; }

// Cut or padded to `width` columns.
std::string fit(std::string text, std::size_t width) {
  while (display_width(text) > width) {
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    text.pop_back();
  }
  return text + std::string(width - display_width(text), ' ');
}

std::string last_decision(const json& one) {
  const auto found = one.find("last_decision");
  if (found == one.end() || !found->is_object()) return "";
  return fmt::format("{} {}", clock_text(found->value("when", "")), found->value("text", ""));
}

std::string line_of(const json& one, std::size_t name_width, std::size_t rest_width, bool color) {
  const std::string pressure =
      fmt::format("{}/{}/{}", percent(number(one, "cpu_pressure")), percent(number(one, "memory_pressure")),
                  percent(number(one, "io_pressure")));
  return fmt::format("{} {} [{}] {:>5}/{:<5} {:>4} [{}] {:>8}/{:<8} {:>12} {:>3} {:>3} {}",
                     fit(one.value("name", ""), name_width), fit(one.value("runtime", ""), 10),
                     bar(ratio(one, "cpu_usage", "cpu_limit"), color), cores(number(one, "cpu_usage")),
                     cores(number(one, "cpu_limit")), percent(number(one, "throttled_percent")),
                     bar(ratio(one, "memory_usage", "memory_limit"), color),
                     bytes(number(one, "memory_usage")), bytes(number(one, "memory_limit")), pressure,
                     one.value("oom_kills", 0), one.value("restarts", 0),
                     fit(last_decision(one), rest_width));
}

// What the agent itself takes; of a state that was recorded, when it was.
std::string second_line(const json& state) {
  if (state.contains("at")) return "recorded at " + day_text(state.value("at", "")) + "\n";
  const json agent = state.value("agent", json::object());
  return fmt::format("agent cpu {:.2f}%   memory {}   sample {:.1f} ms   policies {}   decisions {}\n",
                     number(agent, "cpu_percent").value_or(0), bytes(number(agent, "memory")),
                     number(agent, "sample_seconds").value_or(0) * 1000, agent.value("policies", 0),
                     agent.value("decisions", std::int64_t{0}));
}

std::string head(const json& state) {
  const json host = state.value("host", json::object());
  return fmt::format("host  cpu {}/{} cores   memory {} of {} available   pressure c/m/i {}/{}/{}\n{}",
                     cores(number(host, "cpu_usage")), cores(number(host, "cpu_cores")),
                     bytes(number(host, "memory_available")), bytes(number(host, "memory_total")),
                     percent(number(host, "cpu_pressure")), percent(number(host, "memory_pressure")),
                     percent(number(host, "io_pressure")), second_line(state));
}

void sort(std::vector<json>& rows, TopOrder order) {
  std::ranges::stable_sort(rows, [order](const json& a, const json& b) {
    switch (order) {
      case TopOrder::kCpu:
        return number(a, "cpu_usage").value_or(0) > number(b, "cpu_usage").value_or(0);
      case TopOrder::kMemory:
        return number(a, "memory_usage").value_or(0) > number(b, "memory_usage").value_or(0);
      case TopOrder::kName:
        return a.value("name", "") < b.value("name", "");
      case TopOrder::kLoad:
        break;
    }
    return load(a) > load(b);
  });
}

}  // namespace

std::string render_top(const json& state, TerminalSize size, TopOrder order, bool color) {
  std::vector<json> rows;
  for (const json& one : state.value("containers", json::array())) rows.push_back(one);
  sort(rows, order);
  std::size_t name_width = 9;
  for (const json& one : rows) name_width = std::max(name_width, display_width(one.value("name", "")));
  name_width = std::min<std::size_t>(name_width, 24);

  std::string text = head(state) + "\n";
  const std::string title = fmt::format(
      "{} {} {:<24} {:>4} {:<30} {:>12} {:>3} {:>3} {}", fit("CONTAINER", name_width), fit("RUNTIME", 10),
      "CPU used/limit", "THR", "MEMORY used/limit", "PSI c/m/i", "OOM", "RST", "LAST DECISION");
  const std::size_t width = std::max<std::size_t>(size.columns, 40);
  text +=
      (color ? kBold : "") + fit(title, std::min(width, display_width(title))) + (color ? kPlain : "") + "\n";
  const std::size_t fixed = name_width + 10 + 24 + 4 + 30 + 12 + 3 + 3 + 8;
  const std::size_t rest = width > fixed ? width - fixed : 0;
  const std::size_t room = size.rows > 5 ? size.rows - 5U : 1U;
  for (std::size_t i = 0; i < rows.size() && i < room; ++i) {
    std::string line = line_of(rows[i], name_width, rest, color);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  if (rows.size() > room) text += fmt::format("... and {} more\n", rows.size() - room);
  return text;
}

}  // namespace plimsoll::cli
