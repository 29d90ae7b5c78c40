// What other rooms ask of the agent, answered from what it knows.
#pragma once

#include <memory>

#include "agent/api/docker.h"
#include "agent/container/containers.h"
#include "agent/daemon/board.h"
#include "agent/enforce/endings.h"
#include "agent/watch/identity.h"

namespace plimsoll::daemon {

// The watch flow asks who our own containers are.
class OwnContainers final : public watch::IdentitySource {
 public:
  explicit OwnContainers(const container::Containers& containers) : containers_(containers) {}
  std::optional<watch::Identity> identify(const std::string& container_id) override;

 private:
  const container::Containers& containers_;
};

// Policies stop and restart our own containers.
class OwnControl final : public enforce::ContainerControl {
 public:
  explicit OwnControl(container::Containers& containers) : containers_(containers) {}
  Result<> stop(const std::string& id, std::optional<Nanoseconds> grace) override;
  Result<> restart(const std::string& id, std::optional<Nanoseconds> grace) override;
  void interrupt() override { containers_.interrupt(); }

 private:
  container::Containers& containers_;
};

// Docker's stats are made of the last two ticks.
class BoardStats final : public api::StatsSource {
 public:
  explicit BoardStats(const Board& board) : board_(board) {}
  std::optional<api::StatsReadings> read(const std::string& container_id) override;

 private:
  const Board& board_;
};

}  // namespace plimsoll::daemon
