#include <fmt/format.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "agent/cli/filters.h"
#include "agent/cli/flags.h"
#include "agent/cli/table.h"
#include "agent/cli/time_text.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

std::string command_text(const json& container, bool whole) {
  const std::string command = container.value("Command", "");
  if (whole || command.size() <= 20) return fmt::format("\"{}\"", command);
  return fmt::format("\"{}…\"", command.substr(0, 19));
}

std::string names_text(const json& container) {
  std::string text;
  for (const auto& name : container.value("Names", json::array())) {
    std::string plain = name.get<std::string>();
    if (plain.starts_with('/')) plain.erase(0, 1);
    text += (text.empty() ? "" : ",") + plain;
  }
  return text;
}

std::string labels_text(const json& container) {
  std::string text;
  const json labels = container.value("Labels", json::object());
  for (const auto& [key, value] : labels.items()) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", key, value.get<std::string>());
  }
  return text;
}

}  // namespace

Result<int> ps(const Connection& agent, const Words& args) {
  bool all = false, quiet = false, latest = false, whole = false;
  std::string format, last;
  std::vector<std::string> filters;
  Flags flags("ps [FLAGS]", "List containers", "plimsoll ps --all --filter label=tier=batch");
  flags.flag('a', "all", all, "also those that do not run")
      .flag('q', "quiet", quiet, "ids only")
      .list('f', "filter", filters, "KEY=VALUE", "id, name, label, status, ancestor, exited, before, since")
      .flag('l', "latest", latest, "the newest one")
      .value('n', "last", last, "N", "the N newest ones")
      .flag(0, "no-trunc", whole, "whole ids and commands")
      .value(0, "format", format, "FORMAT", "table, json, or a template such as '{{.Names}}'");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 0}, "no words"));
  if (!words) return 0;
  PLIMSOLL_ASSIGN(const std::string filter, filter_query(filters));
  if (latest) last = "1";
  std::string target = fmt::format("/containers/json?all={:d}", all || !last.empty());
  if (!last.empty()) target += "&limit=" + encode(last);
  if (!filter.empty()) target += "&filters=" + filter;
  PLIMSOLL_ASSIGN(const json list, agent.get(target));

  Table table({{"ID", "CONTAINER ID"},
               {"Image", "IMAGE"},
               {"Command", "COMMAND"},
               {"CreatedAt", "CREATED"},
               {"Status", "STATUS"},
               {"Names", "NAMES"},
               {"State", ""},
               {"Labels", ""}});
  for (const json& one : list) {
    const std::string id = one.value("Id", "");
    const std::string shown_id = whole ? id : id.substr(0, 12);
    if (quiet) {
      fmt::print("{}\n", shown_id);
      continue;
    }
    table.add({shown_id, one.value("Image", ""), command_text(one, whole),
               ago(one.value("Created", std::int64_t{0})), one.value("Status", ""), names_text(one),
               one.value("State", ""), labels_text(one)});
  }
  if (quiet) return 0;
  PLIMSOLL_ASSIGN(const std::string text, table.render(format));
  fmt::print("{}", text);
  return 0;
}

}  // namespace plimsoll::cli
