#include "agent/launch/container_cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "agent/launch/device_program.h"

namespace plimsoll::launch {
namespace {

// Turned on where the host has them even if no limit asks: the agent's measurements, and the evidence of an
// out-of-memory kill, come from their files.
constexpr std::array<std::string_view, 5> kWelcome = {"cpu", "memory", "pids", "io", "cpuset"};

constexpr int kRemovalPolls = 1000;
constexpr int kRemovalPollMs = 10;

bool has_word(const std::string& text, std::string_view word) {
  std::size_t at = 0;
  while ((at = text.find(word, at)) != std::string::npos) {
    const std::size_t end = at + word.size();
    const bool starts = at == 0 || text[at - 1] == ' ';
    const bool ends = end == text.size() || text[end] == ' ' || text[end] == '\n';
    if (starts && ends) return true;
    at = end;
  }
  return false;
}

// Which limit wants this controller first, for the error.
std::string limit_of(const Plan& plan, std::string_view controller) {
  for (const ControlWrite& write : plan.control_writes) {
    if (write.controller == controller) return "linux.resources." + write.limit;
  }
  return "";
}

Result<> enable_for_children(const std::string& folder, const Plan& plan) {
  PLIMSOLL_ASSIGN(const kernel::Cgroup cgroup, kernel::Cgroup::open(folder));
  PLIMSOLL_ASSIGN(const std::string available, cgroup.read("cgroup.controllers"));
  PLIMSOLL_ASSIGN(const std::string enabled, cgroup.read("cgroup.subtree_control"));
  for (const ControlWrite& write : plan.control_writes) {
    if (write.controller.empty() || has_word(available, write.controller)) continue;
    return fail("linux.resources." + write.limit + ": this host has no " + write.controller +
                    " controller in cgroup " + folder,
                ErrorKind::kUnsupported);
  }
  std::vector<std::string> wanted;
  for (const std::string_view name : kWelcome) wanted.emplace_back(name);
  for (const ControlWrite& write : plan.control_writes) {
    if (!write.controller.empty() && std::ranges::find(wanted, write.controller) == wanted.end()) {
      wanted.push_back(write.controller);
    }
  }
  for (const std::string& controller : wanted) {
    if (!has_word(available, controller) || has_word(enabled, controller)) continue;
    auto written = cgroup.write("cgroup.subtree_control", "+" + controller);
    if (const std::string limit = limit_of(plan, controller); !written && !limit.empty()) {
      return std::unexpected(
          std::move(written).error().in(limit + ": enable the " + controller + " controller"));
    }
  }
  return {};
}

Result<> write_one(const kernel::Cgroup& cgroup, const ControlWrite& write) {
  const std::string place = "linux.resources." + write.limit;
  const bool second = !write.fallback_file.empty() && !cgroup.has(write.file);
  const std::string& file = second ? write.fallback_file : write.file;
  if (!cgroup.has(file)) {
    return fail(place + ": this kernel has no " + file + " in cgroup " + cgroup.path(),
                ErrorKind::kUnsupported);
  }
  auto written = cgroup.write(file, second ? write.fallback_value : write.value);
  if (!written) return std::unexpected(std::move(written).error().in(place));
  return {};
}

Result<> wait_until_empty(const std::string& path) {
  for (int i = 0; i < kRemovalPolls; ++i) {
    auto removed = kernel::remove_cgroup_tree(path);
    if (removed || removed.error().kind() != ErrorKind::kConflict) return removed;
    // SIGKILL is asynchronous, and the processes may be any number; the file system tells nobody who is in
    // it.
    ::poll(nullptr, 0, kRemovalPollMs);
  }
  return fail("cgroup " + path + " is still populated 10 s after SIGKILL", ErrorKind::kConflict);
}

void collect(const std::string& path, std::vector<int>& out) {
  const auto cgroup = kernel::Cgroup::open(path);
  if (!cgroup) return;
  if (const auto pids = cgroup->processes()) out.insert(out.end(), pids->begin(), pids->end());
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), ::closedir);
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") collect(path + "/" + entry->d_name, out);
  }
}

}  // namespace

ContainerCgroup::ContainerCgroup(ContainerCgroup&& other) noexcept
    : cgroup_(std::move(other.cgroup_)),
      path_(std::move(other.path_)),
      topmost_(std::move(other.topmost_)),
      keep_(std::exchange(other.keep_, true)) {}

ContainerCgroup::~ContainerCgroup() {
  if (keep_ || topmost_.empty()) return;
  cgroup_.reset();
  // A destructor has nobody to tell; what is left over shows as the next create's kConflict.
  if (!remove_container_cgroup(path_, topmost_)) return;
}

Result<ContainerCgroup> ContainerCgroup::create(const std::string& mount, const Plan& plan) {
  ContainerCgroup made;
  PLIMSOLL_TRY(made.make_folders(mount, plan));
  PLIMSOLL_TRY(made.write_limits(plan));
  return made;
}

Result<> ContainerCgroup::make_folders(const std::string& mount, const Plan& plan) {
  std::string folder = mount;
  std::string_view rest = plan.cgroup;
  while (!rest.empty()) {
    PLIMSOLL_TRY(enable_for_children(folder, plan));
    const std::size_t end = rest.find('/', 1);
    folder += rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end);
    path_ = folder;
    if (::mkdir(folder.c_str(), 0755) == 0) {
      if (topmost_.empty()) topmost_ = folder;
    } else if (errno != EEXIST) {
      return fail_errno("create cgroup " + folder);
    }
  }
  PLIMSOLL_ASSIGN(cgroup_, kernel::Cgroup::open(path_));
  if (topmost_.empty()) {
    PLIMSOLL_ASSIGN(const auto processes, processes_below(path_));
    if (!processes.empty()) return fail("cgroup " + path_ + " is in use already", ErrorKind::kConflict);
    topmost_ = path_;
  }
  return {};
}

Result<> ContainerCgroup::write_limits(const Plan& plan) {
  for (const ControlWrite& write : plan.control_writes) PLIMSOLL_TRY(write_one(*cgroup_, write));
  if (!plan.device_rules) return {};
  return attach_device_program(cgroup_->fd(), device_program(*plan.device_rules));
}

Result<> remove_container_cgroup(const std::string& path, const std::string& topmost) {
  if (const auto cgroup = kernel::Cgroup::open(path)) {
    const auto killed = cgroup->kill();
    if (!killed && killed.error().kind() != ErrorKind::kNotFound) return killed;
  }
  PLIMSOLL_TRY(wait_until_empty(path));
  std::string parent = path;
  while (parent.size() > topmost.size() && parent.starts_with(topmost + "/")) {
    parent = parent.substr(0, parent.rfind('/'));
    // Another container moved in meanwhile: then it stays.
    if (::rmdir(parent.c_str()) != 0) break;
  }
  return {};
}

Result<std::vector<int>> processes_below(const std::string& path) {
  std::vector<int> out;
  collect(path, out);
  return out;
}

}  // namespace plimsoll::launch
