// POST and GET /containers/...: everything that is answered in one piece, and wait.
#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>

#include "agent/api/docker.h"
#include "agent/api/docker_words.h"
#include "agent/base/json_text.h"

namespace plimsoll::api {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

// How soon a wait notices that its client has gone.
constexpr auto kGlance = 250ms;

std::string name_of(const Exchange& exchange) { return exchange.request().params.at("name"); }

Result<std::optional<std::chrono::seconds>> timeout_of(const Request& request) {
  PLIMSOLL_ASSIGN(const auto seconds, request.integer("t"));
  if (!seconds) return std::optional<std::chrono::seconds>();
  constexpr std::int64_t kMost = 10L * 365 * 86400;
  return std::optional(std::chrono::seconds(std::min(*seconds, kMost)));
}

void list(Exchange& exchange, const DockerParts& parts) {
  const Request& request = exchange.request();
  auto filters = parse_filters(request.value("filters"));
  if (!filters) return exchange.reply_error(filters.error());
  const auto limit = request.integer("limit");
  if (!limit) return exchange.reply_error(limit.error());
  container::ListOptions options{
      .all = request.flag("all"),
      .limit = static_cast<int>(std::clamp<std::int64_t>(limit->value_or(0), 0, INT32_MAX)),
      .size = request.flag("size"),
      .filters = std::move(*filters)};
  const auto containers = parts.containers.list(options);
  if (!containers) return exchange.reply_error(containers.error());
  reply_json(exchange, *containers);
}

// In Docker's words. The kernel would take a quota of more CPUs than there are, and never hold it.
Result<> check_cpus(std::int64_t nano_cpus, const HostFacts& host) {
  const double cpus = static_cast<double>(nano_cpus) / 1e9;
  if (nano_cpus == 0 || (cpus >= 0.01 && cpus <= host.cpus)) return {};
  return invalid(fmt::format(
      "Range of CPUs is from 0.01 to {0:.2f}, as there are only {0:.0f} CPUs available", host.cpus));
}

void create(Exchange& exchange, const DockerParts& parts) {
  if (const auto fits = check_platform(exchange.request().value("platform"), parts.host); !fits)
    return exchange.reply_error(fits.error());
  auto config = container::parse_create(exchange.request().body);
  if (!config) return exchange.reply_error(config.error());
  if (const auto fits = check_cpus(config->limits.nano_cpus, parts.host); !fits)
    return exchange.reply_error(fits.error());
  config->name = exchange.request().value("name");
  const auto created = parts.containers.create(*config);
  if (!created) return exchange.reply_error(created.error());
  reply_json(exchange, {{"Id", created->id}, {"Warnings", created->warnings}}, 201);
}

// 204 where something was done, 304 where it was so already.
void reply_changed(Exchange& exchange, const Result<bool>& changed) {
  if (!changed) return exchange.reply_error(changed.error());
  reply_empty(exchange, *changed ? 204 : 304);
}

void start(Exchange& exchange, const DockerParts& parts) {
  const std::string name = name_of(exchange);
  const auto config = parts.containers.config(name);
  if (!config) return exchange.reply_error(config.error());
  const auto started = parts.containers.start(name);
  if (started) return reply_changed(exchange, started);
  // `docker run --rm` waits for the removal, and one that cannot start has no end that would bring it.
  const bool state_forbids = started.error().kind() == ErrorKind::kConflict;
  if (config->auto_remove && !state_forbids) (void)parts.containers.remove(name, true);
  exchange.reply_error(told_as_docker(started.error()));
}

void stop(Exchange& exchange, const DockerParts& parts) {
  const auto timeout = timeout_of(exchange.request());
  if (!timeout) return exchange.reply_error(timeout.error());
  reply_changed(exchange,
                parts.containers.stop(name_of(exchange), *timeout, exchange.request().value("signal")));
}

void restart(Exchange& exchange, const DockerParts& parts) {
  const auto timeout = timeout_of(exchange.request());
  if (!timeout) return exchange.reply_error(timeout.error());
  reply_done(exchange,
             parts.containers.restart(name_of(exchange), *timeout, exchange.request().value("signal")));
}

void resize(Exchange& exchange, const DockerParts& parts) {
  const auto size = terminal_size(exchange.request());
  if (!size) return exchange.reply_error(size.error());
  reply_done(exchange, parts.containers.resize(name_of(exchange), size->rows, size->columns), 200);
}

void inspect(Exchange& exchange, const DockerParts& parts) {
  const auto document = parts.containers.inspect(name_of(exchange), exchange.request().flag("size"));
  if (!document) return exchange.reply_error(document.error());
  reply_json(exchange, *document);
}

void top(Exchange& exchange, const DockerParts& parts) {
  const std::string arguments = exchange.request().value("ps_args");
  if (!arguments.empty() && arguments != "-ef") {
    return exchange.reply_error(
        Error("top: ps_args '" + arguments + "': only -ef is supported", ErrorKind::kUnsupported));
  }
  const auto processes = parts.containers.top(name_of(exchange));
  if (!processes) return exchange.reply_error(processes.error());
  reply_json(exchange, {{"Titles", processes->titles}, {"Processes", processes->processes}});
}

// The head goes out before anything is waited for: `docker run` sends its start only after it.
void wait(Exchange& exchange, const DockerParts& parts) {
  const auto condition = container::parse_wait_condition(exchange.request().value("condition"));
  if (!condition) return exchange.reply_error(condition.error());
  struct Shared {
    std::mutex mutex;
    std::condition_variable told;
    std::optional<int> code;
  };
  const auto shared = std::make_shared<Shared>();
  const auto subscription = parts.containers.wait(name_of(exchange), *condition, [shared](int code) {
    const std::lock_guard lock(shared->mutex);
    shared->code = code;
    shared->told.notify_all();
  });
  if (!subscription) return exchange.reply_error(subscription.error());
  exchange.begin_stream({});
  std::unique_lock lock(shared->mutex);
  while (!shared->told.wait_for(lock, kGlance, [&] { return shared->code.has_value(); })) {
    if (exchange.client_gone()) return;
  }
  exchange.write(json_text(json{{"StatusCode", *shared->code}}) + "\n");
}

}  // namespace

