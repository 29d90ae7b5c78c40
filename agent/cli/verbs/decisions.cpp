#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/base/units.h"
#include "agent/cli/flags.h"
#include "agent/cli/lines.h"
#include "agent/cli/table.h"
#include "agent/cli/time_text.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

std::string change(const json& record) {
  const std::string detail = record.value("detail", "");
  const std::string after = record.value("after", "");
  if (after.empty()) return detail;
  return fmt::format("{} {} -> {}", detail, record.value("before", ""), after);
}

std::string seen(const json& record) {
  std::string text;
  for (const json& pair : record.value("seen", json::array())) {
    if (pair.is_array() && pair.size() == 2) {
      text += fmt::format("{}{}={}", text.empty() ? "" : " ", pair[0].get<std::string>(),
                          pair[1].get<std::string>());
    }
  }
  return text;
}

// "leaky/squeeze"; a policy's limits are held by no rule.
std::string rule_text(const json& record) {
  const std::string rule = record.value("rule", "");
  return record.value("policy", "") + (rule.empty() ? "" : "/" + rule);
}

std::vector<std::string> row(const json& record) {
  return {std::to_string(record.value("id", std::int64_t{0})),
          clock_text(record.value("when", "")),
          record.value("container", ""),
          rule_text(record),
          record.value("cause", ""),
          record.value("action", ""),
          record.value("outcome", ""),
          change(record),
          seen(record),
          format_duration(Nanoseconds(record.value("breach_to_effect_ns", std::int64_t{0})))};
}

Table empty_table() {
  return Table({{"ID", "ID"},
                {"Time", "TIME"},
                {"Container", "CONTAINER"},
                {"Rule", "POLICY/RULE"},
                {"Cause", "CAUSE"},
                {"Action", "ACTION"},
                {"Outcome", "OUTCOME"},
                {"Change", "CHANGE"},
                {"Seen", "SEEN"},
                {"Took", "BREACH TO EFFECT"}});
}

void print_line(const json& record, const std::string& format) {
  if (format == "json") {
    fmt::print("{}\n", json_text(record));
  } else {
    const auto cells = row(record);
    fmt::print("{} {} {} {} {} {}  {}  ({})\n", cells[1], cells[2], cells[3], cells[4], cells[5], cells[6],
               cells[7], cells[8]);
  }
  std::fflush(stdout);
}

}  // namespace

Result<int> decisions(const Connection& agent, const Words& args) {
  bool follow = false;
  std::string since, container, policy_name, limit = "100", format;
  Flags flags("decisions [FLAGS]", "Show what policies decided and what came of it",
              "plimsoll decisions --since 1h --container batch");
  flags.flag('f', "follow", follow, "go on with each new one")
      .value(0, "since", since, "TIME", "RFC 3339, Unix seconds, or a span such as 10m")
      .value(0, "container", container, "NAME", "of this container only")
      .value(0, "policy", policy_name, "NAME", "of this policy only")
      .value('n', "last", limit, "N", "the N newest (100)")
      .value(0, "format", format, "FORMAT", "table, json, or a template such as '{{.Outcome}}'");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 0}, "no words"));
  if (!words) return 0;
  if (!parse_u64(limit)) return invalid("--last '" + limit + "': expected a whole number");
  PLIMSOLL_ASSIGN(const std::string from, moment(since));
  const std::string target = "/plimsoll/v1/decisions?limit=" + limit + "&since=" + encode(from) +
                             "&container=" + encode(container) + "&policy=" + encode(policy_name);
  if (follow) {
    if (!format.empty() && format != "json") return invalid("--follow: --format takes json only");
    PLIMSOLL_ASSIGN(const auto stream, agent.open("GET", target + "&follow=1"));
    PLIMSOLL_TRY(each_line(*stream, [&](const json& record) {
      print_line(record, format);
      return true;
    }));
    return 0;
  }
  PLIMSOLL_ASSIGN(const json records, agent.get(target));
  if (format == "json") {
    for (const json& record : records) print_line(record, format);
    return 0;
  }
  Table table = empty_table();
  for (const json& record : records) table.add(row(record));
  PLIMSOLL_ASSIGN(const std::string text, table.render(format));
  fmt::print("{}", text);
  return 0;
}

}  // namespace plimsoll::cli
