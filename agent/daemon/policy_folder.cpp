#include "agent/daemon/policy_folder.h"

#include <sys/inotify.h>

#include <filesystem>

namespace plimsoll::daemon {
namespace {

constexpr std::uint32_t kFolderChanges = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                         IN_CREATE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t kParentChanges = IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

}  // namespace

Result<PolicyFolder> PolicyFolder::open(std::string path, std::optional<policies::HostCpus> host) {
  PLIMSOLL_ASSIGN(auto changes, kernel::Inotify::open());
  PolicyFolder folder(std::move(path), host, std::move(changes));
  folder.load();
  return folder;
}

// The folder itself, or, while it is missing, the nearest parent that is there: that one tells when the way
// to it grows. Called before each loading, so that a folder made anew is watched from then on.
void PolicyFolder::watch() {
  if (changes_.add(path_, kFolderChanges)) return;
  for (std::filesystem::path parent = path_; parent.has_relative_path();) {
    parent = parent.parent_path();
    if (changes_.add(parent.string(), kParentChanges)) return;
  }
}

bool PolicyFolder::refresh() {
  const auto changes = changes_.drain();
  if (changes && changes->empty()) return false;
  load();
  return true;
}

void PolicyFolder::load() {
  watch();
  auto outcome = policies::load_folder(path_, host_);
  if (!outcome) {
    diagnostics_ = {{.file = path_, .place = {}, .message = outcome.error().message()}};
    return;
  }
  diagnostics_ = std::move(outcome->diagnostics);
  if (outcome->good()) set_ = std::move(outcome->set);
}

}  // namespace plimsoll::daemon
