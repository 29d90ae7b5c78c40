// What Docker's API has and this agent has not yet: one clear sentence each, in place of "page not found".
#include "agent/api/docker.h"
#include "agent/api/docker_words.h"

namespace plimsoll::api {
namespace {

struct Later {
  const char* method;
  const char* pattern;
  const char* what;
};
constexpr Later kLater[] = {
    {"POST", "/containers/{name}/pause", "docker pause"},
    {"POST", "/containers/{name}/unpause", "docker unpause"},
    {"POST", "/containers/{name}/update", "docker update"},
    {"POST", "/containers/prune", "docker container prune"},
    {"GET", "/containers/{name}/changes", "docker diff"},
    {"GET", "/containers/{name}/export", "docker export"},
    {"GET", "/containers/{name}/archive", "docker cp"},
    {"PUT", "/containers/{name}/archive", "docker cp"},
    {"GET", "/containers/{name}/attach/ws", "attaching by WebSocket"},
    {"POST", "/commit", "docker commit"},
    {"POST", "/build", "docker build"},
    {"POST", "/build/prune", "docker builder prune"},
    {"POST", "/session", "docker build with BuildKit"},
    {"GET", "/images/get", "docker save"},
    {"GET", "/images/{name...}/get", "docker save"},
    {"POST", "/images/load", "docker load"},
    {"POST", "/images/prune", "docker image prune"},
    {"GET", "/images/{name...}/history", "docker history"},
    {"POST", "/images/{name...}/push", "docker push"},
    {"GET", "/images/search", "docker search"},
    {"GET", "/distribution/{rest...}", "docker manifest"},
    {"POST", "/auth", "docker login"},
    {"GET", "/system/df", "docker system df"},
    {"POST", "/networks/create", "docker network create"},
    {"POST", "/networks/prune", "docker network prune"},
    {"POST", "/networks/{name}/connect", "docker network connect"},
    {"POST", "/networks/{name}/disconnect", "docker network disconnect"},
    {"DELETE", "/networks/{name}", "docker network rm"},
    {"POST", "/volumes/create", "docker volume create"},
    {"POST", "/volumes/prune", "docker volume prune"},
    {"GET", "/plugins", "docker plugin"},
    {"GET", "/plugins/{rest...}", "docker plugin"},
    {"POST", "/plugins/{rest...}", "docker plugin"},
    {"GET", "/swarm", "docker swarm"},
    {"GET", "/swarm/{rest...}", "docker swarm"},
    {"POST", "/swarm/{rest...}", "docker swarm"},
    {"GET", "/nodes", "docker node"},
    {"GET", "/services", "docker service"},
    {"POST", "/services/create", "docker service"},
    {"GET", "/tasks", "docker service"},
    {"GET", "/secrets", "docker secret"},
    {"POST", "/secrets/create", "docker secret"},
    {"GET", "/configs", "docker config"},
    {"POST", "/configs/create", "docker config"},
};

}  // namespace

void add_later_routes(Router& router) {
  for (const Later& one : kLater) {
    // A body, however large, is not read for it.
    router.add(
        one.method, one.pattern,
        [what = one.what](Exchange& exchange) {
          exchange.reply_error(Error(std::string(what) + " is not supported yet", ErrorKind::kUnsupported));
        },
        {.streams_body = true});
  }
}

}  // namespace plimsoll::api
