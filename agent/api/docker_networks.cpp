// Networks and volumes, as far as there are any: the two networks that need no bridge, and no volume.
#include <nlohmann/json.hpp>

#include "agent/api/docker.h"
#include "agent/api/docker_words.h"

namespace plimsoll::api {
namespace {

using nlohmann::json;

json network(const std::string& name) {
  return {{"Name", name},
          {"Id", name},
          {"Created", "0001-01-01T00:00:00Z"},
          {"Scope", "local"},
          {"Driver", name == "none" ? "null" : "host"},
          {"EnableIPv6", false},
          {"IPAM", {{"Driver", "default"}, {"Options", nullptr}, {"Config", json::array()}}},
          {"Internal", false},
          {"Attachable", false},
          {"Ingress", false},
          {"ConfigFrom", {{"Network", ""}}},
          {"ConfigOnly", false},
          {"Containers", json::object()},
          {"Options", json::object()},
          {"Labels", json::object()}};
}

bool wanted(const json& one, const Filters& filters) {
  return std::ranges::all_of(filters, [&](const auto& filter) {
    const auto& [key, values] = filter;
    return std::ranges::any_of(values, [&, &name = key](const std::string& value) {
      if (name == "driver") return one["Driver"] == value;
      if (name == "scope") return one["Scope"] == value;
      if (name == "type") return value == "builtin";
      return name != "label" && one["Name"].template get<std::string>().find(value) != std::string::npos;
    });
  });
}

void list(Exchange& exchange) {
  const auto filters = parse_filters(exchange.request().value("filters"));
  if (!filters) return exchange.reply_error(filters.error());
  if (const auto known = check_filters(*filters, {"id", "name", "driver", "scope", "type", "label"}); !known)
    return exchange.reply_error(known.error());
  json out = json::array();
  for (const char* name : {"host", "none"}) {
    if (json one = network(name); wanted(one, *filters)) out.push_back(std::move(one));
  }
  reply_json(exchange, out);
}

void inspect(Exchange& exchange) {
  const std::string& name = exchange.request().params.at("name");
  if (name == "none" || name == "host") return reply_json(exchange, network(name));
  exchange.reply_error(Error("network " + name + " not found", ErrorKind::kNotFound));
}

void no_volume(Exchange& exchange) {
  exchange.reply_error(
      Error("get " + exchange.request().params.at("name") + ": no such volume", ErrorKind::kNotFound));
}

}  // namespace

void add_network_routes(Router& router) {
  router.add("GET", "/networks", list, {.queries = {{"filters"}}});
  router.add("GET", "/networks/{name}", inspect, {.queries = {{"verbose", "scope"}}});
  router.add("GET", "/volumes", [](Exchange& exchange) {
    reply_json(exchange, {{"Volumes", json::array()}, {"Warnings", nullptr}});
  });
  router.add("GET", "/volumes/{name}", no_volume);
  router.add("DELETE", "/volumes/{name}", no_volume);
}

}  // namespace plimsoll::api
