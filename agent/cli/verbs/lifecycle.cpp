// start, stop, restart, kill, rm, wait: one request for each named container. One that fails does not keep
// the others from their turn; the exit status is then 1.
#include <fmt/format.h>

#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>

#include "agent/cli/flags.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

int each(const Words& names, const std::function<Result<std::string>(const std::string&)>& act) {
  int status = 0;
  for (const std::string& name : names) {
    const auto line = act(name);
    if (line) {
      fmt::print("{}\n", *line);
    } else {
      fmt::print(stderr, "plimsoll: {}\n", line.error().message());
      status = 1;
    }
  }
  return status;
}

// Parses the flags and acts on each word, or prints the help text.
Result<int> on_each(Flags& flags, const Words& args,
                    const std::function<Result<std::string>(const std::string&)>& act) {
  PLIMSOLL_ASSIGN(const auto names, flags.take(args, {.least = 1}, "one or more containers"));
  if (!names) return 0;
  return each(*names, act);
}

Result<std::string> post_for(const Connection& agent, const std::string& name, const std::string& verb) {
  PLIMSOLL_TRY(agent.post("/containers/" + encode(name) + "/" + verb));
  return name;
}

}  // namespace

Result<int> start(const Connection& agent, const Words& args) {
  Flags flags("start CONTAINER...", "Start containers", "plimsoll start web");
  return on_each(flags, args, [&](const std::string& name) { return post_for(agent, name, "start"); });
}

Result<int> stop(const Connection& agent, const Words& args) {
  std::string seconds, signal;
  Flags flags("stop [FLAGS] CONTAINER...", "Stop containers: a signal, then SIGKILL",
              "plimsoll stop --time 3 web");
  flags.value('t', "time", seconds, "SECONDS", "how long to wait before SIGKILL (10)")
      .value('s', "signal", signal, "SIGNAL", "instead of the container's stop signal");
  return on_each(flags, args, [&](const std::string& name) {
    std::string query = seconds.empty() ? "" : "?t=" + encode(seconds);
    if (!signal.empty()) query += (query.empty() ? "?signal=" : "&signal=") + encode(signal);
    return post_for(agent, name, "stop" + query);
  });
}

Result<int> restart(const Connection& agent, const Words& args) {
  std::string seconds;
  Flags flags("restart [FLAGS] CONTAINER...", "Stop and start containers", "plimsoll restart web");
  flags.value('t', "time", seconds, "SECONDS", "how long to wait before SIGKILL (10)");
  return on_each(flags, args, [&](const std::string& name) {
    return post_for(agent, name, "restart" + (seconds.empty() ? "" : "?t=" + encode(seconds)));
  });
}

Result<int> kill(const Connection& agent, const Words& args) {
  std::string signal = "KILL";
  Flags flags("kill [FLAGS] CONTAINER...", "Send a signal to containers", "plimsoll kill --signal HUP web");
  flags.value('s', "signal", signal, "SIGNAL", "name or number (KILL)");
  return on_each(flags, args, [&](const std::string& name) {
    return post_for(agent, name, "kill?signal=" + encode(signal));
  });
}

Result<int> rm(const Connection& agent, const Words& args) {
  bool force = false;
  bool volumes = false;
  Flags flags("rm [FLAGS] CONTAINER...", "Remove containers", "plimsoll rm --force web");
  flags.flag('f', "force", force, "kill those that run")
      .flag('v', "volumes", volumes, "also remove their anonymous volumes");
  return on_each(flags, args, [&](const std::string& name) -> Result<std::string> {
    const std::string target = fmt::format("/containers/{}?force={:d}&v={:d}", encode(name), force, volumes);
    PLIMSOLL_TRY(agent.send("DELETE", target, json()));
    return name;
  });
}

Result<int> wait(const Connection& agent, const Words& args) {
  Flags flags("wait CONTAINER...", "Wait until containers end, and print their exit codes",
              "plimsoll wait batch");
  return on_each(flags, args, [&](const std::string& name) -> Result<std::string> {
    PLIMSOLL_ASSIGN(const json reply, agent.post("/containers/" + encode(name) + "/wait"));
    return std::to_string(reply.value("StatusCode", -1));
  });
}

}  // namespace plimsoll::cli
