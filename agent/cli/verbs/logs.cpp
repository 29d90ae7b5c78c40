#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/cli/flags.h"
#include "agent/cli/pump.h"
#include "agent/cli/time_text.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {

Result<int> logs(const Connection& agent, const Words& args) {
  bool follow = false, timestamps = false;
  std::string tail, since, until;
  Flags flags("logs [FLAGS] CONTAINER", "Show what a container wrote",
              "plimsoll logs --follow --tail 20 web");
  flags.flag('f', "follow", follow, "go on until the container ends")
      .flag('t', "timestamps", timestamps, "each line's time, RFC 3339 in UTC")
      .value('n', "tail", tail, "N", "the last N lines only")
      .value(0, "since", since, "TIME", "RFC 3339, Unix seconds, or a span such as 10m")
      .value(0, "until", until, "TIME", "as --since");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.least = 1, .most = 1}, "one container"));
  if (!words) return 0;
  const std::string path = "/containers/" + encode(words->front());
  PLIMSOLL_ASSIGN(const nlohmann::json shown, agent.get(path + "/json"));
  const bool tty = shown.value("Config", nlohmann::json::object()).value("Tty", false);
  std::string target =
      fmt::format("{}/logs?stdout=1&stderr=1&follow={:d}&timestamps={:d}", path, follow, timestamps);
  if (!tail.empty()) target += "&tail=" + encode(tail);
  PLIMSOLL_ASSIGN(const std::string from, moment(since));
  PLIMSOLL_ASSIGN(const std::string to, moment(until));
  if (!from.empty()) target += "&since=" + encode(from);
  if (!to.empty()) target += "&until=" + encode(to);
  PLIMSOLL_ASSIGN(const auto stream, agent.open("GET", target));
  PLIMSOLL_TRY(print_frames(*stream, tty));
  return 0;
}

}  // namespace plimsoll::cli
