#include "agent/daemon/pages.h"

#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/api/docker_words.h"
#include "agent/base/json_text.h"
#include "agent/base/rfc3339.h"
#include "agent/daemon/post_mortem.h"
#include "agent/kernel/process.h"
#include "agent/kernel/text_scan.h"
#include "exporters/gzip.h"
#include "policies/render.h"

namespace plimsoll::daemon {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr const char* kPrometheusText = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::size_t kMostDecisions = 10'000;  // of one answer

// JSON for programs; with ?format=text, what people read.
void reply_either(api::Exchange& exchange, std::string text, std::string as_json) {
  if (exchange.request().value("format") == "text") {
    return exchange.reply({.body = std::move(text), .type = "text/plain; charset=utf-8"});
  }
  exchange.reply({.body = std::move(as_json)});
}

// RFC 9110, 12.5.3: "gzip, deflate;q=0.5"; a weight of 0 refuses.
bool takes_gzip(const api::Request& request) {
  std::string accepted = request.header("accept-encoding");
  std::erase_if(accepted, [](char c) { return c == ' ' || c == '\t'; });
  std::string_view rest = accepted;
  while (!rest.empty()) {
    std::string_view parameters = kernel::cut(rest, ',');
    if (kernel::cut(parameters, ';') != "gzip") continue;
    return !parameters.starts_with("q=") || parse_number(parameters.substr(2)).value_or(0) > 0;
  }
  return false;
}

Result<enforce::DecisionFilter> filter_of(const api::Request& request, WallTime now) {
  enforce::DecisionFilter filter;
  PLIMSOLL_ASSIGN(const auto limit, request.integer("limit"));
  if (limit && *limit < 0) return invalid("limit: expected 0 or more");
  if (limit) filter.limit = std::min(static_cast<std::size_t>(*limit), kMostDecisions);
  auto since = parse_moment(request.value("since"), now);
  if (!since) return std::unexpected(std::move(since).error().in("since"));
  filter.since = *since;
  filter.container = request.value("container");
  filter.policy = request.value("policy");
  return filter;
}

}  // namespace

Pages::Pages(Parts parts) : parts_(std::move(parts)), began_(parts_.clock.boot()) {}

void Pages::add_to(api::Router& router) {
  const api::RouteOptions open{.is_public = true};
  router.add("GET", "/metrics", [this](api::Exchange& exchange) { metrics(exchange); }, open);
  router.add(
      "GET", "/plimsoll/v1/containers", [this](api::Exchange& exchange) { containers(exchange); }, open);
  router.add("GET", "/plimsoll/v1/decisions", [this](api::Exchange& exchange) { decisions(exchange); }, open);
  router.add(
      "GET", "/plimsoll/v1/interference",
      [this](api::Exchange& exchange) { api::reply_json(exchange, interference_json(*parts_.board.get())); },
      open);
  router.add("GET", "/plimsoll/v1/ooms", [this](api::Exchange& exchange) { ooms(exchange); }, open);
  router.add("GET", "/plimsoll/v1/ooms/{id}", [this](api::Exchange& exchange) { oom(exchange); }, open);
  router.add("GET", "/plimsoll/v1/policies", [this](api::Exchange& exchange) { policies(exchange); }, open);
  router.add(
      "GET", "/plimsoll/v1/recommendations", [this](api::Exchange& exchange) { recommendations(exchange); },
      open);
  router.add("GET", "/plimsoll/v1/health", [this](api::Exchange& exchange) { health(exchange); }, open);
  router.add("GET", "/plimsoll/v1/history", [this](api::Exchange& exchange) { history(exchange); });
  router.add("GET", "/plimsoll/v1/policies/explain/{name...}",
             [this](api::Exchange& exchange) { explain(exchange); });
  router.add("POST", "/plimsoll/v1/pause", [this](api::Exchange& exchange) { pause(exchange); });
}

