#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "agent/cli/container_flags.h"
#include "agent/cli/pump.h"
#include "agent/cli/terminal.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

struct ExecFlags {
  bool detach = false, interactive = false, tty = false, privileged = false;
  std::string user, workdir;
  std::vector<std::string> env, env_files;
};

Result<json> exec_body(const ExecFlags& flags, const Words& command) {
  json env = json::array();
  for (const std::string& path : flags.env_files) {
    PLIMSOLL_ASSIGN(const auto lines, read_pairs_file(path));
    for (const std::string& line : lines) env.push_back(line);
  }
  for (const std::string& text : flags.env) env.push_back(text);
  json body = {{"Cmd", command},
               {"Env", env},
               {"Tty", flags.tty},
               {"Privileged", flags.privileged},
               {"AttachStdin", flags.interactive && !flags.detach},
               {"AttachStdout", !flags.detach},
               {"AttachStderr", !flags.detach}};
  if (!flags.user.empty()) body["User"] = flags.user;
  if (!flags.workdir.empty()) body["WorkingDir"] = flags.workdir;
  return body;
}

Result<int> exec_attached(const Connection& agent, const ExecFlags& flags, const std::string& path) {
  const json how = {{"Detach", false}, {"Tty", flags.tty}};
  PLIMSOLL_ASSIGN(const auto stream, agent.upgrade(path + "/start", how));
  const bool terminal = flags.tty && ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
  {
    std::optional<RawTerminal> raw;
    if (terminal) {
      if (flags.interactive) raw.emplace(STDIN_FILENO);
      send_size(agent, path);
    }
    PLIMSOLL_TRY(pump(agent, *stream, {flags.tty, flags.interactive, terminal ? path : ""}));
  }
  PLIMSOLL_ASSIGN(const json ended, agent.get(path + "/json"));
  const json code = ended.value("ExitCode", json());
  return code.is_number() ? code.get<int>() : 0;
}

}  // namespace

Result<int> exec(const Connection& agent, const Words& args) {
  ExecFlags given;
  Flags flags("exec [FLAGS] CONTAINER COMMAND [ARG...]", "Run a command in a running container",
              "plimsoll exec -it web sh", Flags::Order::kBeforeWords);
  flags.flag('d', "detach", given.detach, "do not wait for it")
      .flag('i', "interactive", given.interactive, "keep standard input open")
      .flag('t', "tty", given.tty, "give it a terminal")
      .flag(0, "privileged", given.privileged, "all capabilities")
      .value('u', "user", given.user, "USER[:GROUP]", "name or number")
      .value('w', "workdir", given.workdir, "PATH", "working folder inside")
      .list('e', "env", given.env, "KEY=VALUE", "an environment variable")
      .list(0, "env-file", given.env_files, "FILE", "a file of KEY=VALUE lines");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.least = 2}, "a container and a command"));
  if (!words) return 0;
  PLIMSOLL_ASSIGN(const json body, exec_body(given, Words(words->begin() + 1, words->end())));
  PLIMSOLL_ASSIGN(const json made,
                  agent.send("POST", "/containers/" + encode(words->front()) + "/exec", body));
  const std::string path = "/exec/" + made.value("Id", "");
  auto status = [&]() -> Result<int> {
    if (!given.detach) return exec_attached(agent, given, path);
    PLIMSOLL_TRY(agent.send("POST", path + "/start", {{"Detach", true}, {"Tty", given.tty}}));
    return 0;
  }();
  if (status) return status;
  fmt::print(stderr, "plimsoll: {}\n", status.error().message());
  const int meaning = exit_status_of_failed_start(status.error());
  return meaning == kExitCannotRun ? 1 : meaning;
}

}  // namespace plimsoll::cli
