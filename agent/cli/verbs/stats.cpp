// One row a container, from Docker's stats objects: CPU % of one core, memory without inactive file pages.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <future>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/base/units.h"
#include "agent/cli/flags.h"
#include "agent/cli/lines.h"
#include "agent/cli/table.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;
using nlohmann::operator""_json_pointer;

std::uint64_t number(const json& object, const json::json_pointer& at) {
  if (!object.contains(at) || !object.at(at).is_number()) return 0;
  return object.at(at).get<std::uint64_t>();
}

double cpu_percent(const json& stats) {
  const auto now = number(stats, "/cpu_stats/cpu_usage/total_usage"_json_pointer);
  const auto before = number(stats, "/precpu_stats/cpu_usage/total_usage"_json_pointer);
  const auto system = number(stats, "/cpu_stats/system_cpu_usage"_json_pointer);
  const auto system_before = number(stats, "/precpu_stats/system_cpu_usage"_json_pointer);
  const auto cpus = number(stats, "/cpu_stats/online_cpus"_json_pointer);
  if (now <= before || system <= system_before) return 0;
  return static_cast<double>(now - before) / static_cast<double>(system - system_before) *
         static_cast<double>(cpus) * 100;
}

std::uint64_t sum(const json& list, std::string_view operation) {
  std::uint64_t total = 0;
  if (!list.is_array()) return 0;
  for (const json& one : list) {
    std::string name = one.value("op", "");
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (name == operation) total += one.value("value", std::uint64_t{0});
  }
  return total;
}

std::vector<std::string> row(const json& stats) {
  const auto usage = number(stats, "/memory_stats/usage"_json_pointer);
  const auto inactive = number(stats, "/memory_stats/stats/inactive_file"_json_pointer);
  const auto limit = number(stats, "/memory_stats/limit"_json_pointer);
  const std::uint64_t used = usage > inactive ? usage - inactive : 0;
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  const json networks = stats.value("networks", json::object());
  for (const auto& [name, interface] : networks.items()) {
    received += interface.value("rx_bytes", std::uint64_t{0});
    sent += interface.value("tx_bytes", std::uint64_t{0});
  }
  const json io = stats.value("/blkio_stats/io_service_bytes_recursive"_json_pointer, json::array());
  std::string name = stats.value("name", "");
  if (name.starts_with('/')) name.erase(0, 1);
  return {
      stats.value("id", "").substr(0, 12),
      name,
      fmt::format("{:.2f}%", cpu_percent(stats)),
      fmt::format("{} / {}", format_bytes({used}), format_bytes({limit})),
      fmt::format("{:.2f}%", limit > 0 ? static_cast<double>(used) / static_cast<double>(limit) * 100 : 0),
      fmt::format("{} / {}", format_bytes({received}), format_bytes({sent})),
      fmt::format("{} / {}", format_bytes({sum(io, "read")}), format_bytes({sum(io, "write")})),
      std::to_string(number(stats, "/pids_stats/current"_json_pointer))};
}

Table empty_table() {
  return Table({{"ID", "CONTAINER ID"},
                {"Name", "NAME"},
                {"CPUPerc", "CPU %"},
                {"MemUsage", "MEM USAGE / LIMIT"},
                {"MemPerc", "MEM %"},
                {"NetIO", "NET I/O"},
                {"BlockIO", "BLOCK I/O"},
                {"PIDs", "PIDS"}});
}

Result<Words> names_of(const Connection& agent, const Words& asked, bool all) {
  if (!asked.empty()) return asked;
  PLIMSOLL_ASSIGN(const json list, agent.get(fmt::format("/containers/json?all={:d}", all)));
  Words names;
  for (const json& one : list) names.push_back(one.value("Id", ""));
  return names;
}

// All at once: each that has just started takes a second or two, until it was sampled twice.
Result<std::string> take(const Connection& agent, const Words& names, const std::string& format) {
  std::vector<std::future<Result<json>>> asked;
  for (const std::string& name : names) {
    asked.push_back(std::async(std::launch::async, [&agent, name] {
      return agent.get("/containers/" + encode(name) + "/stats?stream=0");
    }));
  }
  Table table = empty_table();
  for (auto& one : asked) {
    const auto stats = one.get();
    if (!stats) return std::unexpected(stats.error());
    table.add(row(*stats));
  }
  return table.render(format);
}

}  // namespace

Result<int> stats(const Connection& agent, const Words& args) {
  bool all = false, once = false;
  std::string format;
  Flags flags("stats [FLAGS] [CONTAINER...]", "Show containers' use of resources",
              "plimsoll stats --no-stream");
  flags.flag('a', "all", all, "also those that do not run")
      .flag(0, "no-stream", once, "one reading, then end")
      .value(0, "format", format, "FORMAT", "table, json, or a template such as '{{.CPUPerc}}'");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {}, "containers"));
  if (!words) return 0;
  const bool screen = !once && format.empty() && ::isatty(STDOUT_FILENO) == 1;
  while (true) {
    PLIMSOLL_ASSIGN(const Words names, names_of(agent, *words, all));
    PLIMSOLL_ASSIGN(const std::string text, take(agent, names, format));
    if (screen) fmt::print("\033[H\033[J");
    fmt::print("{}", text);
    std::fflush(stdout);
    if (once) return 0;
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

}  // namespace plimsoll::cli
