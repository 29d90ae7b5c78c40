#include "agent/image/config_json.h"

#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/base/rfc3339.h"

namespace plimsoll::image {
namespace {

using nlohmann::json;

json empty_objects(const std::set<std::string>& keys) {
  json out = json::object();
  for (const std::string& key : keys) out[key] = json::object();
  return out;
}

std::set<std::string> keys_of(const json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

Defaults defaults_from(const json& config) {
  Defaults out;
  out.env = config.value("Env", std::vector<std::string>{});
  out.cmd = config.value("Cmd", std::vector<std::string>{});
  out.entrypoint = config.value("Entrypoint", std::vector<std::string>{});
  out.working_dir = config.value("WorkingDir", "");
  out.user = config.value("User", "");
  out.stop_signal = config.value("StopSignal", "");
  out.labels = config.value("Labels", std::map<std::string, std::string>{});
  out.exposed_ports = keys_of(config.value("ExposedPorts", json::object()));
  out.volumes = keys_of(config.value("Volumes", json::object()));
  return out;
}

json json_of(const Defaults& config) {
  json out = json::object();
  if (!config.env.empty()) out["Env"] = config.env;
  if (!config.cmd.empty()) out["Cmd"] = config.cmd;
  if (!config.entrypoint.empty()) out["Entrypoint"] = config.entrypoint;
  if (!config.working_dir.empty()) out["WorkingDir"] = config.working_dir;
  if (!config.user.empty()) out["User"] = config.user;
  if (!config.stop_signal.empty()) out["StopSignal"] = config.stop_signal;
  if (!config.labels.empty()) out["Labels"] = config.labels;
  if (!config.exposed_ports.empty()) out["ExposedPorts"] = empty_objects(config.exposed_ports);
  if (!config.volumes.empty()) out["Volumes"] = empty_objects(config.volumes);
  return out;
}

}  // namespace

std::string config_to_json(const Image& image) {
  const std::string created = format_rfc3339(image.created);
  json out = {{"created", created},
              {"architecture", image.architecture},
              {"os", image.os},
              {"config", json_of(image.config)},
              {"rootfs", {{"type", "layers"}, {"diff_ids", {"sha256:" + image.diff_id}}}},
              {"history", {{{"created", created}, {"comment", image.comment}}}}};
  return json_text(out);
}

Result<Image> config_from_json(const std::string& text) {
  try {
    const json document = json::parse(text);
    Image image;
    image.created = parse_rfc3339(document.at("created").get<std::string>()).value_or(WallTime{});
    image.architecture = document.at("architecture").get<std::string>();
    image.os = document.at("os").get<std::string>();
    image.config = defaults_from(document.at("config"));
    const auto diff_ids = document.at("rootfs").at("diff_ids").get<std::vector<std::string>>();
    constexpr std::string_view kPrefix = "sha256:";
    if (diff_ids.size() != 1 || !diff_ids[0].starts_with(kPrefix) ||
        diff_ids[0].find_first_not_of("0123456789abcdef", kPrefix.size()) != std::string::npos) {
      return invalid("image configuration: expected one layer 'sha256:HEX'");
    }
    image.diff_id = diff_ids[0].substr(kPrefix.size());
    image.comment = document.at("history").at(0).value("comment", "");
    return image;
  } catch (const json::exception& error) {
    return invalid(std::string("image configuration: ") + error.what());
  }
}

}  // namespace plimsoll::image
