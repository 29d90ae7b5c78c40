#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/base/units.h"
#include "agent/cli/flags.h"
#include "agent/cli/oom_page.h"
#include "agent/cli/probe_note.h"
#include "agent/cli/table.h"
#include "agent/cli/time_text.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

constexpr const char* kPage = "/plimsoll/v1/ooms";

std::string limit_text(const json& one) {
  const json ran_out = one.value("ran_out", json::object());
  const json limit = ran_out.value("max_bytes", json());
  return limit.is_number() ? mebibytes(limit) : "(the machine)";
}

std::string asker_text(const json& one) {
  const json asker = one.value("asked_by", json::object());
  return fmt::format("{} ({})", asker.value("comm", ""), asker.value("pid", 0));
}

std::string memory_text(const json& one) {
  const json victims = one.value("victims", json::array());
  return victims.empty() ? "" : mebibytes(victims[0].value("resident_bytes", json()));
}

// One that lives, whoever runs it, or one of the agent's own that ended. Of others that ended there are their
// records only.
bool is_container(const Connection& agent, const std::string& word) {
  if (const auto watched = agent.get("/plimsoll/v1/containers"); watched && watched->is_object()) {
    for (const json& one : watched->value("containers", json::array())) {
      if (one.value("name", "") == word || one.value("id", "").starts_with(word)) return true;
    }
  }
  return agent.get("/containers/" + encode(word) + "/json").has_value();
}

Result<int> list(const Connection& agent, const std::string& container, const std::string& limit,
                 const std::string& format) {
  PLIMSOLL_ASSIGN(const json all,
                  agent.get(std::string(kPage) + "?limit=" + limit + "&container=" + encode(container)));
  if (all.empty()) {
    if (!container.empty() && !is_container(agent, container))
      return fail("No such OOM kill or container: " + container, ErrorKind::kNotFound);
    tell_if_down(agent, "oom");
  }
  if (format == "json") {
    for (const json& one : all) fmt::print("{}\n", json_text(one));
    return 0;
  }
  Table table({{"ID", "ID"},
               {"When", "WHEN"},
               {"Container", "CONTAINER"},
               {"Victim", "VICTIM"},
               {"Memory", "ITS MEMORY"},
               {"Limit", "LIMIT"},
               {"AskedBy", "ASKED BY"}});
  for (const json& one : all) {
    table.add({std::to_string(one.value("id", std::int64_t{0})), day_text(one.value("when", "")),
               victim_of(one), victims_text(one), memory_text(one), limit_text(one), asker_text(one)});
  }
  PLIMSOLL_ASSIGN(const std::string text, table.render(format));
  fmt::print("{}", text);
  return 0;
}

}  // namespace

Result<int> oom(const Connection& agent, const Words& args) {
  std::string limit = "100", format;
  Flags flags("oom [FLAGS] [ID|CONTAINER]",
              "Show what the kernel killed for lack of memory; with an ID, all that is known of one kill",
              "plimsoll oom 17");
  flags.value('n', "last", limit, "N", "the N newest (100)")
      .value(0, "format", format, "FORMAT", "table, json, or a template such as '{{.Victim}}'");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 1}, "one ID or container at most"));
  if (!words) return 0;
  if (parse_u64(limit).value_or(0) == 0)
    return invalid("--last '" + limit + "': expected a whole number, 1 at least");
  const std::string word = words->empty() ? "" : words->front();
  if (!parse_u64(word)) return list(agent, word, limit, format);
  const auto one = agent.get(std::string(kPage) + "/" + word);
  // A container can be called 17, too.
  if (!one && one.error().kind() == ErrorKind::kNotFound) return list(agent, word, limit, format);
  if (!one) return std::unexpected(one.error());
  if (!format.empty() && format != "json") return invalid("--format: of one kill it takes json only");
  fmt::print("{}", format == "json" ? json_text(*one) + "\n" : oom_page(*one));
  return 0;
}

}  // namespace plimsoll::cli
