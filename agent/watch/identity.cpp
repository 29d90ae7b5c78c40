#include "agent/watch/identity.h"

#include <dirent.h>

#include <memory>
#include <vector>

#include "agent/base/units.h"
#include "agent/kernel/file.h"

namespace plimsoll::watch {
namespace {

using Found = Result<std::optional<Identity>>;

// nullopt where there is no such file.
Result<std::optional<std::string>> read_if_there(const std::string& path) {
  auto text = kernel::read_file(path);
  if (text) return std::optional(*std::move(text));
  if (text.error().kind() == ErrorKind::kNotFound) return std::optional<std::string>();
  return std::unexpected(std::move(text).error());
}

template <typename Parse>
Found parse_if_there(const std::string& path, Parse parse) {
  PLIMSOLL_ASSIGN(const auto text, read_if_there(path));
  if (!text) return std::nullopt;
  auto identity = parse(*text);
  if (!identity) return std::unexpected(std::move(identity).error().in(path));
  return std::optional(*std::move(identity));
}

std::vector<std::string> folders_in(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
  while (const dirent* entry = dir ? ::readdir(dir.get()) : nullptr) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  return names;
}

// ROOT/NAMESPACE/ID/config.json: the namespace is not in the cgroup's path.
Found from_containerd(const IdentityRoots& roots, const std::string& id) {
  for (const std::string& space : folders_in(roots.containerd)) {
    // Docker's own containers have a bundle here, too, but their names are in Docker's files.
    if (space == "moby") continue;
    const std::string bundle = roots.containerd + "/" + space + "/" + id;
    PLIMSOLL_ASSIGN(auto identity, parse_if_there(bundle + "/config.json", parse_containerd_config));
    if (!identity) continue;
    if (const auto pid = kernel::read_file(bundle + "/init.pid")) {
      if (const auto number = parse_u64(*pid)) identity->init_pid = static_cast<int>(*number);
    }
    if (identity->kube_namespace.empty()) identity->labels.try_emplace("containerd.namespace", space);
    return identity;
  }
  return std::nullopt;
}

Found from_docker(const IdentityRoots& roots, const std::string& id) {
  return parse_if_there(roots.docker + "/" + id + "/config.v2.json", parse_docker_config);
}

Found from_storage(const IdentityRoots& roots, const std::string& id) {
  const std::string folder = roots.containers_storage + "/overlay-containers/";
  PLIMSOLL_ASSIGN(auto identity, parse_if_there(folder + id + "/userdata/config.json", parse_storage_config));
  if (!identity || !identity->name.empty()) return identity;
  for (const char* list : {"containers.json", "volatile-containers.json"}) {
    PLIMSOLL_ASSIGN(const auto text, read_if_there(folder + list));
    if (!text || !identity->name.empty()) continue;
    auto added = parse_storage_list(*text, id, *identity);
    if (!added) return std::unexpected(std::move(added).error().in(folder + list));
  }
  return identity;
}

}  // namespace

Result<std::optional<Identity>> read_identity(const IdentityRoots& roots, const Match& match) {
  switch (match.runtime) {
    case model::Runtime::kDocker:
      return from_docker(roots, match.container_id);
    case model::Runtime::kPodman:
    case model::Runtime::kCrio:
      return from_storage(roots, match.container_id);
    case model::Runtime::kContainerd: {
      PLIMSOLL_ASSIGN(auto identity, from_containerd(roots, match.container_id));
      // cri-dockerd with the cgroupfs driver makes the same paths as containerd.
      if (!identity && !match.pod_uid.empty()) return from_docker(roots, match.container_id);
      return identity;
    }
    case model::Runtime::kSystemd: {
      Identity identity;
      identity.name = match.container_id;
      return std::optional(std::move(identity));
    }
    case model::Runtime::kPlimsoll:
    case model::Runtime::kOther:
      break;
  }
  return std::nullopt;
}

}  // namespace plimsoll::watch
