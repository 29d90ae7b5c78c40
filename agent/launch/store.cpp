#include "agent/launch/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/kernel/file.h"
#include "agent/launch/plan_checks.h"

namespace plimsoll::launch {
namespace {

constexpr const char* kState = "state.json";
constexpr const char* kConfig = "config.json";
constexpr const char* kFifo = "start.fifo";

// The state folder lies on a tmpfs and is void after a crash of the machine: no fsync, but whole by rename.
Result<> write_whole(int folder, const std::string& name, std::string_view text, const std::string& place) {
  const std::string temporary = "." + name;
  const std::string doing = "write " + place + "/" + name;
  UniqueFd fd(::openat(folder, temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return fail_errno(doing);
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd.get(), text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail_errno(doing);
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  if (::renameat(folder, temporary.c_str(), folder, name.c_str()) != 0) return fail_errno(doing);
  return {};
}

Result<> make_folders(const std::string& path) {
  for (std::size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at + 1);
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("make folder " + part);
  }
  return {};
}

}  // namespace

std::string_view name_of(Status status) {
  static constexpr std::array<std::string_view, 4> kNames = {"creating", "created", "running", "stopped"};
  return kNames[static_cast<std::size_t>(status)];
}

std::string state_json(const Record& record, Status status) {
  nlohmann::ordered_json out = {
      {"ociVersion", "1.0.2"},     {"id", record.id},
      {"status", name_of(status)}, {"pid", status == Status::kStopped ? 0 : record.pid},
      {"bundle", record.bundle},   {"rootfs", record.root},
      {"created", record.created}};
  if (!record.annotations.empty()) out["annotations"] = record.annotations;
  out["plimsoll"] = {{"pid", record.pid},
                     {"startTime", record.start_time},
                     {"cgroup", record.cgroup},
                     {"cgroupTopmost", record.cgroup_topmost},
                     {"namespaces", record.namespaces}};
  return json_text(out, 2) + "\n";
}

Result<Record> parse_record(std::string_view json) {
  try {
    const auto in = nlohmann::json::parse(json);
    const auto& own = in.at("plimsoll");
    Record record{
        .id = in.at("id"), .bundle = in.at("bundle"), .root = in.at("rootfs"), .created = in.at("created")};
    record.pid = own.at("pid");
    record.start_time = own.at("startTime");
    record.cgroup = own.at("cgroup");
    record.cgroup_topmost = own.at("cgroupTopmost");
    record.namespaces = own.at("namespaces");
    if (in.contains("annotations")) in.at("annotations").get_to(record.annotations);
    return record;
  } catch (const nlohmann::json::exception& error) {
    return fail(std::string("state.json is damaged: ") + error.what());
  }
}

Result<Record> Entry::read() const {
  auto text = kernel::read_file_at(lock_.get(), kState);
  if (!text && text.error().kind() == ErrorKind::kNotFound) {
    return fail("its creation was cut off; `delete --force` removes what is left", ErrorKind::kConflict);
  }
  if (!text) return std::unexpected(std::move(text).error());
  return parse_record(*text);
}

Result<> Entry::write(const Record& record) const {
  const Status status = record.pid == 0 ? Status::kCreating : Status::kCreated;
  return write_whole(lock_.get(), kState, state_json(record, status), folder_);
}

Result<std::string> Entry::config() const { return kernel::read_file_at(lock_.get(), kConfig); }
Result<> Entry::save_config(std::string_view text) const {
  return write_whole(lock_.get(), kConfig, text, folder_);
}

Result<UniqueFd> Entry::make_fifo() const {
  if (::mkfifoat(lock_.get(), kFifo, 0600) != 0) return fail_errno("make " + folder_ + "/" + kFifo);
  UniqueFd fd(::openat(lock_.get(), kFifo, O_RDWR | O_CLOEXEC));
  if (!fd) return fail_errno("open " + folder_ + "/" + kFifo);
  return fd;
}

bool Entry::has_fifo() const { return ::faccessat(lock_.get(), kFifo, F_OK, 0) == 0; }

Result<> Entry::open_gate() const {
  const UniqueFd fd(::openat(lock_.get(), kFifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return fail("it is not in the state `created`", ErrorKind::kConflict);
  if (::write(fd.get(), "0", 1) != 1) return fail_errno("write to " + folder_ + "/" + kFifo);
  ::unlinkat(lock_.get(), kFifo, 0);
  return {};
}

Result<> Entry::remove() const {
  for (const char* name : {kFifo, kConfig, ".config.json", ".state.json", kState}) {
    if (::unlinkat(lock_.get(), name, 0) != 0 && errno != ENOENT)
      return fail_errno("remove " + folder_ + "/" + name);
  }
  if (::rmdir(folder_.c_str()) != 0 && errno != ENOENT) return fail_errno("remove " + folder_);
  return {};
}

Result<Entry> Store::create(const std::string& id) const {
  PLIMSOLL_TRY(check_id(id));
  const std::string folder = root_ + "/" + id;
  if (::mkdir(folder.c_str(), 0711) != 0) {
    if (errno == EEXIST) return fail("container " + id + " exists already", ErrorKind::kConflict);
    if (errno != ENOENT) return fail_errno("make folder " + folder);
    PLIMSOLL_TRY(make_folders(root_));
    if (::mkdir(folder.c_str(), 0711) != 0) return fail_errno("make folder " + folder);
  }
  return open(id);
}

Result<Entry> Store::open(const std::string& id) const {
  PLIMSOLL_TRY(check_id(id));
  const std::string folder = root_ + "/" + id;
  const std::string missing = "container " + id + " does not exist";
  UniqueFd lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock) {
    if (errno == ENOENT) return fail(missing, ErrorKind::kNotFound);
    return fail_errno("open " + folder);
  }
  while (::flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return fail_errno("lock " + folder);
  }
  struct stat info{};
  // Whoever held the lock before may have removed it.
  if (::fstat(lock.get(), &info) != 0 || info.st_nlink == 0) return fail(missing, ErrorKind::kNotFound);
  return Entry(folder, std::move(lock));
}

Result<std::vector<std::string>> Store::ids() const {
  std::vector<std::string> out;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(root_.c_str()), ::closedir);
  if (!folder) {
    if (errno == ENOENT) return out;
    return fail_errno("open " + root_);
  }
  while (const dirent* entry = ::readdir(folder.get())) {
    if (entry->d_type == DT_DIR && check_id(entry->d_name)) out.emplace_back(entry->d_name);
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace plimsoll::launch
