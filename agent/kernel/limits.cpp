#include "agent/kernel/limits.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "agent/base/unique_fd.h"
#include "agent/kernel/control_files.h"

namespace plimsoll::kernel {
namespace {

using model::Bound;
using model::Limits;

using Parse = Result<> (*)(std::string_view text, Limits& limits);

template <std::optional<Bound<Bytes>> Limits::* kMember>
Result<> bytes_bound(std::string_view text, Limits& limits) {
  PLIMSOLL_ASSIGN(const Bound<std::uint64_t> bound, parse_bound(text));
  limits.*kMember = bound.is_max() ? Bound<Bytes>::max() : Bound(Bytes{bound.value()});
  return {};
}

template <std::optional<bool> Limits::* kMember>
Result<> flag(std::string_view text, Limits& limits) {
  PLIMSOLL_ASSIGN(limits.*kMember, parse_flag(text));
  return {};
}

Result<> cpu_max(std::string_view text, Limits& limits) {
  PLIMSOLL_ASSIGN(limits.cpu_max, parse_cpu_max(text));
  return {};
}
Result<> cpu_burst(std::string_view text, Limits& limits) {
  PLIMSOLL_ASSIGN(const std::uint64_t value, parse_count(text));
  limits.cpu_burst = Microseconds(static_cast<std::int64_t>(value));
  return {};
}
Result<> cpu_weight(std::string_view text, Limits& limits) {
  PLIMSOLL_ASSIGN(limits.cpu_weight, parse_count(text));
  return {};
}
Result<> cpus(std::string_view text, Limits& limits) {
  PLIMSOLL_ASSIGN(limits.cpus, parse_cpu_list(text));
  return {};
}
Result<> pids_max(std::string_view text, Limits& limits) {
  PLIMSOLL_ASSIGN(limits.pids_max, parse_bound(text));
  return {};
}
Result<> io_max(std::string_view text, Limits& limits) {
  PLIMSOLL_ASSIGN(limits.io_max, parse_io_max(text));
  return {};
}

Result<> io_weight(std::string_view text, Limits& limits) {
  PLIMSOLL_ASSIGN(limits.io_weight, parse_io_weight(text));
  return {};
}

struct LimitFile {
  const char* name;
  Parse parse;
};
constexpr std::array<LimitFile, 14> kLimitFiles = {{
    {"cpu.max", cpu_max},
    {"cpu.max.burst", cpu_burst},
    {"cpu.weight", cpu_weight},
    {"cpu.idle", flag<&Limits::cpu_idle>},
    {"cpuset.cpus", cpus},
    {"memory.max", bytes_bound<&Limits::memory_max>},
    {"memory.high", bytes_bound<&Limits::memory_high>},
    {"memory.low", bytes_bound<&Limits::memory_low>},
    {"memory.min", bytes_bound<&Limits::memory_min>},
    {"memory.swap.max", bytes_bound<&Limits::memory_swap_max>},
    {"memory.oom.group", flag<&Limits::memory_oom_group>},
    {"pids.max", pids_max},
    {"io.max", io_max},
    {"io.weight", io_weight},
}};

Result<> read_one(int cgroup, const LimitFile& file, Limits& limits) {
  const UniqueFd fd(::openat(cgroup, file.name, O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return {};
  if (!fd) return fail_errno(std::string("open ") + file.name);
  std::array<char, 4096> buffer;  // a control file gives at most a page in one read
  ssize_t got = 0;
  do {
    got = ::read(fd.get(), buffer.data(), buffer.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno(std::string("read ") + file.name);
  auto parsed = file.parse({buffer.data(), static_cast<std::size_t>(got)}, limits);
  if (!parsed) return std::unexpected(std::move(parsed).error().in(file.name));
  return {};
}

}  // namespace

Result<Limits> read_limits(int cgroup) {
  Limits limits;
  for (const LimitFile& file : kLimitFiles) PLIMSOLL_TRY(read_one(cgroup, file, limits));
  return limits;
}

Result<bool> read_limit(int cgroup, std::string_view file, Limits& limits) {
  for (const LimitFile& known : kLimitFiles) {
    if (file != known.name) continue;
    PLIMSOLL_TRY(read_one(cgroup, known, limits));
    return true;
  }
  return false;
}

}  // namespace plimsoll::kernel
