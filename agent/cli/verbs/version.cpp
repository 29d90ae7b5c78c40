#include "agent/base/version.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/cli/flags.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {

Result<int> version(const Connection& agent, const Words& args) {
  std::string format;
  Flags flags("version [FLAGS]", "Show the versions of the command line and of the agent",
              "plimsoll version --format json");
  flags.value('f', "format", format, "FORMAT", "json, or nothing for text");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 0}, "no words"));
  if (!words) return 0;
  if (!format.empty() && format != "json") return invalid("--format '" + format + "': expected json");
  const auto server = agent.get("/version");
  if (format == "json") {
    const nlohmann::ordered_json both = {{"Client", {{"Version", kVersion}}},
                                         {"Server", server ? *server : nlohmann::json()}};
    fmt::print("{}\n", json_text(both));
  } else {
    fmt::print("Client: plimsoll {}\n", kVersion);
    if (server) {
      fmt::print("Server: plimsoll {} (API {}, kernel {}, {})\n", server->value("Version", "?"),
                 server->value("ApiVersion", "?"), server->value("KernelVersion", "?"),
                 server->value("Arch", "?"));
    }
  }
  if (server) return 0;
  return std::unexpected(server.error());
}

}  // namespace plimsoll::cli
