// Exec sessions.
#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "agent/api/docker.h"
#include "agent/api/docker_words.h"
#include "agent/api/pump.h"

namespace plimsoll::api {
namespace {

using nlohmann::json;

void create(Exchange& exchange, const DockerParts& parts) {
  const auto config = container::parse_exec(exchange.request().body);
  if (!config) return exchange.reply_error(config.error());
  const auto id = parts.containers.exec_create(exchange.request().params.at("name"), *config);
  if (!id) return exchange.reply_error(id.error());
  reply_json(exchange, {{"Id", *id}}, 201);
}

Result<bool> wants_detach(const std::string& body) {
  if (body.empty()) return false;
  const json document = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return invalid("exec start: the body is not a JSON object");
  const auto detach = document.find("Detach");
  if (detach == document.end() || detach->is_null()) return false;
  if (!detach->is_boolean()) return invalid("exec start: Detach: expected true or false");
  return detach->get<bool>();
}

void tell(const UniqueFd& client, bool tty, const std::string& message) {
  const std::string text = message + (tty ? "\r\n" : "\n");
  const std::string bytes = tty ? text : framed(/*is_stderr=*/true, text);
  (void)::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

void start(Exchange& exchange, const DockerParts& parts) {
  const std::string& id = exchange.request().params.at("id");
  const auto detach = wants_detach(exchange.request().body);
  if (!detach) return exchange.reply_error(detach.error());
  const auto config = parts.containers.exec_config(id);
  if (!config) return exchange.reply_error(config.error());
  const auto shim = parts.containers.exec_start(id, *detach);
  const bool cannot_run = !shim && shim.error().kind() != ErrorKind::kConflict;
  if (!shim && (*detach || !cannot_run)) return exchange.reply_error(told_as_docker(shim.error()));
  if (*detach) return reply_empty(exchange, 200);
  std::string early;
  const UniqueFd client = exchange.hijack(config->tty ? kRawStream : kFramedStream, early);
  // The client has asked for a stream: why there is nothing to stream goes there, and the exit code (126,
  // 127) into the session.
  if (!shim) return tell(client, config->tty, told_as_docker(shim.error()).message());
  // An exec session has one client: the end of its input is the end of the process's.
  const bool ended =
      pump(client, *shim, early, {.tty = config->tty, .input = config->attach_stdin, .end_input = true});
  // The client asks for the exit code as soon as its stream ends, and the supervisor may not have heard it
  // yet.
  constexpr std::chrono::seconds kNoted{10};
  if (ended) (void)parts.containers.exec_wait(id, kNoted);
}

void inspect(Exchange& exchange, const DockerParts& parts) {
  const auto document = parts.containers.exec_inspect(exchange.request().params.at("id"));
  if (!document) return exchange.reply_error(document.error());
  reply_json(exchange, *document);
}

void resize(Exchange& exchange, const DockerParts& parts) {
  const auto size = terminal_size(exchange.request());
  if (!size) return exchange.reply_error(size.error());
  reply_done(exchange,
             parts.containers.exec_resize(exchange.request().params.at("id"), size->rows, size->columns),
             200);
}

}  // namespace

void add_exec_routes(Router& router, const DockerParts& parts) {
  const std::vector<std::string_view> kNone;
  router.add("POST", "/containers/{name}/exec", [&parts](Exchange& e) { create(e, parts); },
             {.queries = kNone});
  router.add("POST", "/exec/{id}/start", [&parts](Exchange& e) { start(e, parts); }, {.queries = kNone});
  router.add("GET", "/exec/{id}/json", [&parts](Exchange& e) { inspect(e, parts); }, {.queries = kNone});
  router.add("POST", "/exec/{id}/resize", [&parts](Exchange& e) { resize(e, parts); },
             {.queries = {{"h", "w"}}});
}

}  // namespace plimsoll::api
