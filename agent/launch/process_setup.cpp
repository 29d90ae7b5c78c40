#include "agent/launch/process_setup.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <csignal>
#include <string_view>

#include "agent/kernel/file.h"

namespace plimsoll::launch {
namespace {

constexpr int kMostCapabilities = 64;

// Above the kernel's last capability prctl says EINVAL.
Result<int> drop_bounding(std::uint64_t keep) {
  int known = 0;
  for (; known < kMostCapabilities; ++known) {
    const int has = ::prctl(PR_CAPBSET_READ, known, 0, 0, 0);
    if (has < 0) break;
    if (has == 0 || ((keep >> known) & 1) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, known, 0, 0, 0) != 0) return fail_errno("drop a bounding capability");
  }
  return known;
}

Result<> set_capabilities(const CapabilitySets& sets, std::uint64_t known) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (unsigned half = 0; half < 2; ++half) {
    const unsigned shift = half * 32;
    data[half].effective = static_cast<std::uint32_t>((sets.effective & known) >> shift);
    data[half].permitted = static_cast<std::uint32_t>((sets.permitted & known) >> shift);
    data[half].inheritable = static_cast<std::uint32_t>((sets.inheritable & known) >> shift);
  }
  if (::syscall(SYS_capset, &header, data.data()) != 0) return fail_errno("set capabilities");
  return {};
}

Result<> set_ambient(std::uint64_t ambient) {
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return fail_errno("clear ambient capabilities");
  }
  for (int number = 0; number < kMostCapabilities; ++number) {
    if (((ambient >> number) & 1) == 0) continue;
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) != 0) {
      return fail_errno("raise ambient capability " + std::to_string(number));
    }
  }
  return {};
}

std::string_view path_of(const std::vector<std::string>& env) {
  for (const std::string& entry : env) {
    if (entry.starts_with("PATH=")) return std::string_view(entry).substr(5);
  }
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

// 0, or errno of why this cannot be executed.
int why_not_executable(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return errno;
  if (S_ISDIR(info.st_mode)) return EISDIR;
  if (!S_ISREG(info.st_mode)) return EACCES;
  return ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

}  // namespace

Result<> apply_limits(const std::vector<Limit>& limits) {
  for (const Limit& limit : limits) {
    if (::setrlimit(static_cast<__rlimit_resource>(limit.resource), &limit.value) != 0) {
      return fail_errno("set " + limit.name);
    }
  }
  return {};
}

Result<> enter_working_folder(const std::string& cwd) {
  if (::chdir(cwd.c_str()) != 0) return fail_errno("change to process.cwd " + cwd);
  // The C library's getcwd falls back to guesswork; the kernel's own says "(unreachable)".
  std::array<char, PATH_MAX> here{};
  if (::syscall(SYS_getcwd, here.data(), here.size()) < 0) return fail_errno("read the working folder");
  if (here[0] != '/')
    return fail("process.cwd " + cwd + " is outside the container's root", ErrorKind::kInvalid);
  return {};
}

Result<> become_user(const oci::User& user, const CapabilitySets& capabilities) {
  PLIMSOLL_ASSIGN(const int known, drop_bounding(capabilities.bounding));
  const std::uint64_t mask = known >= 64 ? ~0ULL : (1ULL << known) - 1;
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return fail_errno("keep capabilities");
  std::vector<gid_t> groups(user.additional_gids.begin(), user.additional_gids.end());
  if (::syscall(SYS_setgroups, groups.size(), groups.data()) != 0) return fail_errno("set additional groups");
  if (::syscall(SYS_setresgid, user.gid, user.gid, user.gid) != 0) {
    return fail_errno("set group " + std::to_string(user.gid));
  }
  if (::syscall(SYS_setresuid, user.uid, user.uid, user.uid) != 0) {
    return fail_errno("set user " + std::to_string(user.uid));
  }
  PLIMSOLL_TRY(set_capabilities(capabilities, mask));
  return set_ambient(capabilities.ambient & mask);
}

Result<std::string> find_program(const std::string& name, const std::vector<std::string>& env) {
  if (name.find('/') != std::string::npos) {
    const int number = why_not_executable(name);
    if (number != 0) return fail_errno("exec " + name, number);
    return name;
  }
  std::string_view rest = path_of(env);
  int worst = ENOENT;
  while (!name.empty() && !rest.empty()) {
    const std::size_t end = rest.find(':');
    std::string candidate(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    candidate = (candidate.empty() ? "." : candidate) + "/" + name;
    const int number = why_not_executable(candidate);
    if (number == 0) return candidate;
    if (number == EACCES) worst = EACCES;
  }
  if (worst == ENOENT)
    return fail("exec " + name + ": executable file not found in $PATH", ErrorKind::kNotFound);
  return fail_errno("exec " + name, worst);
}

void add_home(std::vector<std::string>& env, std::uint32_t uid) {
  const bool given =
      std::ranges::any_of(env, [](const std::string& one) { return one.starts_with("HOME="); });
  if (given) return;
  std::string home = "/";
  const auto text = kernel::read_file("/etc/passwd");
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    // name:password:uid:gid:comment:home:shell
    std::array<std::string_view, 6> fields{};
    for (std::string_view& field : fields) {
      const std::size_t colon = line.find(':');
      field = line.substr(0, colon);
      line.remove_prefix(colon == std::string_view::npos ? line.size() : colon + 1);
    }
    if (fields[2] == std::to_string(uid) && !fields[5].empty()) {
      home = fields[5];
      break;
    }
  }
  env.push_back("HOME=" + home);
}

void close_other_descriptors(int preserved, std::vector<int> keep) {
  std::ranges::sort(keep);
  unsigned first = 3U + static_cast<unsigned>(preserved);
  for (const int fd : keep) {
    if (fd < 0 || static_cast<unsigned>(fd) < first) continue;
    if (static_cast<unsigned>(fd) > first) ::close_range(first, static_cast<unsigned>(fd) - 1, 0);
    first = static_cast<unsigned>(fd) + 1;
  }
  ::close_range(first, ~0U, 0);
}

void reset_signals() {
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number <= 64; ++number) ::sigaction(number, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace plimsoll::launch