void add_container_routes(Router& router, const DockerParts& parts) {
  using Plain = void (*)(Exchange&, const DockerParts&);
  struct Row {
    const char* method;
    const char* pattern;
    Plain handler;
    std::vector<std::string_view> queries = {};
  };
  const Row rows[] = {
      {"GET", "/containers/json", list, {"all", "limit", "size", "filters", "trunc_cmd"}},
      {"POST", "/containers/create", create, {"name", "platform"}},
      {"GET", "/containers/{name}/json", inspect, {"size"}},
      {"GET", "/containers/{name}/top", top, {"ps_args"}},
      {"POST", "/containers/{name}/start", start, {"detachKeys"}},
      {"POST", "/containers/{name}/stop", stop, {"t", "signal"}},
      {"POST", "/containers/{name}/restart", restart, {"t", "signal"}},
      {"POST",
       "/containers/{name}/kill",
       [](Exchange& e, const DockerParts& p) {
         reply_done(e, p.containers.kill(name_of(e), e.request().value("signal")));
       },
       {"signal"}},
      {"POST", "/containers/{name}/resize", resize, {"h", "w"}},
      {"POST",
       "/containers/{name}/rename",
       [](Exchange& e, const DockerParts& p) {
         reply_done(e, p.containers.rename(name_of(e), e.request().value("name")));
       },
       {"name"}},
      {"POST", "/containers/{name}/wait", wait, {"condition"}},
      {"DELETE",
       "/containers/{name}",
       [](Exchange& e, const DockerParts& p) {
         reply_done(e, p.containers.remove(name_of(e), e.request().flag("force")));
       },
       {"force", "v"}},  // there are no anonymous volumes to remove
  };
  for (const Row& row : rows) {
    router.add(row.method, row.pattern, [&parts, handler = row.handler](Exchange& e) { handler(e, parts); },
               {.queries = row.queries});
  }
}

}  // namespace plimsoll::api
