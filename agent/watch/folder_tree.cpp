#include "agent/watch/folder_tree.h"

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <memory>

namespace plimsoll::watch {
namespace {

constexpr std::uint32_t kChildren = IN_CREATE | IN_DELETE;
constexpr std::uint32_t kFiles = IN_MODIFY;

std::uint32_t mask_for(const std::optional<Match>& match) {
  if (!match) return kChildren | IN_ONLYDIR;
  if (match->runtime == model::Runtime::kSystemd) return kChildren | kFiles | IN_ONLYDIR;
  return kFiles | IN_ONLYDIR;
}

bool holds_containers(const std::optional<Match>& match) {
  return !match || match->runtime == model::Runtime::kSystemd;
}

}  // namespace

Result<FolderTree> FolderTree::open(std::string mount) {
  PLIMSOLL_ASSIGN(kernel::Inotify inotify, kernel::Inotify::open());
  return FolderTree(std::move(mount), std::move(inotify));
}

model::CgroupId FolderTree::inode_of(const std::string& path) const {
  struct stat info{};
  if (::stat((mount_ + path).c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return {};
  return {info.st_ino};
}

void FolderTree::enter(const std::string& path, Changes& changes) {
  const model::CgroupId id = inode_of(path);
  const auto known = folders_.find(path);
  if (known != folders_.end()) {
    if (known->second.id == id) return;
    forget(path, changes);
  }
  Folder folder{id, classify(path), -1};
  if (id.inode == 0) {
    if (folder.match) ++counts_.missed;
    return;
  }
  if (const auto watch = inotify_.add(mount_ + path, mask_for(folder.match))) {
    folder.watch = *watch;
    watches_[*watch] = path;
  } else if (watch.error().kind() != ErrorKind::kNotFound) {
    ++counts_.failed_watches;
  }
  if (folder.match) {
    changes.push_back({FolderChange::Kind::kAppeared, id, path, {}, *folder.match});
  }
  const bool listed = holds_containers(folder.match);
  folders_.insert_or_assign(path, std::move(folder));
  if (listed) list(path, changes);
}

void FolderTree::list(const std::string& path, Changes& changes) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir((mount_ + path).c_str()), ::closedir);
  if (!dir) return;  // gone again: its IN_DELETE is on the way
  std::vector<std::string> children;
  while (const dirent* entry = ::readdir(dir.get())) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    const auto known = folders_.find(path + "/" + entry->d_name);
    if (known == folders_.end() || known->second.id.inode != entry->d_ino)
      children.emplace_back(entry->d_name);
  }
  for (const std::string& child : children) enter(path + "/" + child, changes);
}

void FolderTree::forget(const std::string& path, Changes& changes) {
  const std::string below = path + "/";
  const auto drop = [&](std::map<std::string, Folder>::iterator at) {
    if (at->second.match) {
      changes.push_back({FolderChange::Kind::kVanished, at->second.id, at->first, {}, {}});
    }
    // An overlay of two generations: the watch may be of a folder that is gone, which the kernel dropped.
    if (watches_.erase(at->second.watch) != 0) inotify_.remove(at->second.watch);
    return folders_.erase(at);
  };
  for (auto at = folders_.lower_bound(below); at != folders_.end() && at->first.starts_with(below);) {
    at = drop(at);
  }
  if (const auto at = folders_.find(path); at != folders_.end()) drop(at);
}

void FolderTree::forget_vanished(Changes& changes) {
  std::vector<std::string> gone;
  for (const auto& [path, folder] : folders_) {
    if (inode_of(path) != folder.id) gone.push_back(path);
  }
  for (const std::string& path : gone) forget(path, changes);
}

std::vector<FolderChange> FolderTree::reconcile() {
  Changes changes;
  forget_vanished(changes);
  if (folders_.empty()) {
    enter("", changes);
    return changes;
  }
  std::vector<std::string> parents;
  for (const auto& [path, folder] : folders_) {
    if (holds_containers(folder.match)) parents.push_back(path);
  }
  for (const std::string& path : parents) list(path, changes);
  return changes;
}

void FolderTree::apply(const kernel::Inotify::Change& change, Changes& changes) {
  const auto watched = watches_.find(change.watch);
  if (watched == watches_.end()) return;  // of a folder that was forgotten meanwhile
  const std::string parent = watched->second;
  if ((change.mask & IN_IGNORED) != 0) {
    watches_.erase(watched);
  } else if ((change.mask & IN_MODIFY) != 0) {
    const Folder& folder = folders_.at(parent);
    changes.push_back({FolderChange::Kind::kFileChanged, folder.id, parent, change.name, {}});
  } else if ((change.mask & IN_ISDIR) != 0 && (change.mask & IN_CREATE) != 0) {
    enter(parent + "/" + change.name, changes);
  } else if ((change.mask & IN_ISDIR) != 0 && (change.mask & IN_DELETE) != 0) {
    const std::string path = parent + "/" + change.name;
    const auto known = folders_.find(path);
    if (known == folders_.end() || inode_of(path) == known->second.id) return;
    forget(path, changes);
    if (inode_of(path).inode != 0) enter(path, changes);
  }
}

Result<std::vector<FolderChange>> FolderTree::drain() {
  PLIMSOLL_ASSIGN(const auto reported, inotify_.drain());
  Changes changes;
  bool overflowed = false;
  for (const auto& change : reported) {
    if ((change.mask & IN_Q_OVERFLOW) != 0) overflowed = true;
    apply(change, changes);
  }
  if (overflowed) {
    ++counts_.overflows;
    for (auto& change : reconcile()) changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace plimsoll::watch
