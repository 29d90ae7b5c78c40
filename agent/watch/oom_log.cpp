#include "agent/watch/oom_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "agent/base/unique_fd.h"
#include "agent/base/units.h"
#include "agent/kernel/file.h"

namespace plimsoll::watch {
namespace {

namespace fs = std::filesystem;
constexpr const char* kEnding = ".json";

// Without an fsync: the agent's loop must not wait for a disk when memory is short. A crash of the machine
// can cost the newest ones.
Result<> put(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return fail_errno("make " + fresh);
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t wrote = ::write(file.get(), rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail_errno("write " + fresh);
    rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return fail_errno("rename " + fresh);
  return {};
}

}  // namespace

Result<std::unique_ptr<OomLog>> OomLog::open(std::string folder, std::size_t most) {
  std::unique_ptr<OomLog> log(new OomLog(std::move(folder), most));
  std::error_code error;
  fs::create_directories(log->folder_, error);
  if (error) return fail("make the folder " + log->folder_ + ": " + error.message());
  fs::permissions(log->folder_, fs::perms::owner_all, error);
  for (fs::directory_iterator entry(log->folder_, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto id = parse_u64(entry->path().stem().string());
    if (id && *id != 0 && *id < INT64_MAX && entry->path().extension() == kEnding)
      log->ids_.insert(static_cast<std::int64_t>(*id));
  }
  if (error) return fail("read the folder " + log->folder_ + ": " + error.message());
  return log;
}

std::string OomLog::path(std::int64_t id) const { return folder_ + "/" + std::to_string(id) + kEnding; }

std::int64_t OomLog::next_id() const {
  const std::lock_guard lock(mutex_);
  return ids_.empty() ? 1 : *ids_.rbegin() + 1;
}

Result<> OomLog::append(const std::string& document) {
  const std::int64_t id = next_id();
  PLIMSOLL_TRY(put(path(id), document));
  const std::lock_guard lock(mutex_);
  ids_.insert(id);
  while (ids_.size() > std::max<std::size_t>(most_, 1)) {
    ::unlink(path(*ids_.begin()).c_str());
    ids_.erase(ids_.begin());
  }
  return {};
}

Result<std::string> OomLog::read(std::int64_t id) const {
  {
    const std::lock_guard lock(mutex_);
    if (!ids_.contains(id)) return fail("No such post-mortem: " + std::to_string(id), ErrorKind::kNotFound);
  }
  return kernel::read_file(path(id));
}

std::vector<std::int64_t> OomLog::ids() const {
  const std::lock_guard lock(mutex_);
  return {ids_.rbegin(), ids_.rend()};
}

}  // namespace plimsoll::watch
