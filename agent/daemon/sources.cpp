#include "agent/daemon/sources.h"

namespace plimsoll::daemon {

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

std::optional<api::StatsReading> BoardStats::read(const std::string& container_id) {
  const auto view = board_.get();
  if (!view || !view->now) return std::nullopt;
  for (const auto& one : view->now->containers) {
    if (one.ref->container_id != container_id) continue;
    const model::HostSample& host = view->now->host;
    const auto up = std::chrono::duration<double>(one.sample.taken.since_boot);
    return api::StatsReading{.when = view->now->wall - (view->now->boot - one.sample.taken),
                             .sample = one.sample,
                             .online_cpus = host.cpu_cores,
                             .host_cpu = std::chrono::duration_cast<Microseconds>(up * host.cpu_cores),
                             .host_memory = host.memory_total};
  }
  return std::nullopt;
}

}  // namespace plimsoll::daemon
