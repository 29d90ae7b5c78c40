#include "agent/container/events.h"

#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"

namespace plimsoll::container {
namespace {

using nlohmann::json;
constexpr std::size_t kMostKept = 1000;

}  // namespace

void Events::tell(const std::string& action, const std::string& id,
                  const std::map<std::string, std::string>& attributes) {
  const std::lock_guard lock(mutex_);
  const WallTime now = clock_.wall();
  const auto nanoseconds = now.time_since_epoch().count();
  const auto image = attributes.find("image");
  const json event = {{"Type", "container"},
                      {"Action", action},
                      {"Actor", {{"ID", id}, {"Attributes", attributes}}},
                      {"scope", "local"},
                      {"time", nanoseconds / 1'000'000'000},
                      {"timeNano", nanoseconds},
                      {"status", action},
                      {"id", id},
                      {"from", image == attributes.end() ? "" : image->second}};
  ring_.push_back({now, json_text(event)});
  if (ring_.size() > kMostKept) ring_.pop_front();
  std::erase_if(listeners_, [](const auto& one) { return one.expired(); });
  for (const auto& weak : listeners_) {
    if (const auto listener = weak.lock()) listener->tell(ring_.back());
  }
}

std::vector<EventText> Events::since(WallTime when) const {
  const std::lock_guard lock(mutex_);
  std::vector<EventText> out;
  for (const EventText& event : ring_) {
    if (event.when >= when) out.push_back(event);
  }
  return out;
}

Subscription Events::subscribe(std::optional<WallTime> since, std::function<void(const EventText&)> tell) {
  const std::lock_guard lock(mutex_);
  if (since) {
    for (const EventText& event : ring_) {
      if (event.when >= *since) tell(event);
    }
  }
  auto listener = std::make_shared<Listener>(std::move(tell));
  listeners_.push_back(listener);
  return listener;
}

}  // namespace plimsoll::container
