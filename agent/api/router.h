// Which handler answers which method and path. Filled by the daemon before the server starts; const and
// thread-safe after.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/api/message.h"

namespace plimsoll::api {

using Handler = std::function<void(Exchange&)>;

struct RouteOptions {
  bool is_public = false;     // also answered on the TCP listener (GET and HEAD only)
  bool streams_body = false;  // the handler reads the body itself; else it is whole in Request::body
  // The query parameters that the handler knows: any other that is set (not "", 0, false...) is refused,
  // since an option must not be skipped in silence. nullopt: not looked at.
  std::optional<std::vector<std::string_view>> queries = std::nullopt;
};

class Router {
 public:
  // `pattern`: "/containers/{id}/json"; "{name...}" takes any number of segments ("/images/{name...}/json").
  void add(std::string method, std::string_view pattern, Handler handler, RouteOptions options = {});

  struct Match {
    const Handler* handler;
    const RouteOptions* options;
  };
  // Takes `target` ("/v1.41/containers/json?all=1") apart into `request` and finds the route. Errors:
  // kInvalid (a broken escape, an API version that is too old or too new), kNotFound (no such page; the
  // method is wrong: see `wrong_method`), kUnsupported (a query parameter that the route does not know).
  Result<Match> find(std::string_view target, Request& request, bool& wrong_method) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;
    Handler handler;
    RouteOptions options;
  };
  std::vector<Route> routes_;
};

}  // namespace plimsoll::api
