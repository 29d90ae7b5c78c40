#include "agent/container/mount_text.h"

#include <algorithm>
#include <array>

namespace plimsoll::container {
namespace {

constexpr std::array<std::string_view, 6> kPropagations = {"private", "rprivate", "shared",
                                                           "rshared", "slave",    "rslave"};

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  while (true) {
    const auto end = text.find(by, start);
    parts.push_back(text.substr(start, end - start));
    if (end == std::string::npos) return parts;
    start = end + 1;
  }
}

bool is_clean_target(const std::string& path) {
  return path.starts_with('/') && path.find_first_not_of('/') != std::string::npos;
}

void read_mount(const Members& one, Config& out) {
  MountPoint mount{
      .source = one.text("Source"), .target = one.text("Target"), .read_only = one.boolean("ReadOnly")};
  const std::string type = one.text("Type");
  if (!is_clean_target(mount.target))
    one.fail("Target", "'" + mount.target + "' is not an absolute path below /");
  if (type == "bind") {
    const Members options = one.inside("BindOptions");
    mount.propagation = options.text("Propagation");
    mount.make_source = options.boolean("CreateMountpoint");
    options.refuse_rest();
    if (!mount.source.starts_with('/')) one.fail("Source", "'" + mount.source + "' is not an absolute path");
    if (!mount.propagation.empty() &&
        std::ranges::find(kPropagations, mount.propagation) == kPropagations.end()) {
      options.fail("Propagation", "'" + mount.propagation + "' is unknown");
    }
  } else if (type == "tmpfs") {
    mount.kind = MountPoint::Kind::kTmpfs;
    const Members options = one.inside("TmpfsOptions");
    if (const std::int64_t size = options.natural("SizeBytes"); size != 0)
      mount.options.push_back("size=" + std::to_string(size));
    if (const std::int64_t mode = options.natural("Mode"); mode != 0) {
      std::string octal;
      for (std::int64_t rest = mode; rest != 0; rest /= 8)
        octal.insert(octal.begin(), static_cast<char>('0' + rest % 8));
      mount.options.push_back("mode=" + octal);
    }
    options.refuse_rest();
  } else {
    one.fail("Type (--mount)", "'" + type + "' is not supported; bind and tmpfs are",
             ErrorKind::kUnsupported);
  }
  one.refuse_rest({"Consistency"});  // of virtual machines' shared folders; Linux has none
  out.mounts.push_back(std::move(mount));
}

}  // namespace

Result<MountPoint> parse_bind(const std::string& text) {
  const std::vector<std::string> parts = split(text, ':');
  if (parts.size() < 2 || parts.size() > 3)
    return invalid("bind '" + text + "': want /host/path:/target[:options]");
  MountPoint mount{.source = parts[0], .target = parts[1], .make_source = true};
  if (!mount.source.starts_with('/')) {
    return fail(
        "'" + text + "': named volumes (--volume NAME:...) are not supported yet; give an absolute host path",
        ErrorKind::kUnsupported);
  }
  if (!is_clean_target(mount.target))
    return invalid("bind '" + text + "': the target is not an absolute path below /");
  if (parts.size() == 3) {
    for (const std::string& option : split(parts[2], ',')) {
      if (option == "ro") {
        mount.read_only = true;
      } else if (std::ranges::find(kPropagations, option) != kPropagations.end()) {
        mount.propagation = option;
      } else if (option != "rw" && option != "z" && option != "Z") {
        return invalid("bind '" + text + "': unknown option '" + option + "'");
      }
    }
  }
  return mount;
}

void read_mounts(const Members& host_config, Config& out) {
  out.binds = host_config.texts("Binds");
  for (const std::string& text : out.binds) {
    auto mount = parse_bind(text);
    if (!mount) return host_config.fail("Binds", mount.error().message(), mount.error().kind());
    out.mounts.push_back(std::move(*mount));
  }
  for (const auto& [target, options] : host_config.text_map("Tmpfs")) {
    if (!is_clean_target(target))
      host_config.fail("Tmpfs", "'" + target + "' is not an absolute path below /");
    MountPoint mount{.kind = MountPoint::Kind::kTmpfs, .target = target};
    if (!options.empty()) mount.options = split(options, ',');
    out.mounts.push_back(std::move(mount));
  }
  host_config.each("Mounts", [&](const Members& one) { read_mount(one, out); });
  std::set<std::string> targets;
  for (const MountPoint& mount : out.mounts) {
    if (!targets.insert(mount.target).second)
      host_config.fail("Mounts", "Duplicate mount point: " + mount.target);
  }
}

}  // namespace plimsoll::container
