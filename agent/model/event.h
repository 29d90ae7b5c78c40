// What happened between two ticks and wakes the policy engine.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "agent/base/clock.h"
#include "agent/model/container_ref.h"
#include "agent/model/sample.h"

namespace plimsoll::model {

struct ContainerAppeared {
  std::shared_ptr<const ContainerRef> ref;
};
struct ContainerVanished {
  std::shared_ptr<const ContainerRef> ref;
  Sample last;
};
// memory.events of a cgroup changed.
struct MemoryEventsChanged {
  std::shared_ptr<const ContainerRef> ref;
  MemoryEvents before, after;
};
// A PSI trigger fired. ref is null for the host's own.
struct PressureRaised {
  std::shared_ptr<const ContainerRef> ref;
  std::string resource;  // "cpu" | "memory" | "io"
};

// A BPF probe saw what must not wait for the next tick.
struct ProbeRaised {
  std::shared_ptr<const ContainerRef> ref;
  ProbeAlarm alarm;
};

struct Event {
  BootTime at;  // when the agent learned of it
  std::variant<ContainerAppeared, ContainerVanished, MemoryEventsChanged, PressureRaised, ProbeRaised> what;
};

}  // namespace plimsoll::model
