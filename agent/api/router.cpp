#include "agent/api/router.h"

#include <algorithm>
#include <optional>

#include "agent/api/url.h"
#include "agent/base/units.h"

namespace plimsoll::api {
namespace {

constexpr int kOldestMinor = 24;
constexpr int kNewestMinor = 47;

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    if (path.front() == '/') {
      path.remove_prefix(1);
      continue;
    }
    const auto end = path.find('/');
    segments.emplace_back(path.substr(0, end));
    path.remove_prefix(end == std::string_view::npos ? path.size() : end);
  }
  return segments;
}

// "v1.41" -> 41; nullopt for what is no version at all.
std::optional<int> version_minor(std::string_view segment) {
  if (!segment.starts_with("v1.")) return std::nullopt;
  const auto minor = parse_u64(segment.substr(3));
  if (!minor || *minor > 999) return std::nullopt;
  return static_cast<int>(*minor);
}

bool is_parameter(const std::string& segment) { return segment.size() > 2 && segment.front() == '{'; }

using Params = std::map<std::string, std::string>;

// Matches from `p` and `s` on; a "{name...}" tries the shortest run of segments first.
bool match(const std::vector<std::string>& pattern, std::size_t p, const std::vector<std::string>& segments,
           std::size_t s, Params& params) {
  if (p == pattern.size()) return s == segments.size();
  const std::string& want = pattern[p];
  if (!is_parameter(want))
    return s < segments.size() && segments[s] == want && match(pattern, p + 1, segments, s + 1, params);
  const bool many = want.ends_with("...}");
  const std::string name = want.substr(1, want.size() - (many ? 5 : 2));
  std::string taken;
  for (std::size_t end = s + 1; end <= segments.size(); ++end) {
    taken += (taken.empty() ? "" : "/") + segments[end - 1];
    if (match(pattern, p + 1, segments, end, params)) {
      params[name] = taken;
      return true;
    }
    if (!many) break;
  }
  return false;
}

Result<> check_queries(const Request& request, const RouteOptions& options) {
  if (!options.queries) return {};
  for (const auto& [key, value] : request.query) {
    const bool known = std::ranges::find(*options.queries, key) != options.queries->end();
    if (!known && request.flag(key)) {
      return fail(request.method + " " + request.path + ": parameter '" + key + "' is not supported",
                  ErrorKind::kUnsupported);
    }
  }
  return {};
}

}  // namespace

void Router::add(std::string method, std::string_view pattern, Handler handler, RouteOptions options) {
  routes_.push_back({std::move(method), split(pattern), std::move(handler), std::move(options)});
}

Result<Router::Match> Router::find(std::string_view target, Request& request, bool& wrong_method) const {
  wrong_method = false;
  const auto question = target.find('?');
  auto query = parse_query(question == std::string_view::npos ? "" : target.substr(question + 1));
  if (!query) return invalid("bad request: a broken percent escape in the query");
  request.query = std::move(*query);

  std::vector<std::string> segments = split(target.substr(0, question));
  for (std::string& segment : segments) {
    auto decoded = percent_decode(segment);
    if (!decoded) return invalid("bad request: a broken percent escape in the path");
    segment = std::move(*decoded);
  }
  if (!segments.empty()) {
    if (const auto minor = version_minor(segments.front())) {
      if (*minor < kOldestMinor) {
        return invalid("client version 1." + std::to_string(*minor) +
                       " is too old. Minimum supported API version is 1." + std::to_string(kOldestMinor) +
                       ", please upgrade your client to a newer version");
      }
      if (*minor > kNewestMinor) {
        return invalid("client version 1." + std::to_string(*minor) +
                       " is too new. Maximum supported API version is 1." + std::to_string(kNewestMinor));
      }
      segments.erase(segments.begin());
    }
  }
  request.path.clear();
  for (const std::string& segment : segments) request.path += "/" + segment;
  if (request.path.empty()) request.path = "/";

  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  for (const Route& route : routes_) {
    Params params;
    if (!match(route.segments, 0, segments, 0, params)) continue;
    if (route.method != method && route.method != request.method) {
      wrong_method = true;
      continue;
    }
    request.params = std::move(params);
    wrong_method = false;
    PLIMSOLL_TRY(check_queries(request, route.options));
    return Match{&route.handler, &route.options};
  }
  if (wrong_method) return fail(request.method + " is not allowed on " + request.path, ErrorKind::kNotFound);
  return fail("page not found: " + request.path, ErrorKind::kNotFound);
}

}  // namespace plimsoll::api
