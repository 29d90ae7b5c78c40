// The Docker Engine API (1.24 to 1.47) over this agent's containers and images: what docker 28 and
// python3-docker send is answered as they expect it.
#pragma once

#include <optional>
#include <string>

#include "agent/api/router.h"
#include "agent/base/clock.h"
#include "agent/container/containers.h"
#include "agent/image/store.h"
#include "agent/model/sample.h"

namespace plimsoll::api {

// One reading of one container, for GET /containers/NAME/stats.
struct StatsReading {
  WallTime when;
  model::Sample sample;
  double online_cpus = 0;
  Microseconds host_cpu{0};  // CPU time that the whole host has used, idle included
  Bytes host_memory;         // stands for the limit of a container without one
};

// The last of a container, and an older one, which rates are made of.
struct StatsReadings {
  StatsReading now;
  std::optional<StatsReading> before;  // nullopt: it was seen once only
};

// Where stats come from (the watch flow). Thread-safe.
class StatsSource {
 public:
  virtual ~StatsSource() = default;
  // nullopt: it does not run, or was not seen yet.
  virtual std::optional<StatsReadings> read(const std::string& container_id) = 0;
};

// What GET /info and /version tell of the host.
struct HostFacts {
  std::string name, kernel, operating_system, architecture;  // "amd64"
  double cpus = 0;
  Bytes memory;
  std::string state_folder;
};

// All of it outlives the router.
struct DockerParts {
  container::Containers& containers;
  image::Store& images;
  StatsSource& stats;
  const Clock& clock;
  HostFacts host;
};

void add_docker_routes(Router& router, const DockerParts& parts);

// The rooms' tables, one file each; add_docker_routes() calls them all.
void add_system_routes(Router& router, const DockerParts& parts);
void add_container_routes(Router& router, const DockerParts& parts);
void add_stream_routes(Router& router, const DockerParts& parts);
void add_exec_routes(Router& router, const DockerParts& parts);
void add_stats_routes(Router& router, const DockerParts& parts);
void add_image_routes(Router& router, const DockerParts& parts);
void add_network_routes(Router& router);
void add_later_routes(Router& router);  // what Docker has and this agent has not: each says so

}  // namespace plimsoll::api
