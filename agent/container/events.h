// The ring of Docker's events, and who listens to them. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/container/containers.h"

namespace plimsoll::container {

class Events {
 public:
  explicit Events(const Clock& clock) : clock_(clock) {}
  // `attributes` as Docker's Actor.Attributes: name, image, labels, exitCode...
  void tell(const std::string& action, const std::string& id,
            const std::map<std::string, std::string>& attributes);
  std::vector<EventText> since(WallTime when) const;
  Subscription subscribe(std::optional<WallTime> since, std::function<void(const EventText&)> tell);

 private:
  struct Listener {
    std::function<void(const EventText&)> tell;
  };
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::deque<EventText> ring_;
  std::vector<std::weak_ptr<Listener>> listeners_;
};

}  // namespace plimsoll::container
