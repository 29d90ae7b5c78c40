#include "agent/kernel/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <sstream>

#include "agent/base/units.h"
#include "agent/kernel/file.h"

namespace plimsoll::kernel {
namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

}  // namespace

Result<Cgroup> Cgroup::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("open cgroup " + path);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("stat cgroup " + path);
  return Cgroup(std::move(fd), model::CgroupId{info.st_ino}, path);
}

Result<Cgroup> Cgroup::create(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno("create cgroup " + path);
  return open(path);
}

Result<std::string> Cgroup::read(const std::string& file) const {
  auto text = read_file_at(fd_.get(), file);
  if (!text) return std::unexpected(std::move(text).error().in("cgroup " + path_));
  return text;
}

Result<> Cgroup::write(const std::string& file, std::string_view value) const {
  const UniqueFd fd(::openat(fd_.get(), file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return fail_errno("open " + file + " of " + path_);
  while (::write(fd.get(), value.data(), value.size()) < 0) {
    if (errno != EINTR) return fail_errno("write " + file + " of " + path_);
  }
  return {};
}

bool Cgroup::has(const std::string& file) const { return ::faccessat(fd_.get(), file.c_str(), F_OK, 0) == 0; }

Result<std::vector<std::string>> Cgroup::controllers() const {
  PLIMSOLL_ASSIGN(const std::string text, read("cgroup.controllers"));
  return words_of(text);
}

Result<> Cgroup::enable(const std::vector<std::string>& controllers) const {
  PLIMSOLL_ASSIGN(const auto available, this->controllers());
  PLIMSOLL_ASSIGN(const std::string enabled_text, read("cgroup.subtree_control"));
  const auto enabled = words_of(enabled_text);
  for (const std::string& controller : controllers) {
    if (std::ranges::find(enabled, controller) != enabled.end()) continue;
    if (std::ranges::find(available, controller) == available.end()) {
      return fail("the " + controller + " controller is not available in cgroup " + path_,
                  ErrorKind::kUnsupported);
    }
    PLIMSOLL_TRY(write("cgroup.subtree_control", "+" + controller));
  }
  return {};
}

Result<std::vector<int>> Cgroup::processes() const {
  PLIMSOLL_ASSIGN(const std::string text, read("cgroup.procs"));
  std::vector<int> pids;
  for (const std::string& word : words_of(text)) {
    if (const auto pid = parse_u64(word)) pids.push_back(static_cast<int>(*pid));
  }
  return pids;
}

Result<> Cgroup::add_process(int pid) const { return write("cgroup.procs", std::to_string(pid)); }
Result<> Cgroup::freeze(bool frozen) const { return write("cgroup.freeze", frozen ? "1" : "0"); }
Result<> Cgroup::kill() const { return write("cgroup.kill", "1"); }

Result<std::string> find_cgroup2_mount(std::string_view mounts) {
  std::istringstream in{std::string(mounts)};
  std::string first;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string device, target, type;
    if (!(fields >> device >> target >> type) || type != "cgroup2") continue;
    if (target == "/sys/fs/cgroup") return target;
    if (first.empty()) first = target;
  }
  if (first.empty()) return fail("no cgroup v2 mount on this host", ErrorKind::kUnsupported);
  return first;
}

Result<> remove_cgroup_tree(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
  if (!dir) {
    if (errno == ENOENT) return {};
    return fail_errno("open cgroup " + path);
  }
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
    PLIMSOLL_TRY(remove_cgroup_tree(path + "/" + entry->d_name));
  }
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return {};
  const bool busy = errno == EBUSY;
  Error error = Error::from_errno("remove cgroup " + path);
  return std::unexpected(busy ? std::move(error).as(ErrorKind::kConflict) : std::move(error));
}

}  // namespace plimsoll::kernel
