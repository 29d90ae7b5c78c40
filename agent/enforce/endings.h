// Stops and restarts of containers, which last as long as a container takes to end: each on a thread of its
// own, so that the loop never waits for one. Not thread-safe: the executor owns it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/model/decision.h"

namespace plimsoll::enforce {

// Whoever launched the containers. Called from several threads at once.
class ContainerControl {
 public:
  virtual ~ContainerControl() = default;
  // By the container's id; `grace` nullopt: the container's own. Each waits until it has ended. kNotFound:
  // there is no such container.
  virtual Result<> stop(const std::string& id, std::optional<Nanoseconds> grace) = 0;
  virtual Result<> restart(const std::string& id, std::optional<Nanoseconds> grace) = 0;
  // Those that wait return soon, with an error.
  virtual void interrupt() = 0;
};

class Endings {
 public:
  // `control` null: nobody can stop containers. Both outlive it.
  Endings(const Clock& clock, ContainerControl* control);
  ~Endings();
  Endings(const Endings&) = delete;
  Endings& operator=(const Endings&) = delete;

  // Called from another thread when one has ended. Once this has returned, no earlier one is called any more.
  void wake_with(std::function<void()> wake);
  // kUnsupported: nobody can. kConflict: the same container is being ended, or too many are. `record` is what
  // came of the beginning.
  struct Job {
    std::string id;
    bool restart = false;
    std::optional<Nanoseconds> grace;
    model::CgroupId cgroup;
    model::DecisionRecord record;
  };
  Result<> begin(Job job);
  // Those that have ended since, each with its record.
  std::vector<model::DecisionRecord> take_ended();
  // Those that have not, to be begun anew by the next agent.
  std::vector<Job> pending() const;

 private:
  struct Running;
  void finish(Running& one) const;

  const Clock& clock_;
  ContainerControl* control_;
  std::mutex waking_;
  std::function<void()> wake_;
  std::vector<std::unique_ptr<Running>> running_;
};

}  // namespace plimsoll::enforce
