// The agent's own pages: /metrics, and what the command line and the web page ask.
//   GET  /metrics                                 Prometheus text, gzip where asked for
//   GET  /plimsoll/v1/containers?at               see status.h; as it was then
//   GET  /plimsoll/v1/history?from&to&container   NDJSON of what was recorded: history_json.h
//   GET  /plimsoll/v1/decisions?limit&since&container&policy&follow   an array; NDJSON where following
//   GET  /plimsoll/v1/ooms?limit&container        OOM kills, oldest first; see post_mortem.h
//   GET  /plimsoll/v1/ooms/ID                     one of them, with all that is known
//   GET  /plimsoll/v1/policies                    what is in force, and what is wrong with the folder
//   GET  /plimsoll/v1/policies/explain/NAME       what holds for one container, and why
//   GET  /plimsoll/v1/recommendations?container   what containers should be limited to; see status.h
//   POST /plimsoll/v1/pause?paused=BOOL           stops all enforcement, or lets it go on
//   GET  /plimsoll/v1/health                      {"healthy": BOOL, ...}; 503 where the loop has stood still
// All GETs but explain, history and what has `at` or `follow` are public.
#pragma once

#include "agent/api/router.h"
#include "agent/daemon/board.h"
#include "agent/daemon/loop.h"
#include "agent/daemon/status.h"
#include "agent/watch/oom_log.h"
#include "exporters/render.h"

namespace plimsoll::daemon {

class Pages {
 public:
  // All of it outlives the pages.
  struct Parts {
    const Clock& clock;
    const Board& board;
    Loop& loop;
    const policies::Engine& engine;  // read on the loop's thread only
    const enforce::AuditLog& audit;
    const watch::OomLog& ooms;
    std::string history;  // the folder that it is recorded in
    exporters::OwnMetrics& metrics;
    model::HostFacts host;
    std::set<std::string> label_keys;
    Nanoseconds tick;
    std::string proc;  // where procfs is mounted
  };
  explicit Pages(Parts parts);

  // The routes hold this object: it outlives the router.
  void add_to(api::Router& router);

 private:
  void metrics(api::Exchange& exchange);
  void containers(api::Exchange& exchange) const;
  void containers_at(api::Exchange& exchange, const std::string& when) const;
  void history(api::Exchange& exchange) const;
  void decisions(api::Exchange& exchange) const;
  void follow(api::Exchange& exchange, enforce::DecisionFilter filter) const;
  void ooms(api::Exchange& exchange) const;
  void oom(api::Exchange& exchange) const;
  void policies(api::Exchange& exchange) const;
  void recommendations(api::Exchange& exchange) const;
  void explain(api::Exchange& exchange) const;
  void pause(api::Exchange& exchange) const;
  void health(api::Exchange& exchange) const;

  Parts parts_;
  BootTime began_;
  exporters::LabelCache labels_;
};

}  // namespace plimsoll::daemon
