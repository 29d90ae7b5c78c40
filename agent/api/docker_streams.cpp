// Attach and logs.
#include <poll.h>

#include <array>
#include <nlohmann/json.hpp>

#include "agent/api/docker.h"
#include "agent/api/docker_words.h"
#include "agent/api/pump.h"
#include "agent/base/rfc3339.h"

namespace plimsoll::api {
namespace {

void attach(Exchange& exchange, const DockerParts& parts) {
  const Request& request = exchange.request();
  const std::string& name = request.params.at("name");
  const auto config = parts.containers.config(name);
  if (!config) return exchange.reply_error(config.error());
  const std::string keys = request.value("detachKeys");
  if (!keys.empty() && detach_sequence(keys).empty()) {
    return exchange.reply_error(Error("detachKeys: '" + keys + "' is no list of keys", ErrorKind::kInvalid));
  }
  PumpOptions options{.tty = config->tty,
                      .input = request.flag("stdin") && (config->open_stdin || config->tty),
                      .end_input = config->stdin_once && !config->tty};
  if (!keys.empty()) options.detach_keys = keys;
  // Before the head is sent: nothing of the output may be missed once the client is told that it is attached.
  const auto shim =
      parts.containers.attach(name, {.out = request.flag("stdout"), .err = request.flag("stderr")});
  if (!shim && shim.error().kind() == ErrorKind::kConflict) return exchange.reply_error(shim.error());
  std::string early;
  const UniqueFd client = exchange.hijack(config->tty ? kRawStream : kFramedStream, early);
  // A process that cannot be made has no output; why it cannot is for the start, which follows, to say.
  if (shim) pump(client, *shim, early, options);
}

struct LogStyle {
  bool tty = false, timestamps = false;
};

// A line's parts follow one another without a newline; only its first part has a timestamp.
bool send_line(Exchange& exchange, const container::LogLine& line, const LogStyle& style,
               std::array<bool, 2>& inside) {
  bool& continued = inside[line.is_stderr ? 1 : 0];
  std::string text;
  if (style.timestamps && !continued) text = line.time + " ";
  text += line.text;
  if (line.complete) text += "\n";
  continued = !line.complete;
  return exchange.write(style.tty ? text : framed(line.is_stderr, text));
}

Result<container::LogOptions> log_options(const Request& request, WallTime now) {
  container::LogOptions options{
      .out = request.flag("stdout"), .err = request.flag("stderr"), .follow = request.flag("follow")};
  if (!options.out && !options.err) return invalid("Bad parameters: you must choose at least one stream");
  const std::string tail = request.value("tail");
  if (!tail.empty() && tail != "all") {
    PLIMSOLL_ASSIGN(const auto lines, request.integer("tail"));
    if (lines.value_or(-1) >= 0) options.tail = static_cast<std::size_t>(*lines);
  }
  PLIMSOLL_ASSIGN(options.since, parse_moment(request.value("since"), now));
  PLIMSOLL_ASSIGN(options.until, parse_moment(request.value("until"), now));
  return options;
}

void logs(Exchange& exchange, const DockerParts& parts) {
  constexpr int kGlanceMs = 500;  // at the client and at the container's end, which no log line tells
  const std::string& name = exchange.request().params.at("name");
  const auto options = log_options(exchange.request(), parts.clock.wall());
  if (!options) return exchange.reply_error(options.error());
  const auto config = parts.containers.config(name);
  if (!config) return exchange.reply_error(config.error());
  const auto reader = parts.containers.logs(name, *options);
  if (!reader) return exchange.reply_error(reader.error());
  const LogStyle style{.tty = config->tty, .timestamps = exchange.request().flag("timestamps")};
  exchange.begin_stream({.type = style.tty ? kRawStream : kFramedStream});
  std::array<bool, 2> inside{};
  while (true) {
    const auto line = (*reader)->next();
    if (!line) return;  // the status is long sent: all that is left is to end
    if (*line) {
      if (!send_line(exchange, **line, style, inside)) return;
      continue;
    }
    if ((*reader)->ended() || exchange.client_gone()) return;
    pollfd wait{(*reader)->changed_fd(), POLLIN, 0};
    (void)::poll(&wait, 1, kGlanceMs);
  }
}

}  // namespace

void add_stream_routes(Router& router, const DockerParts& parts) {
  router.add("POST", "/containers/{name}/attach", [&parts](Exchange& e) { attach(e, parts); },
             {.queries = {{"stream", "stdin", "stdout", "stderr", "detachKeys"}}});
  router.add("GET", "/containers/{name}/logs", [&parts](Exchange& e) { logs(e, parts); },
             {.queries = {{"follow", "stdout", "stderr", "since", "until", "timestamps", "tail"}}});
}

}  // namespace plimsoll::api
