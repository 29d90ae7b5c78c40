#include "agent/container/bundle.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>

#include "agent/container/privileges.h"
#include "agent/container/users.h"
#include "agent/kernel/file.h"

namespace plimsoll::container {
namespace {

constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

oci::Resources& resources_of(oci::Spec& spec) {
  return spec.linux_.resources ? *spec.linux_.resources : spec.linux_.resources.emplace();
}

Result<> set_limits(const Limits& limits, oci::Resources& out) {
  if (limits.memory.value != 0 || limits.memory_reservation.value != 0) {
    oci::MemoryResources& memory = out.memory.emplace();
    if (limits.memory.value != 0) {
      memory.limit = static_cast<std::int64_t>(limits.memory.value);
      // Docker's default: as much swap as memory.
      memory.swap = limits.memory_swap.value_or(static_cast<std::int64_t>(limits.memory.value * 2));
    }
    if (limits.memory_reservation.value != 0)
      memory.reservation = static_cast<std::int64_t>(limits.memory_reservation.value);
  }
  oci::CpuResources cpu;
  if (limits.nano_cpus > 0) {
    constexpr std::int64_t kPeriod = 100'000, kNanoCpusAMicrosecond = 10'000, kLeastNanoCpus = 10'000'000;
    // The kernel's least quota is 1 ms. Less would be refused by it, and a quota of 0 be no limit at all.
    if (limits.nano_cpus < kLeastNanoCpus) return invalid("NanoCpus: the least limit is 0.01 cores");
    cpu.period = kPeriod;
    cpu.quota = limits.nano_cpus / kNanoCpusAMicrosecond;
  }
  if (limits.cpu_quota != 0) cpu.quota = limits.cpu_quota;
  if (limits.cpu_period != 0) cpu.period = static_cast<std::uint64_t>(limits.cpu_period);
  if (limits.cpu_shares != 0) cpu.shares = static_cast<std::uint64_t>(limits.cpu_shares);
  cpu.cpus = limits.cpuset_cpus;
  cpu.mems = limits.cpuset_mems;
  if (cpu != oci::CpuResources{}) out.cpu = cpu;
  if (limits.pids > 0) out.pids_limit = limits.pids;
  return {};
}

Result<oci::Mount> mount_of(const MountPoint& mount) {
  oci::Mount out{.destination = mount.target};
  if (mount.kind == MountPoint::Kind::kTmpfs) {
    out.type = out.source = "tmpfs";
    out.options = {"nosuid", "nodev", "noexec"};
    out.options.insert(out.options.end(), mount.options.begin(), mount.options.end());
    return out;
  }
  std::error_code error;
  if (!std::filesystem::exists(mount.source, error)) {
    if (!mount.make_source) return invalid("bind source path does not exist: " + mount.source);
    std::filesystem::create_directories(mount.source, error);
    if (error) return fail("make the bind source " + mount.source + ": " + error.message());
  }
  out.type = "bind";
  out.source = mount.source;
  out.options = {"rbind", mount.propagation.empty() ? "rprivate" : mount.propagation};
  if (mount.read_only) out.options.emplace_back("ro");
  return out;
}

// /etc/hosts, /etc/hostname and /etc/resolv.conf of the container, as files of the bundle.
Result<> add_network_files(const std::string& hostname, const Config& config, const BundlePaths& paths,
                           oci::Spec& spec) {
  std::string hosts =
      "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t" + hostname + "\n";
  for (const std::string& extra : config.extra_hosts) {
    const auto colon = extra.find(':');
    if (colon == std::string::npos) return invalid("extra host '" + extra + "': want NAME:ADDRESS");
    hosts += extra.substr(colon + 1) + "\t" + extra.substr(0, colon) + "\n";
  }
  const auto add = [&](const std::string& file, const std::string& target) {
    if (std::ranges::any_of(config.mounts, [&](const MountPoint& one) { return one.target == target; }))
      return;
    spec.mounts.push_back({target, "bind", paths.folder + "/" + file, {"rbind", "rprivate"}});
  };
  PLIMSOLL_TRY(kernel::replace_file(paths.folder + "/hosts", hosts, 0644));
  PLIMSOLL_TRY(kernel::replace_file(paths.folder + "/hostname", hostname + "\n", 0644));
  add("hosts", "/etc/hosts");
  add("hostname", "/etc/hostname");
  if (config.network_mode == "host") {
    // A copy: the container must not write the host's.
    const auto resolv = kernel::read_file("/etc/resolv.conf");
    PLIMSOLL_TRY(kernel::replace_file(paths.folder + "/resolv.conf", resolv ? *resolv : "", 0644));
    add("resolv.conf", "/etc/resolv.conf");
  }
  return {};
}

void set_namespaces(const Config& config, oci::Spec& spec) {
  const auto drop = [&spec](oci::NamespaceType type) {
    std::erase_if(spec.linux_.namespaces, [type](const oci::Namespace& one) { return one.type == type; });
  };
  if (config.network_mode == "host") drop(oci::NamespaceType::kNetwork);
  if (config.host_pid) drop(oci::NamespaceType::kPid);
  if (config.host_ipc) drop(oci::NamespaceType::kIpc);
  if (config.host_uts) drop(oci::NamespaceType::kUts);
}

void set_process(const Config& config, const std::vector<std::string>& command, const Identity& identity,
                 const std::string& hostname, oci::Process& out) {
  out.args = command;
  out.user = identity.user;
  out.cwd = config.working_dir.empty() ? "/" : config.working_dir;
  std::vector<std::string> first = {kPath, "HOSTNAME=" + hostname};
  if (config.tty) first.emplace_back("TERM=xterm");
  first.push_back("HOME=" + identity.home);
  out.env = merged_env(first, config.env);
  out.terminal = config.tty;
  if (config.console_height != 0) out.console_size = {config.console_height, config.console_width};
  out.no_new_privileges = config.no_new_privileges;
  out.oom_score_adj = config.oom_score_adj;
  for (const Ulimit& limit : config.ulimits) {
    std::string name = "RLIMIT_" + limit.name;
    for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    out.rlimits.push_back(
        {name, static_cast<std::uint64_t>(limit.soft), static_cast<std::uint64_t>(limit.hard)});
  }
}

std::string name_of(const std::string& variable) { return variable.substr(0, variable.find('=')); }

}  // namespace

std::vector<std::string> merged_env(const std::vector<std::string>& base,
                                    const std::vector<std::string>& changes) {
  std::vector<std::string> out = base;
  for (const std::string& change : changes) {
    const auto same =
        std::ranges::find_if(out, [&](const auto& one) { return name_of(one) == name_of(change); });
    if (change.find('=') == std::string::npos) {
      if (same != out.end()) out.erase(same);
    } else if (same != out.end()) {
      *same = change;
    } else {
      out.push_back(change);
    }
  }
  return out;
}

void apply_image(const image::Defaults& image, Config& config) {
  config.env = merged_env(image.env, config.env);
  // An entrypoint of the user's makes the image's command meaningless.
  if (!config.entrypoint) {
    if (!config.cmd) config.cmd = image.cmd;
    config.entrypoint = image.entrypoint;
  }
  if (config.user.empty()) config.user = image.user;
  if (config.working_dir.empty()) config.working_dir = image.working_dir;
  if (config.stop_signal.empty()) config.stop_signal = image.stop_signal;
  for (const auto& label : image.labels) config.labels.insert(label);
  config.exposed_ports.insert(image.exposed_ports.begin(), image.exposed_ports.end());
}

Result<std::vector<std::string>> command_of(const Config& config, const image::Defaults& image) {
  Config full = config;
  apply_image(image, full);
  std::vector<std::string> out = full.entrypoint.value_or(std::vector<std::string>{});
  if (out.size() == 1 && out[0].empty()) out.clear();
  const std::vector<std::string> cmd = full.cmd.value_or(std::vector<std::string>{});
  out.insert(out.end(), cmd.begin(), cmd.end());
  if (out.empty() || out[0].empty()) return invalid("No command specified");
  return out;
}

Result<oci::Spec> make_spec(const std::string& id, const Config& config,
                            const std::vector<std::string>& command, const BundlePaths& paths) {
  constexpr std::size_t kShortId = 12;
  const std::string hostname = config.hostname.empty() ? id.substr(0, kShortId) : config.hostname;
  oci::Spec spec = oci::default_spec();
  spec.root = {.path = paths.rootfs, .readonly = config.readonly_rootfs};
  if (!config.host_uts) {
    spec.hostname = hostname;
    spec.domainname = config.domainname;
  }
  spec.linux_.cgroups_path = paths.cgroup;
  PLIMSOLL_ASSIGN(const Identity identity, find_user(paths.rootfs, config.user, config.group_add));
  oci::Process& process = spec.process ? *spec.process : spec.process.emplace();
  set_process(config, command, identity, hostname, process);
  PLIMSOLL_TRY(set_limits(config.limits, resources_of(spec)));
  set_namespaces(config, spec);
  spec.linux_.sysctl = config.sysctls;
  for (oci::Mount& mount : spec.mounts) {
    if (mount.destination != "/dev/shm") continue;
    std::erase_if(mount.options, [](const std::string& option) { return option.starts_with("size="); });
    mount.options.push_back("size=" + std::to_string(config.shm_size.value));
  }
  if (config.masked_paths) spec.linux_.masked_paths = *config.masked_paths;
  if (config.readonly_paths) spec.linux_.readonly_paths = *config.readonly_paths;
  PLIMSOLL_TRY(set_privileges(config, spec));
  PLIMSOLL_TRY(add_network_files(hostname, config, paths, spec));
  for (const MountPoint& mount : config.mounts) {
    PLIMSOLL_ASSIGN(oci::Mount one, mount_of(mount));
    std::erase_if(spec.mounts, [&](const oci::Mount& had) { return had.destination == one.destination; });
    spec.mounts.push_back(std::move(one));
  }
  return spec;
}

Result<oci::Process> make_exec_process(const Config& config, const ExecConfig& exec,
                                       const std::string& rootfs) {
  Config session = config;
  session.user = exec.user.empty() ? config.user : exec.user;
  session.working_dir = exec.working_dir.empty() ? config.working_dir : exec.working_dir;
  session.env = merged_env(config.env, exec.env);
  session.tty = exec.tty;
  session.privileged = config.privileged || exec.privileged;
  session.console_height = exec.console_height;
  session.console_width = exec.console_width;
  PLIMSOLL_ASSIGN(const Identity identity, find_user(rootfs, session.user, session.group_add));
  oci::Spec spec = oci::default_spec();
  oci::Process& process = spec.process ? *spec.process : spec.process.emplace();
  set_process(session, exec.cmd, identity, config.hostname, process);
  PLIMSOLL_TRY(set_privileges(session, spec));
  return process;
}

}  // namespace plimsoll::container
