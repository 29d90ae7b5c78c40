#include <charconv>

#include "agent/cli/flags.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/verbs.h"

namespace plimsoll::daemon {
namespace {

Result<log::Format> parse_format(const std::string& text) {
  if (text == "text") return log::Format::kText;
  if (text == "json") return log::Format::kJson;
  return invalid("--log-format '" + text + "': expected text or json");
}

Result<bool> parse_on_stop(const std::string& text) {
  if (text == "keep") return false;
  if (text == "put-back") return true;
  return invalid("--on-stop '" + text + "': expected keep or put-back");
}

constexpr Bytes kLeastHistory{1U << 20};

// Entries of a BPF map: kernel memory on each CPU.
Result<unsigned> parse_room(const std::string& flag, const std::string& text) {
  unsigned room = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), room);
  if (error != std::errc{} || end != text.data() + text.size() || room < 16 || room > 1'000'000)
    return invalid(flag + " '" + text + "': expected 16 to 1000000");
  return room;
}

Result<> parse_history(const std::string& keep, const std::string& size, Config& config) {
  const auto duration = parse_duration(keep);
  if (!duration) return invalid("--history-keep: " + duration.error().message());
  if (*duration < std::chrono::minutes(1))
    return invalid("--history-keep '" + keep + "': expected 1m or more");
  const auto bytes = parse_bytes(size);
  if (!bytes) return invalid("--history-size: " + bytes.error().message());
  if (bytes->value != 0 && bytes->value < kLeastHistory.value)
    return invalid("--history-size '" + size + "': expected 0, or 1MiB or more");
  config.history_keep = *duration;
  config.history_size = *bytes;
  return {};
}

}  // namespace

Result<int> agent_verb(const cli::Connection& agent, const cli::Words& args) {
  Config config;
  if (agent.socket() != kDefaultSocket) config.socket = agent.socket();
  std::string interval = "1s", level = "info", format = "text", on_stop = "keep";
  std::vector<std::string> labels, no_probes, probes;
  std::string probe_containers = std::to_string(config.probe_containers);
  std::string probe_cells = std::to_string(config.probe_cells);
  std::string history_keep = "7d", history_size = "1GiB";
  cli::Flags flags("agent [FLAGS]", "Run the agent in the foreground",
                   "plimsoll agent --policies /etc/plimsoll/policies --listen 127.0.0.1:9876");
  flags
      .value(0, "policies", config.policies, "FOLDER",
             "policy files, followed live (" + config.policies + ")")
      .value(0, "listen", config.listen, "ADDRESS",
             "metrics and status over HTTP; '' for none (" + config.listen + ")")
      .value(0, "state", config.state, "FOLDER",
             "what must outlive the agent and the host (" + config.state + ")")
      .value(0, "run", config.run, "FOLDER", "what must outlive the agent only (" + config.run + ")")
      .value(0, "runtime", config.runtime_binary, "FILE",
             "the launcher (plimsoll-runtime beside this program)")
      .value(0, "interval", interval, "DURATION", "how often everything is sampled (1s)")
      .list(0, "metric-label", labels, "KEY", "export this container label as container_label_KEY")
      .list(0, "no-probe", no_probes, "NAME", "do without this BPF probe, or without all")
      .list(0, "probe", probes, "NAME", "load this BPF probe as well, which is not loaded unasked, or all")
      .value(0, "probe-containers", probe_containers, "COUNT",
             "cgroups that the probes' maps have room for (" + probe_containers + ")")
      .value(0, "probe-cells", probe_cells, "COUNT",
             "pairs of a container and something else, such as whom it waited for (" + probe_cells + ")")
      .value(0, "history-keep", history_keep, "DURATION", "what is recorded is kept so long (7d)")
      .value(0, "history-size", history_size, "BYTES",
             "and takes no more than this; 0: nothing is recorded (1GiB)")
      .value(0, "on-stop", on_stop, "WORD",
             "what policies set when this agent is ended: keep it for the next one, or put-back (keep)")
      .value(0, "log-level", level, "LEVEL", "debug, info, warning or error (info)")
      .value(0, "log-format", format, "FORMAT", "text or json (text)");
  PLIMSOLL_ASSIGN(const auto words, flags.take(args, {.most = 0}, "no words"));
  if (!words) return 0;
  const auto tick = parse_duration(interval);
  if (!tick) return invalid("--interval: " + tick.error().message());
  config.tick = *tick;
  config.label_keys.insert(labels.begin(), labels.end());
  config.probes_off.insert(no_probes.begin(), no_probes.end());
  config.probes_on.insert(probes.begin(), probes.end());
  PLIMSOLL_ASSIGN(config.probe_containers, parse_room("--probe-containers", probe_containers));
  PLIMSOLL_ASSIGN(config.probe_cells, parse_room("--probe-cells", probe_cells));
  PLIMSOLL_ASSIGN(config.put_back, parse_on_stop(on_stop));
  PLIMSOLL_TRY(parse_history(history_keep, history_size, config));
  PLIMSOLL_ASSIGN(config.log_level, log::parse_level(level));
  PLIMSOLL_ASSIGN(config.log_format, parse_format(format));
  PLIMSOLL_ASSIGN(const Config whole, completed(std::move(config)));
  PLIMSOLL_TRY(run_agent(whole));
  return 0;
}

}  // namespace plimsoll::daemon
