#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/cli/flags.h"
#include "agent/cli/verb.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

Result<json> inspect_one(const Connection& agent, const std::string& name, const std::string& type) {
  if (type != "image") {
    auto container = agent.get("/containers/" + encode(name) + "/json");
    if (container || type == "container" || container.error().kind() != ErrorKind::kNotFound)
      return container;
  }
  auto image = agent.get("/images/" + encode(name) + "/json");
  if (!image && type.empty() && image.error().kind() == ErrorKind::kNotFound) {
    return fail("no such container or image: " + name, ErrorKind::kNotFound);
  }
  return image;
}

std::string value_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : json_text(value);
}

// Fills '{{.State.Status}}' and '{{json .Config}}' from the object.
Result<std::string> fill(std::string_view format, const json& object) {
  std::string text;
  while (!format.empty()) {
    const auto open = format.find("{{");
    text += format.substr(0, open);
    if (open == std::string_view::npos) break;
    const auto close = format.find("}}", open);
    if (close == std::string_view::npos) return invalid("--format: '{{' without '}}'");
    std::string path(format.substr(open + 2, close - open - 2));
    std::erase(path, ' ');
    if (path.starts_with("json.")) path.erase(0, 4);
    const json* value = &object;
    for (std::size_t at = 1; path.size() > 1 && at != std::string::npos + 1;) {
      const auto dot = path.find('.', at);
      const std::string key = path.substr(at, dot == std::string::npos ? dot : dot - at);
      if (!path.starts_with('.') || !value->is_object() || !value->contains(key)) {
        return invalid(fmt::format("--format: no field '{}' in '{}'", key, path));
      }
      value = &(*value)[key];
      at = dot == std::string::npos ? std::string::npos + 1 : dot + 1;
    }
    text += value_text(*value);
    format.remove_prefix(close + 2);
  }
  return text;
}

}  // namespace

Result<int> inspect(const Connection& agent, const Words& args) {
  std::string type, format;
  Flags flags("inspect [FLAGS] NAME...", "Show all that is known of a container or image",
              "plimsoll inspect --format '{{.State.Status}}' web");
  flags.value(0, "type", type, "TYPE", "container or image, where both have the name")
      .value('f', "format", format, "FORMAT", "json, or a template such as '{{.State.ExitCode}}'");
  PLIMSOLL_ASSIGN(const auto names, flags.take(args, {.least = 1}, "one or more containers or images"));
  if (!names) return 0;
  if (!type.empty() && type != "container" && type != "image") {
    return invalid("--type '" + type + "': expected container or image");
  }
  int status = 0;
  json found = json::array();
  for (const std::string& name : *names) {
    auto one = inspect_one(agent, name, type);
    if (one) {
      found.push_back(std::move(*one));
    } else {
      fmt::print(stderr, "plimsoll: {}\n", one.error().message());
      status = 1;
    }
  }
  if (format.empty() || format == "json") {
    fmt::print("{}\n", json_text(found, format.empty() ? 4 : -1));
    return status;
  }
  for (const json& one : found) {
    PLIMSOLL_ASSIGN(const std::string line, fill(format, one));
    fmt::print("{}\n", line);
  }
  return status;
}

}  // namespace plimsoll::cli
