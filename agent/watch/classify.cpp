#include "agent/watch/classify.h"

#include <algorithm>
#include <array>

namespace plimsoll::watch {
namespace {

using model::Runtime;

// Where a folder of that name must lie to be meant.
enum class Place {
  kAnywhere,
  kBelow,  // directly below the folder `parent`, itself at the top
  kInPod,  // directly below a Kubernetes pod's folder
  kTwoDeep,
};

struct Rule {
  Runtime runtime;
  std::string_view prefix, suffix;  // around the id of 64 hex digits
  Place place = Place::kAnywhere;
  std::string_view parent = {};
};

// The first that fits wins. "conmon" scopes carry an id as well, but hold the monitor, not the container:
// their prefix is in no rule.
constexpr std::array<Rule, 13> kRules = {{
    {Runtime::kPlimsoll, "", "", Place::kBelow, model::kOwnParent},
    {Runtime::kDocker, "docker-", ".scope"},              // systemd driver, cri-dockerd in Kubernetes
    {Runtime::kDocker, "", "", Place::kBelow, "docker"},  // cgroupfs driver
    {Runtime::kPodman, "libpod-", ".scope"},              // systemd manager, root or rootless
    {Runtime::kPodman, "libpod-payload-", ""},            // --cgroups=split, inside its unit
    {Runtime::kPodman, "libpod-", ""},                    // cgroupfs manager: /libpod_parent, or a pod in it
    {Runtime::kContainerd, "cri-containerd-", ".scope"},
    {Runtime::kContainerd, "nerdctl-", ".scope"},
    {Runtime::kCrio, "crio-", ".scope"},
    {Runtime::kCrio, "crio-", "", Place::kInPod},   // cgroupfs manager
    {Runtime::kContainerd, "", "", Place::kInPod},  // kubepods with the cgroupfs driver
    {Runtime::kContainerd, "", "", Place::kBelow, "k8s.io"},
    {Runtime::kContainerd, "", "", Place::kTwoDeep},  // ctr, nerdctl: /NAMESPACE/ID
}};

bool is_id(std::string_view text) {
  return text.size() == 64 && std::ranges::all_of(text, [](char letter) {
           return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f');
         });
}

// The uid in "pod<uid>" and "[kubelet-]kubepods[-burstable|-besteffort]-pod<uid with _>.slice"; empty for
// other names.
std::string pod_uid(std::string_view folder) {
  std::string_view uid = folder;
  if (uid.ends_with(".slice") && uid.find("kubepods-") != std::string_view::npos) {
    uid.remove_suffix(6);
    const std::size_t pod = uid.rfind("-pod");
    if (pod == std::string_view::npos) return {};
    uid.remove_prefix(pod + 1);
  }
  if (!uid.starts_with("pod") || uid.size() < 3 + 32) return {};  // 32 digits: a static pod's hash
  std::string text(uid.substr(3));
  std::ranges::replace(text, '_', '-');  // a dash separates slices in a unit's name
  return text;
}

struct Position {
  std::size_t depth = 0;  // 1: directly below the root
  std::string_view folder, parent;
};

bool stands_there(const Rule& rule, const Position& at, bool in_pod) {
  switch (rule.place) {
    case Place::kAnywhere:
      return true;
    case Place::kBelow:
      return at.depth == 2 && at.parent == rule.parent;
    case Place::kInPod:
      return in_pod;
    case Place::kTwoDeep:
      return at.depth == 2 && at.parent != "libpod_parent";  // there it is a Podman pod
  }
  return false;
}

std::optional<Match> container_at(const Position& at, const std::string& pod) {
  for (const Rule& rule : kRules) {
    std::string_view id = at.folder;
    if (!stands_there(rule, at, !pod.empty()) || !id.starts_with(rule.prefix) || !id.ends_with(rule.suffix) ||
        id.size() != rule.prefix.size() + 64 + rule.suffix.size()) {
      continue;
    }
    id = id.substr(rule.prefix.size(), 64);
    if (is_id(id)) return Match{rule.runtime, std::string(id), pod};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Match> classify(std::string_view path) {
  Position at;
  bool in_service = false;
  std::string pod;
  while (path.starts_with('/')) {
    path.remove_prefix(1);
    at.parent = at.folder;
    at.folder = path.substr(0, path.find('/'));
    path.remove_prefix(at.folder.size());
    ++at.depth;
    const bool last = path.empty();
    pod = pod_uid(at.parent);
    if (auto match = container_at(at, pod)) {
      if (last) return match;
      return std::nullopt;
    }
    if (!at.folder.ends_with(".service")) continue;
    if (last && !in_service) return Match{Runtime::kSystemd, std::string(at.folder), {}};
    // A user's own service manager is a service that holds services.
    in_service = in_service || !at.folder.starts_with("user@");
  }
  return std::nullopt;
}

}  // namespace plimsoll::watch
