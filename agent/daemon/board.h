// What the loop last saw, for everybody else: API threads read it, the loop replaces it whole. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/model/decision.h"
#include "agent/model/notify_target.h"
#include "agent/model/recommendation.h"
#include "agent/model/sample.h"
#include "agent/watch/watcher.h"
#include "policies/document.h"

namespace plimsoll::daemon {

struct LastDecision {
  WallTime when;
  std::string text;  // "leaky/squeeze set memory.high 127504384: done"
};

struct View {
  std::shared_ptr<const model::Snapshot> now;
  // At least one whole tick older, so that rates between the two are no noise; null until then.
  std::shared_ptr<const model::Snapshot> previous;
  std::shared_ptr<const policies::PolicySet> policies;
  std::vector<policies::Diagnostic> diagnostics;  // of the policy folder as it stands now
  bool paused = false;                            // all enforcement
  // As of the last few seconds; never null.
  std::shared_ptr<const std::vector<model::Recommendation>> recommendations =
      std::make_shared<const std::vector<model::Recommendation>>();
  std::shared_ptr<const std::map<std::string, LastDecision>> last_decisions;  // by container id
  std::vector<model::TargetState> targets;  // whom notifications are sent to
  watch::WatchStats watch;
};

class Board {
 public:
  void publish(std::shared_ptr<const View> view) {
    const std::lock_guard lock(mutex_);
    view_ = std::move(view);
  }
  // Never null once the loop has made its first turn, which is before the server listens.
  std::shared_ptr<const View> get() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const View> view_;
};

}  // namespace plimsoll::daemon
