// The parsers of identity.h: the only file of this folder, beside workloads.cpp, that knows the JSON library.
#include <nlohmann/json.hpp>

#include "agent/base/rfc3339.h"
#include "agent/watch/identity.h"

namespace plimsoll::watch {
namespace {

using Json = nlohmann::json;

Result<Json> parse_object(std::string_view text) {
  Json document = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return invalid("not a JSON object");
  return document;
}

// What is missing or of another type reads as empty: a runtime's next version is no reason to lose the rest.
const Json& at(const Json& object, const char* key) {
  static const Json kNothing;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? *found : kNothing;
}

std::string text_at(const Json& object, const char* key) {
  const Json& value = at(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::map<std::string, std::string> texts_of(const Json& object) {
  std::map<std::string, std::string> texts;
  if (!object.is_object()) return texts;
  for (const auto& [key, value] : object.items()) {
    if (value.is_string()) texts.emplace(key, value.get<std::string>());
  }
  return texts;
}

std::string take_out(std::map<std::string, std::string>& texts, const std::string& key) {
  auto node = texts.extract(key);
  return node ? std::move(node.mapped()) : std::string();
}

// What people type: "web-1", or "POD/CONTAINER" in Kubernetes, where only both together say which.
void name_by_pod(Identity& identity) {
  if (identity.pod.empty()) return;
  identity.name =
      identity.kube_container.empty() ? identity.pod : identity.pod + "/" + identity.kube_container;
}

// The kubelet's labels, as Docker and CRI-O keep them.
void take_kubelet_labels(std::map<std::string, std::string>& labels, Identity& identity) {
  identity.pod = take_out(labels, "io.kubernetes.pod.name");
  identity.kube_namespace = take_out(labels, "io.kubernetes.pod.namespace");
  identity.kube_container = take_out(labels, "io.kubernetes.container.name");
  if (identity.kube_container == "POD") identity.kube_container.clear();  // the pause container
  name_by_pod(identity);
}

}  // namespace

Result<Identity> parse_containerd_config(std::string_view text) {
  PLIMSOLL_ASSIGN(const Json document, parse_object(text));
  Identity identity;
  identity.labels = texts_of(at(document, "annotations"));
  auto& labels = identity.labels;
  identity.kube_container = take_out(labels, "io.kubernetes.cri.container-name");
  identity.pod = take_out(labels, "io.kubernetes.cri.sandbox-name");
  identity.kube_namespace = take_out(labels, "io.kubernetes.cri.sandbox-namespace");
  identity.image = take_out(labels, "io.kubernetes.cri.image-name");
  identity.name = take_out(labels, "nerdctl/name");
  name_by_pod(identity);
  std::erase_if(labels, [](const auto& label) { return label.first.starts_with("io.kubernetes.cri."); });
  return identity;
}

Result<Identity> parse_docker_config(std::string_view text) {
  PLIMSOLL_ASSIGN(const Json document, parse_object(text));
  Identity identity;
  const Json& config = at(document, "Config");
  const Json& state = at(document, "State");
  identity.name = text_at(document, "Name");
  if (identity.name.starts_with('/')) identity.name.erase(0, 1);
  identity.image = text_at(config, "Image");
  identity.labels = texts_of(at(config, "Labels"));
  identity.created = parse_rfc3339(text_at(document, "Created"));
  identity.started = parse_rfc3339(text_at(state, "StartedAt"));
  const Json& pid = at(state, "Pid");
  if (pid.is_number_unsigned() && pid.get<std::uint64_t>() > 0 && pid.get<std::uint64_t>() < 1U << 30) {
    identity.init_pid = pid.get<int>();
  }
  const Json& restarts = at(document, "RestartCount");
  if (restarts.is_number_unsigned()) identity.restarts = restarts.get<std::uint32_t>();
  if (identity.labels.contains("io.kubernetes.pod.name")) take_kubelet_labels(identity.labels, identity);
  return identity;
}

Result<Identity> parse_storage_config(std::string_view text) {
  PLIMSOLL_ASSIGN(const Json document, parse_object(text));
  Identity identity;
  identity.labels = texts_of(at(document, "annotations"));
  auto& labels = identity.labels;
  if (labels.contains("io.kubernetes.cri-o.Labels")) {  // CRI-O: a JSON object within a text
    identity.image = take_out(labels, "io.kubernetes.cri-o.ImageName");
    identity.name = take_out(labels, "io.kubernetes.cri-o.Name");
    identity.created = parse_rfc3339(take_out(labels, "io.kubernetes.cri-o.Created"));
    labels = texts_of(Json::parse(labels.at("io.kubernetes.cri-o.Labels"), nullptr, false));
    take_kubelet_labels(labels, identity);
  }
  return identity;
}

Result<> parse_storage_list(std::string_view text, const std::string& id, Identity& identity) {
  const Json document = Json::parse(text, nullptr, false);
  if (!document.is_array()) return invalid("not a JSON array");
  for (const Json& entry : document) {
    if (text_at(entry, "id") != id) continue;
    const Json metadata = Json::parse(text_at(entry, "metadata"), nullptr, false);
    identity.image = text_at(metadata, "image-name");
    identity.name = text_at(metadata, "name");
    const Json& names = at(entry, "names");
    if (identity.name.empty() && names.is_array() && !names.empty() && names.front().is_string()) {
      identity.name = names.front().get<std::string>();
    }
    identity.created = parse_rfc3339(text_at(entry, "created"));
  }
  return {};
}

}  // namespace plimsoll::watch