void Pages::metrics(api::Exchange& exchange) {
  const BootTime began = parts_.clock.boot();
  const auto view = parts_.board.get();
  const kernel::OwnUse use = kernel::own_use(parts_.proc);
  parts_.metrics.cost(use.cpu, use.resident);
  auto counts = parts_.audit.counts();
  if (!counts) return exchange.reply_error(counts.error());
  labels_.keep_only(*view->now);
  const exporters::Scrape scrape{.now = view->now,
                                 .previous = view->previous,
                                 .host = parts_.host,
                                 .decisions = std::move(*counts),
                                 .policies = {.loaded = view->policies->policies.size(),
                                              .load_errors = policies::count_errors(view->diagnostics)},
                                 .recommendations = view->recommendations,
                                 .label_keys = parts_.label_keys,
                                 .own = parts_.metrics.text()};
  api::Response head{.type = kPrometheusText, .headers = {{"Vary", "Accept-Encoding"}}};
  const exporters::Sink send = [&exchange](std::string_view part) { return exchange.write(part); };
  if (takes_gzip(exchange.request())) {
    head.headers.emplace_back("Content-Encoding", "gzip");
    exchange.begin_stream(head);
    exporters::Gzip packed(send);
    render(scrape, labels_, [&packed](std::string_view part) { return packed.write(part); });
    packed.finish();
  } else {
    exchange.begin_stream(head);
    render(scrape, labels_, send);
  }
  parts_.metrics.scraped(parts_.clock.boot() - began);
}

void Pages::containers(api::Exchange& exchange) const {
  if (const std::string at = exchange.request().value("at"); !at.empty()) return containers_at(exchange, at);
  const auto counts = parts_.audit.counts();
  if (!counts) return exchange.reply_error(counts.error());
  const kernel::OwnUse use = kernel::own_use(parts_.proc);
  const std::chrono::duration<double> up = parts_.clock.boot() - began_;
  OwnCost own{.cpu_percent = up.count() > 0 ? 100 * use.cpu / up : 0,
              .memory = use.resident,
              .sample_seconds = parts_.metrics.last_sample_seconds()};
  for (const auto& one : *counts) own.decisions += one.count;
  api::reply_json(exchange, containers_json(*parts_.board.get(), own));
}

void Pages::decisions(api::Exchange& exchange) const {
  auto filter = filter_of(exchange.request(), parts_.clock.wall());
  if (!filter) return exchange.reply_error(filter.error());
  if (exchange.request().flag("follow")) {
    if (exchange.request().is_public) {
      return exchange.reply_error(Error("follow: answered on the agent's socket only, not on its public port",
                                        ErrorKind::kUnsupported));
    }
    return follow(exchange, std::move(*filter));
  }
  const auto records = parts_.audit.query(*filter);
  if (!records) return exchange.reply_error(records.error());
  std::string body = "[";
  for (const auto& record : *records) body += (body.size() > 1 ? "," : "") + enforce::to_json(record);
  exchange.reply({.body = body + "]\n"});
}

void Pages::follow(api::Exchange& exchange, enforce::DecisionFilter filter) const {
  auto records = parts_.audit.query(filter);
  if (!records) return exchange.reply_error(records.error());
  exchange.begin_stream({.type = "application/x-ndjson"});
  while (true) {
    for (const auto& record : *records) {
      filter.after_id = std::max(filter.after_id, record.id);
      if (!exchange.write(enforce::to_json(record) + "\n")) return;
    }
    // Between two looks at the client: one that has left must not be kept for ever.
    while (!parts_.audit.wait_newer(filter.after_id, 500ms)) {
      if (exchange.client_gone()) return;
    }
    // What the filter does not want must not be waited for again; the newest is asked for first, so that no
    // record that comes in between is passed over.
    const auto newest = parts_.audit.query({.after_id = filter.after_id, .limit = 1});
    filter.limit = kMostDecisions;
    records = parts_.audit.query(filter);
    if (!newest || !records) return;
    if (records->empty() && exchange.client_gone()) return;
    if (!newest->empty()) filter.after_id = newest->back().id;
  }
}

void Pages::ooms(api::Exchange& exchange) const {
  const auto limit = exchange.request().integer("limit");
  if (!limit) return exchange.reply_error(limit.error());
  const auto most = static_cast<std::size_t>(std::max<std::int64_t>(limit->value_or(100), 0));
  const std::string container = exchange.request().value("container");
  std::vector<json> found;
  for (const std::int64_t id : parts_.ooms.ids()) {
    if (found.size() == most) break;
    // One that was taken out meanwhile, or torn by a crash, has nothing to say.
    const auto text = parts_.ooms.read(id);
    json one = text ? json::parse(*text, nullptr, false) : json();
    if (one.is_object() && concerns(one, container)) found.push_back(post_mortem_summary(std::move(one)));
  }
  std::ranges::reverse(found);
  api::reply_json(exchange, found);
}

