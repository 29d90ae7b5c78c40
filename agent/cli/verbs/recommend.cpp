#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/base/units.h"
#include "agent/cli/flags.h"
#include "agent/cli/recommend_patch.h"
#include "agent/cli/table.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

std::string amount_words(const json& value, bool memory) {
  if (!value.is_number()) return "-";
  const double number = value;
  const double size = std::abs(number);
  const std::string text =
      memory ? format_bytes(Bytes{static_cast<std::uint64_t>(size)}) : fmt::format("{:.2f} cores", size);
  return (number < 0 ? "-" : "") + text;
}

std::vector<std::string> recommendation_row(const json& one) {
  const bool memory = one.value("resource", "") == "memory";
  const std::string mode = one.value("mode", "");
  return {
      one.at("container").value("name", ""),
      one.value("resource", ""),
      one.at("limit").is_null() ? "none" : amount_words(one.at("limit"), memory),
      amount_words(one.at("used"), memory),
      amount_words(one.at("target"), memory),
      amount_words(one.at("saves"), memory),
      fmt::format("{:.0f}%", 100 * one.value("confidence", 0.0)),
      format_duration(std::chrono::seconds(static_cast<std::int64_t>(one.value("observed_seconds", 0.0)))),
      one.value("policy", "") + " (" + mode + (one.value("audit", false) ? ", audit)" : ")")};
}

Result<std::string> recommendation_table(const json& recommendations, const std::string& format) {
  Table table({{"Container", "CONTAINER"},
               {"Resource", "RESOURCE"},
               {"Limit", "LIMIT"},
               {"Used", "USED"},
               {"Recommended", "RECOMMENDED"},
               {"Saves", "SAVES"},
               {"Confidence", "CONFIDENCE"},
               {"Seen", "SEEN FOR"},
               {"Policy", "POLICY"}});
  try {
    for (const json& one : recommendations) table.add(recommendation_row(one));
  } catch (const json::exception& error) {
    return fail(std::string("the agent's recommendations: ") + error.what());
  }
  return table.render(format);
}

}  // namespace

Result<int> recommend(const Connection& agent, const Words& args) {
  bool as_json = false;
  std::string patch, format;
  Flags flags(
      "recommend [FLAGS] [CONTAINER]",
      "Show what containers should be limited to, from what they used; those that a policy's autosize\n"
      "selects",
      "plimsoll recommend --patch compose web");
  flags
      .value(0, "patch", patch, "KIND",
             "YAML to paste instead of the table, for a policy, compose or kubernetes")
      .flag(0, "json", as_json, "all that the agent knows, as JSON")
      .value(0, "format", format, "FORMAT", "table, json, or a template such as '{{.Recommended}}'");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 1}, "one container at most"));
  if (!words) return 0;
  if (!patch.empty() && (as_json || !format.empty())) return invalid("--patch: is a format of its own");
  const std::string name = words->empty() ? "" : words->front();
  PLIMSOLL_ASSIGN(const json all, agent.get("/plimsoll/v1/recommendations?container=" + encode(name)));
  if (all.empty() && !name.empty()) {
    return fail(
        name + ": nothing to recommend: no policy's autosize selects it, or it was not seen for long enough",
        ErrorKind::kNotFound);
  }
  if (as_json) return fmt::print("{}\n", json_text(all)), 0;
  PLIMSOLL_ASSIGN(const std::string text,
                  patch.empty() ? recommendation_table(all, format) : recommend_patch(all, patch));
  fmt::print("{}", text);
  return 0;
}

}  // namespace plimsoll::cli
