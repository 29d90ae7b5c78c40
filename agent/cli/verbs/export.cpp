#include <array>
#include <chrono>
#include <cstdio>

#include "agent/base/rfc3339.h"
#include "agent/cli/flags.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {

Result<int> export_history(const Connection& agent, const Words& args) {
  std::string from, to;
  Flags flags("export [FLAGS] [CONTAINER]",
              "Print what was recorded, as JSON lines: host, containers, events and decisions",
              "plimsoll export --from '1 hour ago' --to '50 minutes ago' web-1");
  flags.value(0, "from", from, "TIME", "RFC 3339, Unix seconds, 10m or '10 minutes ago' (all that there is)")
      .value(0, "to", to, "TIME", "likewise (now)");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 1}, "at most one container"));
  if (!words) return 0;
  const WallTime now = std::chrono::system_clock::now();
  std::string page = "/plimsoll/v1/history?container=" + (words->empty() ? "" : encode(words->front()));
  for (const auto& [name, text] : {std::pair{"from", &from}, std::pair{"to", &to}}) {
    const auto when = parse_moment(*text, now);
    if (!when) return invalid(std::string("--") + name + ": " + when.error().message());
    if (*when) page += std::string("&") + name + "=" + encode(format_rfc3339(**when));
  }
  PLIMSOLL_ASSIGN(const auto stream, agent.open("GET", page));
  std::array<char, 65536> part{};
  while (true) {
    PLIMSOLL_ASSIGN(const std::size_t got, stream->read(part));
    if (got == 0) return 0;
    if (std::fwrite(part.data(), 1, got, stdout) != got) return fail_errno("write to standard output");
  }
}

}  // namespace plimsoll::cli