void Pages::oom(api::Exchange& exchange) const {
  const std::string& word = exchange.request().params.at("id");
  const auto id = parse_u64(word);
  const auto text = id && *id <= INT64_MAX ? parts_.ooms.read(static_cast<std::int64_t>(*id))
                                           : fail("No such post-mortem: " + word, ErrorKind::kNotFound);
  if (!text) return exchange.reply_error(text.error());
  exchange.reply({.body = *text});
}

void Pages::policies(api::Exchange& exchange) const {
  const auto view = parts_.board.get();
  const auto rows = policies::summaries(*view->policies, view->now->containers);
  std::string text = policies::list_text(rows);
  for (const auto& one : view->diagnostics) text += to_string(one) + "\n";
  text += policies::targets_text(*view->policies);
  const json body = {{"policies", json::parse(policies::list_json(rows))},
                     {"targets", json::parse(policies::targets_json(*view->policies))},
                     {"paused", view->paused},
                     {"diagnostics", json::parse(policies::diagnostics_json(view->diagnostics))}};
  reply_either(exchange, std::move(text), json_text(body) + "\n");
}

void Pages::recommendations(api::Exchange& exchange) const {
  const auto view = parts_.board.get();
  const std::string name = exchange.request().value("container");
  const auto* container = name.empty() ? nullptr : find_container(*view->now, name);
  if (container == nullptr && !name.empty()) {
    return exchange.reply_error(Error("No such running container: " + name, ErrorKind::kNotFound));
  }
  api::reply_json(exchange, recommendations_json(*view, container ? container->ref.get() : nullptr));
}

void Pages::explain(api::Exchange& exchange) const {
  const std::string& name = exchange.request().params.at("name");
  const auto view = parts_.board.get();
  const auto* container = find_container(*view->now, name);
  if (container == nullptr) container = find_container(*view->now, "/" + name);
  if (container == nullptr) {
    return exchange.reply_error(Error("No such running container: " + name, ErrorKind::kNotFound));
  }
  const auto told =
      parts_.loop.ask<policies::Explanation>([&engine = parts_.engine, ref = container->ref,
                                              now = view->now] { return engine.explain(*ref, now.get()); });
  if (!told) return exchange.reply_error(told.error());
  reply_either(exchange, policies::explain_text(*told), policies::explain_json(*told) + "\n");
}

void Pages::pause(api::Exchange& exchange) const {
  const bool paused = exchange.request().flag("paused");
  const auto done = parts_.loop.ask<bool>([&loop = parts_.loop, paused] {
    loop.pause(paused);
    return true;
  });
  if (!done) return exchange.reply_error(done.error());
  api::reply_json(exchange, {{"paused", paused}});
}

void Pages::health(api::Exchange& exchange) const {
  const auto view = parts_.board.get();
  const auto age = parts_.clock.boot() - view->now->boot;
  const bool healthy = age < 10 * parts_.tick;
  nlohmann::json probes = nlohmann::json::array();
  for (const model::ProbeState& one : view->now->probes) {
    probes.push_back({{"name", one.name},
                      {"up", one.up},
                      {"unasked", one.unasked},
                      {"why", one.why},
                      {"runs", one.runs},
                      {"run_seconds", to_seconds(one.spent)},
                      {"lost", one.lost_map_full + one.lost_ring_full + one.missed},
                      {"lost_map_full", one.lost_map_full}});
  }
  api::reply_json(exchange,
                  {{"healthy", healthy},
                   {"probes", std::move(probes)},
                   {"targets", targets_json(view->targets)},
                   {"sample_age_seconds", std::chrono::duration<double>(age).count()},
                   {"containers", view->now->containers.size()},
                   {"policies", view->policies->policies.size()},
                   {"policy_errors", policies::count_errors(view->diagnostics)},
                   {"paused", view->paused},
                   {"pressure_triggers", view->watch.pressure_triggers},
                   {"pressure_window_us", view->watch.pressure_window.count()},
                   {"missed_containers", view->watch.missed},
                   {"failed_watches", view->watch.failed_watches}},
                  healthy ? 200 : 503);
}

}  // namespace plimsoll::daemon
