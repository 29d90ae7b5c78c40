#include "agent/cli/recommend_patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "agent/base/json_text.h"
#include "agent/base/units.h"

namespace plimsoll::cli {
namespace {

using nlohmann::json;

// What is recommended for one container.
struct Fit {
  std::string name, runtime, name_space, pod, kube_container, service;
  std::optional<std::uint64_t> mebibytes, centicores;
  double confidence = 1;
  double observed = 0;
};

// Whose limits are written in one place: replicas of a compose service or of a Kubernetes workload are.
std::string place_of(const json& container, const std::string& kind) {
  const std::string service = container.at("compose_service"), inside = container.at("kube_container");
  if (kind == "compose" && !service.empty()) return service;
  if (kind == "kubernetes" && !inside.empty())
    return container.at("namespace").get<std::string>() + "/" + inside;
  return container.at("name");
}

template <typename Number>
void raise_to(std::optional<Number>& value, Number least) {
  value = std::max(value.value_or(least), least);
}

// Of replicas, what fits the largest.
std::vector<Fit> fits_of(const json& recommendations, const std::string& kind) {
  std::vector<Fit> fits;
  std::map<std::string, std::size_t> known;
  for (const json& one : recommendations) {
    const json& container = one.at("container");
    const auto [at, fresh] = known.try_emplace(place_of(container, kind), fits.size());
    if (fresh) {
      fits.push_back({.name = container.at("name"),
                      .runtime = container.at("runtime"),
                      .name_space = container.at("namespace"),
                      .pod = container.at("pod"),
                      .kube_container = container.at("kube_container"),
                      .service = container.at("compose_service")});
    }
    Fit& fit = fits[at->second];
    const double target = one.at("target");
    if (one.at("resource") == "memory") {
      raise_to(fit.mebibytes, static_cast<std::uint64_t>(std::ceil(target / (1 << 20))));
    } else {
      raise_to(fit.centicores, static_cast<std::uint64_t>(std::ceil(target * 100 - 1e-9)));
    }
    fit.confidence = std::min(fit.confidence, one.value("confidence", 0.0));
    fit.observed = std::max(fit.observed, one.value("observed_seconds", 0.0));
  }
  return fits;
}

std::string heading(const Fit& fit) {
  return fmt::format("seen for {}, confidence {:.0f}%",
                     format_duration(std::chrono::seconds(static_cast<std::int64_t>(fit.observed))),
                     100 * fit.confidence);
}

// A JSON string is a YAML string, whatever is in it.
std::string quoted(const std::string& text) { return json_text(json(text)); }

std::string cores(std::uint64_t centicores) {
  return fmt::format("{}.{:02}", centicores / 100, centicores % 100);
}

// A policy's name has letters, digits, '.', '_' and '-', at most 63.
std::string policy_name(const std::string& container) {
  std::string name = "right-size-" + container.substr(0, 52);
  for (char& c : name) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    if (!good) c = '-';
  }
  return name;
}

std::string policy(const Fit& fit) {
  std::string text = fmt::format(
      "# {}\napiVersion: plimsoll/v1\nkind: Policy\nmetadata: {{name: {}}}\nspec:\n  select: {{names: [{}], "
      "runtimes: [{}]}}\n  limits:\n",
      heading(fit), policy_name(fit.name), quoted(fit.name), fit.runtime);
  if (fit.centicores) text += fmt::format("    cpu: {{max: {}}}\n", cores(*fit.centicores));
  if (fit.mebibytes) text += fmt::format("    memory: {{max: {}MiB}}\n", *fit.mebibytes);
  return text;
}

std::string compose(const Fit& fit) {
  std::string text = fmt::format("  {}:  # {}\n    deploy:\n      resources:\n        limits:\n",
                                 quoted(fit.service.empty() ? fit.name : fit.service), heading(fit));
  if (fit.centicores) text += fmt::format("          cpus: \"{}\"\n", cores(*fit.centicores));
  if (fit.mebibytes) text += fmt::format("          memory: {}M\n", *fit.mebibytes);
  return text;
}

// A strategic merge patch. No CPU limit: it would hold up what its neighbours leave idle.
std::string kubernetes(const Fit& fit) {
  std::string text = fmt::format(
      "# {} of pod {} in namespace {}: {}\n# kubectl -n {} patch deployment NAME --patch-file FILE\n"
      "spec:\n  template:\n    spec:\n      containers:\n        - name: {}\n          resources:\n"
      "            requests:\n",
      fit.kube_container, fit.pod, fit.name_space, heading(fit), fit.name_space, quoted(fit.kube_container));
  if (fit.centicores) text += fmt::format("              cpu: {}m\n", *fit.centicores * 10);
  if (fit.mebibytes) {
    text += fmt::format("              memory: {0}Mi\n            limits:\n              memory: {0}Mi\n",
                        *fit.mebibytes);
  }
  return text;
}

std::string joined(const std::vector<Fit>& fits, std::string (*write)(const Fit&), std::string_view between) {
  std::string text;
  for (const Fit& fit : fits) text += (text.empty() ? "" : std::string(between)) + write(fit);
  return text;
}

}  // namespace

Result<std::string> recommend_patch(const json& recommendations, const std::string& kind) {
  try {
    std::vector<Fit> fits = fits_of(recommendations, kind);
    if (kind == "policy") return joined(fits, policy, "---\n");
    if (kind == "compose") return fits.empty() ? "" : "services:\n" + joined(fits, compose, "");
    if (kind != "kubernetes")
      return invalid("--patch '" + kind + "': expected policy, compose or kubernetes");
    const bool asked = fits.size() == 1;
    std::erase_if(fits, [](const Fit& fit) { return fit.kube_container.empty(); });
    if (asked && fits.empty()) return invalid("--patch kubernetes: the container is in no pod");
    return joined(fits, kubernetes, "---\n");
  } catch (const json::exception& error) {
    return fail(std::string("the agent's recommendations: ") + error.what());
  }
}

}  // namespace plimsoll::cli
