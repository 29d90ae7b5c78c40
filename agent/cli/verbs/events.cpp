#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/cli/filters.h"
#include "agent/cli/flags.h"
#include "agent/cli/lines.h"
#include "agent/cli/time_text.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {

Result<int> events(const Connection& agent, const Words& args) {
  std::string since, until, format;
  std::vector<std::string> filters;
  Flags flags("events [FLAGS]", "Follow what happens to containers",
              "plimsoll events --since 10m --filter event=die");
  flags.value(0, "since", since, "TIME", "from then on: RFC 3339, Unix seconds, or a span such as 10m")
      .value(0, "until", until, "TIME", "end there")
      .list('f', "filter", filters, "KEY=VALUE", "container, event, image, label, type")
      .value(0, "format", format, "FORMAT", "json, or nothing for text");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 0}, "no words"));
  if (!words) return 0;
  if (!format.empty() && format != "json") return invalid("--format '" + format + "': expected json");
  PLIMSOLL_ASSIGN(const std::string from, moment(since));
  PLIMSOLL_ASSIGN(const std::string to, moment(until));
  PLIMSOLL_ASSIGN(const std::string filter, filter_query(filters));
  const std::string target = "/events?since=" + encode(from) + "&until=" + encode(to) + "&filters=" + filter;
  PLIMSOLL_ASSIGN(const auto stream, agent.open("GET", target));
  PLIMSOLL_TRY(each_line(*stream, [&](const nlohmann::json& event) {
    if (format == "json") {
      fmt::print("{}\n", json_text(event));
    } else {
      const auto actor = event.value("Actor", nlohmann::json::object());
      const auto attributes = actor.value("Attributes", nlohmann::json::object());
      std::string details;
      for (const auto& [key, value] : attributes.items()) {
        details += fmt::format("{}{}={}", details.empty() ? "" : ", ", key,
                               value.is_string() ? value.get<std::string>() : json_text(value));
      }
      fmt::print("{} {} {} {} ({})\n", event.value("time", std::int64_t{0}), event.value("Type", "container"),
                 event.value("Action", ""), actor.value("ID", ""), details);
    }
    std::fflush(stdout);
    return true;
  }));
  return 0;
}

}  // namespace plimsoll::cli
