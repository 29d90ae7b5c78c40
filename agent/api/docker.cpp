#include "agent/api/docker.h"

namespace plimsoll::api {

void add_docker_routes(Router& router, const DockerParts& parts) {
  add_system_routes(router, parts);
  add_container_routes(router, parts);
  add_stream_routes(router, parts);
  add_exec_routes(router, parts);
  add_stats_routes(router, parts);
  add_image_routes(router, parts);
  add_network_routes(router);
  add_later_routes(router);
}

}  // namespace plimsoll::api
