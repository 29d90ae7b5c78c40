#include "agent/daemon/sources.h"

#include <algorithm>

namespace plimsoll::daemon {
namespace {

api::StatsReading reading_of(const model::Snapshot& snapshot, const model::Sample& sample) {
  const model::HostSample& host = snapshot.host;
  const auto up = std::chrono::duration<double>(sample.taken.since_boot);
  return {.when = snapshot.wall - (snapshot.boot - sample.taken),
          .sample = sample,
          .online_cpus = host.cpu_cores,
          .host_cpu = std::chrono::duration_cast<Microseconds>(up * host.cpu_cores),
          .host_memory = host.memory_total};
}

}  // namespace

std::optional<watch::Identity> OwnContainers::identify(const std::string& container_id) {
  auto ref = containers_.identity(container_id);
  if (!ref) return std::nullopt;
  return watch::Identity{.name = std::move(ref->name),
                         .image = std::move(ref->image),
                         .labels = std::move(ref->labels),
                         .created = ref->created,
                         .started = ref->started,
                         .init_pid = ref->init_pid,
                         .restarts = ref->restarts};
}

namespace {

// Whole seconds, as Docker has them; a grace is not cut short.
std::optional<std::chrono::seconds> timeout_of(std::optional<Nanoseconds> grace) {
  if (!grace) return std::nullopt;
  return std::chrono::ceil<std::chrono::seconds>(*grace);
}

}  // namespace

Result<> OwnControl::stop(const std::string& id, std::optional<Nanoseconds> grace) {
  const auto stopped = containers_.stop(id, timeout_of(grace));
  if (!stopped) return std::unexpected(stopped.error());
  return {};
}

Result<> OwnControl::restart(const std::string& id, std::optional<Nanoseconds> grace) {
  return containers_.restart(id, timeout_of(grace));
}

std::optional<api::StatsReadings> BoardStats::read(const std::string& container_id) {
  const auto view = board_.get();
  const auto& all = view->now->containers;
  const auto found =
      std::ranges::find_if(all, [&](const auto& one) { return one.ref->container_id == container_id; });
  if (found == all.end()) return std::nullopt;
  api::StatsReadings readings{.now = reading_of(*view->now, found->sample), .before = std::nullopt};
  if (!view->previous) return readings;
  // Of the same cgroup: a container that was started anew counts from zero.
  for (const auto& one : view->previous->containers) {
    if (one.ref->id == found->ref->id) readings.before = reading_of(*view->previous, one.sample);
  }
  return readings;
}

}  // namespace plimsoll::daemon
