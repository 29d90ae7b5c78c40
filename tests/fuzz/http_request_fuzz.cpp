// Bytes of a client, as they come over a socket: framing, routing, queries, filters and the documents of
// create and exec. Nothing of it may crash, hang or take more memory than its limits say.
#include <sys/socket.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/api/docker_words.h"
#include "agent/api/pump.h"
#include "agent/api/serve.h"
#include "agent/base/json_text.h"
#include "agent/base/rfc3339.h"
#include "agent/container/config_json.h"
#include "agent/container/containers.h"
#include "agent/image/reference.h"

namespace plimsoll::api {
namespace {

// A document that is taken must survive the way to disk and back.
void create(Exchange& exchange) {
  const auto config = container::parse_create(exchange.request().body);
  if (!config) return exchange.reply_error(config.error());
  const auto document = container::document_of(*config);
  if (!container::config_from_json(nlohmann::json::parse(json_text(document)))) __builtin_trap();
  reply_json(exchange, document, 201);
}

void list(Exchange& exchange) {
  const auto filters = parse_filters(exchange.request().value("filters"));
  if (!filters) return exchange.reply_error(filters.error());
  const auto limit = exchange.request().integer("limit");
  if (!limit) return exchange.reply_error(limit.error());
  const auto since = parse_moment(exchange.request().value("since"), WallTime{});
  if (!since) return exchange.reply_error(since.error());
  exchange.reply({.body = detach_sequence(exchange.request().value("detachKeys"))});
}

void import(Exchange& exchange) {
  if (const auto reference = image::parse_reference(exchange.request().value("repo")); !reference) {
    return exchange.reply_error(reference.error());
  }
  std::array<char, 512> bytes{};
  while (true) {
    const auto got = exchange.read_body(bytes);
    if (!got) return exchange.reply_error(got.error());
    if (*got == 0) return reply_empty(exchange);
  }
}

const Router& router() {
  static const Router kRouter = [] {
    Router made;
    made.add("GET", "/_ping", [](Exchange& e) { e.reply({.body = "OK"}); }, {.is_public = true});
    made.add("GET", "/containers/json", list);
    made.add("POST", "/containers/create", create);
    made.add("POST", "/containers/{name}/exec", [](Exchange& e) {
      const auto config = container::parse_exec(e.request().body);
      if (!config) return e.reply_error(config.error());
      reply_empty(e);
    });
    made.add("POST", "/containers/{name}/wait", [](Exchange& e) {
      const auto condition = container::parse_wait_condition(e.request().value("condition"));
      if (!condition) return e.reply_error(condition.error());
      e.begin_stream({});
      e.write("{}\n");
    });
    made.add("POST", "/exec/{id}/start", [](Exchange& e) {
      std::string early;
      (void)e.hijack(kRawStream, early);
    });
    made.add("POST", "/images/create", import, {.streams_body = true});
    made.add("DELETE", "/images/{name...}", [](Exchange& e) { reply_done(e, {}); });
    return made;
  }();
  return kRouter;
}

void serve(std::string_view bytes, bool public_only) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
  const UniqueFd client(ends[0]);
  UniqueFd server(ends[1]);
  (void)!::send(client.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  ::shutdown(client.get(), SHUT_WR);
  serve_connection(std::move(server), router(),
                   {.public_only = public_only,
                    .patience = std::chrono::milliseconds(20),
                    .most_header = 4096,
                    .most_body = 65536});
}

}  // namespace
}  // namespace plimsoll::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMost = 64 * 1024;
  const std::string_view bytes(reinterpret_cast<const char*>(data), std::min(size, kMost));
  plimsoll::api::serve(bytes, /*public_only=*/false);
  plimsoll::api::serve(bytes, /*public_only=*/true);
  return 0;
}
