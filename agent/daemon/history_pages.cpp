// Pages of what was. They read files for as long as there are any, and are answered on the agent's socket
// only.
#include <utility>

#include "agent/api/docker_words.h"
#include "agent/base/rfc3339.h"
#include "agent/daemon/history_json.h"
#include "agent/daemon/pages.h"
#include "agent/history/reader.h"

namespace plimsoll::daemon {
namespace {

Result<WallTime> moment_of(const api::Request& request, const char* name, WallTime otherwise, WallTime now) {
  const auto given = parse_moment(request.value(name), now);
  if (!given) return std::unexpected(Error(given.error()).in(name));
  return given->value_or(otherwise);
}

}  // namespace

void Pages::containers_at(api::Exchange& exchange, const std::string& when) const {
  if (exchange.request().is_public)
    return exchange.reply_error(
        Error("at: answered on the agent's socket only, not on its public port", ErrorKind::kUnsupported));
  const WallTime now = parts_.clock.wall();
  const auto at = moment_of(exchange.request(), "at", now, now);
  if (!at) return exchange.reply_error(at.error());
  auto then = history::moment_at(parts_.history, *at);
  if (!then) return exchange.reply_error(then.error());
  if (!*then)
    return exchange.reply_error(
        Error("at " + when + ": nothing was recorded until then", ErrorKind::kNotFound));
  View view;
  view.now = (*then)->now.snapshot;
  if ((*then)->before) view.previous = (*then)->before->snapshot;
  view.policies = std::make_shared<const policies::PolicySet>();
  view.paused = (*then)->now.paused;
  auto last = std::make_shared<std::map<std::string, LastDecision>>();
  for (const auto& one : (*then)->now.decisions) (*last)[one.container_id] = {one.when, sentence(one)};
  view.last_decisions = std::move(last);
  auto body = containers_json(view, {});
  body.erase("agent");
  body["at"] = format_rfc3339(view.now->wall);
  api::reply_json(exchange, body);
}

void Pages::history(api::Exchange& exchange) const {
  const WallTime now = parts_.clock.wall();
  const auto from = moment_of(exchange.request(), "from", WallTime{}, now);
  const auto to = moment_of(exchange.request(), "to", now, now);
  for (const auto* one : {&from, &to}) {
    if (!*one) return exchange.reply_error(one->error());
  }
  if (*from > *to)
    return exchange.reply_error(Error("from: expected a time before 'to'", ErrorKind::kInvalid));
  auto reader = history::Reader::open(parts_.history, *from, *to);
  if (!reader) return exchange.reply_error(reader.error());
  exchange.begin_stream({.type = "application/x-ndjson"});
  const std::string container = exchange.request().value("container");
  while (const auto moment = reader->next()) {
    if (!history_lines(*moment, container, [&](std::string_view line) { return exchange.write(line); }))
      return;
  }
}

}  // namespace plimsoll::daemon
