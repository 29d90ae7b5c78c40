#include "agent/container/users.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "agent/base/unique_fd.h"
#include "agent/base/units.h"
#include "agent/kernel/file.h"

namespace plimsoll::container {
namespace {

using Row = std::vector<std::string>;

// A file that is missing has no rows.
Result<std::vector<Row>> rows_of(const std::string& rootfs, const std::string& path) {
  const UniqueFd root(::open(rootfs.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return fail_errno("open " + rootfs);
  // O_NONBLOCK: an image may hold a FIFO under this name.
  const open_how how{.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .mode = 0, .resolve = RESOLVE_IN_ROOT};
  const UniqueFd file(static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
  if (!file) {
    if (errno == ENOENT || errno == ENOTDIR) return std::vector<Row>{};
    return fail_errno("open " + path + " of the container");
  }
  struct stat about{};
  if (::fstat(file.get(), &about) != 0) return fail_errno("stat " + path + " of the container");
  constexpr off_t kMost = 16 << 20;
  if (!S_ISREG(about.st_mode) || about.st_size > kMost)
    return invalid(path + " of the container: not a small file");
  std::string buffer;
  PLIMSOLL_ASSIGN(const std::string_view text, kernel::pread_all(file.get(), buffer));
  std::vector<Row> rows;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    Row row;
    for (std::size_t field = at; field <= end;) {
      const std::size_t colon = std::min(text.find(':', field), end);
      row.emplace_back(text.substr(field, colon - field));
      field = colon + 1;
    }
    if (!row.empty() && !row[0].empty() && row[0][0] != '#') rows.push_back(std::move(row));
    at = end + 1;
  }
  return rows;
}

std::optional<std::uint32_t> number_of(const std::string& text) {
  const auto value = parse_u64(text);
  if (!value || *value > INT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

Result<std::uint32_t> find_group(const std::vector<Row>& groups, const std::string& name) {
  for (const Row& row : groups) {
    if (row.size() >= 3 && row[0] == name) {
      if (const auto gid = number_of(row[2])) return *gid;
    }
  }
  if (const auto gid = number_of(name)) return *gid;
  return invalid("unable to find group " + name + ": no matching entries in group file");
}

void add_memberships(const std::vector<Row>& groups, const std::string& user, oci::User& out) {
  for (const Row& row : groups) {
    if (row.size() < 4) continue;
    const std::string members = "," + row[3] + ",";
    const auto gid = number_of(row[2]);
    if (gid && members.find("," + user + ",") != std::string::npos) out.additional_gids.push_back(*gid);
  }
}

}  // namespace

Result<Identity> find_user(const std::string& rootfs, const std::string& user,
                           const std::vector<std::string>& additional_groups) {
  PLIMSOLL_ASSIGN(const auto users, rows_of(rootfs, "etc/passwd"));
  PLIMSOLL_ASSIGN(const auto groups, rows_of(rootfs, "etc/group"));
  const auto colon = user.find(':');
  std::string name = user.substr(0, colon);
  if (name.empty()) name = "0";
  const std::string group = colon == std::string::npos ? "" : user.substr(colon + 1);

  Identity out;
  const auto row = std::ranges::find_if(users, [&](const Row& one) {
    return one.size() >= 4 && number_of(one[2]) && number_of(one[3]) && (one[0] == name || one[2] == name);
  });
  if (row != users.end()) {
    out.user.uid = *number_of((*row)[2]);
    out.user.gid = *number_of((*row)[3]);
    if (row->size() >= 6 && !(*row)[5].empty()) out.home = (*row)[5];
    if (group.empty()) add_memberships(groups, (*row)[0], out.user);
  } else if (const auto uid = number_of(name)) {
    out.user.uid = *uid;
  } else {
    return invalid("unable to find user " + name + ": no matching entries in passwd file");
  }
  if (!group.empty()) {
    PLIMSOLL_ASSIGN(out.user.gid, find_group(groups, group));
  }
  for (const std::string& one : additional_groups) {
    PLIMSOLL_ASSIGN(const std::uint32_t gid, find_group(groups, one));
    out.user.additional_gids.push_back(gid);
  }
  return out;
}

}  // namespace plimsoll::container
