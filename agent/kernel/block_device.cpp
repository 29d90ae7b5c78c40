#include "agent/kernel/block_device.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <memory>
#include <optional>
#include <sstream>

#include "agent/base/units.h"
#include "agent/kernel/file.h"

namespace plimsoll::kernel {
namespace {

using model::DeviceNumber;

DeviceNumber number_of(dev_t device) { return {major(device), minor(device)}; }

std::optional<DeviceNumber> parse_number(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto first = parse_u64(text.substr(0, colon));
  const auto second = parse_u64(text.substr(colon + 1));
  if (!first || !second || *first > UINT_MAX || *second > UINT_MAX) return std::nullopt;
  return DeviceNumber{static_cast<std::uint32_t>(*first), static_cast<std::uint32_t>(*second)};
}

// mountinfo writes space, tab, newline and backslash as three octal digits (proc(5)).
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// What the filesystem at `path` is mounted from, and its type: of the deepest mount above it, the last one
// wins.
struct Source {
  std::string device, type;
};
Source mount_source(std::string_view mountinfo, const std::string& path) {
  Source found;
  std::size_t longest = 0;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream head(line.substr(0, dash)), tail(line.substr(dash + 3));
    std::string id, parent, number, root, target, type, source;
    if (!(head >> id >> parent >> number >> root >> target) || !(tail >> type >> source)) continue;
    target = unescaped(target);
    const bool above = target == "/" || path == target || path.starts_with(target + "/");
    if (!above || target.size() < longest) continue;
    longest = target.size();
    found = {unescaped(source), type};
  }
  return found;
}

// A btrfs or a bind mount of one shows a number of its own; the mount table names the device.
Result<DeviceNumber> device_below(const std::string& folder, const struct stat& info,
                                  const DeviceRoots& roots) {
  if (major(info.st_dev) != 0) return number_of(info.st_dev);
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(folder.c_str(), nullptr), ::free);
  if (!real) return fail_errno("find the disk of " + folder);
  PLIMSOLL_ASSIGN(const std::string mounts, read_file(roots.mountinfo));
  const Source source = mount_source(mounts, real.get());
  struct stat device{};
  if (source.device.starts_with('/') && ::stat(source.device.c_str(), &device) == 0 &&
      S_ISBLK(device.st_mode)) {
    return number_of(device.st_rdev);
  }
  return invalid(folder + " is on " + (source.type.empty() ? "a filesystem" : source.type) +
                 ", which has no disk of its own");
}

Result<DeviceNumber> whole_disk(DeviceNumber device, const std::string& text, const DeviceRoots& roots) {
  const std::string folder = roots.sysfs + "/dev/block/" + to_string(device);
  if (::access(folder.c_str(), F_OK) != 0) return fail("no block device " + text, ErrorKind::kNotFound);
  if (::access((folder + "/partition").c_str(), F_OK) != 0) return device;
  PLIMSOLL_ASSIGN(std::string parent, read_file(folder + "/../dev"));
  while (parent.ends_with('\n')) parent.pop_back();
  const auto disk = parse_number(parent);
  if (!disk) return fail("the disk of partition " + text + ": its number reads '" + parent + "'");
  return *disk;
}

}  // namespace

Result<DeviceNumber> resolve_block_device(const std::string& text, const DeviceRoots& roots) {
  if (const auto number = parse_number(text)) return whole_disk(*number, text, roots);
  if (!text.starts_with('/')) return invalid("'" + text + "' is neither MAJOR:MINOR nor a path");
  struct stat info{};
  if (::stat(text.c_str(), &info) != 0) return fail_errno("block device " + text);
  if (S_ISBLK(info.st_mode)) return whole_disk(number_of(info.st_rdev), text, roots);
  if (!S_ISDIR(info.st_mode)) return invalid(text + " is neither a block device nor a folder");
  PLIMSOLL_ASSIGN(const DeviceNumber below, device_below(text, info, roots));
  return whole_disk(below, text, roots);
}

}  // namespace plimsoll::kernel
