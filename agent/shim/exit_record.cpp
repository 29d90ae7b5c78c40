#include "agent/shim/exit_record.h"

#include <sys/wait.h>

#include "agent/base/rfc3339.h"
#include "agent/base/units.h"

namespace plimsoll::shim {
namespace {

// The number behind `key` at the beginning of a line.
std::optional<std::uint64_t> value_of(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ') {
      return parse_u64(line.substr(key.size() + 1));
    }
  }
  return std::nullopt;
}

void put(std::string& out, const char* name, std::optional<std::uint64_t> value) {
  if (value) out += std::string(",\"") + name + "\":" + std::to_string(*value);
}

}  // namespace

int ExitRecord::code() const {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

Usage read_usage(const kernel::Cgroup& cgroup) {
  Usage usage;
  usage.cgroup_id = cgroup.id().inode;
  if (const auto text = cgroup.read("cpu.stat")) {
    usage.cpu_usec = value_of(*text, "usage_usec");
    usage.cpu_user_usec = value_of(*text, "user_usec");
    usage.cpu_system_usec = value_of(*text, "system_usec");
  }
  // oom_kill, not oom: the latter also counts what reclaim still saved.
  if (const auto text = cgroup.read("memory.events")) {
    usage.oom_kills = value_of(*text, "oom_kill").value_or(0);
  }
  if (const auto text = cgroup.read("memory.peak")) {
    usage.memory_peak = parse_u64(std::string_view(*text).substr(0, text->find('\n')));
  }
  return usage;
}

std::string exit_json(const ExitRecord& record) {
  std::string out = "{\"exitCode\":" + std::to_string(record.code());
  out += ",\"signal\":" + std::to_string(WIFSIGNALED(record.wait_status) ? WTERMSIG(record.wait_status) : 0);
  out += std::string(",\"oomKilled\":") + (record.usage.oom_kills > 0 ? "true" : "false");
  out += ",\"oomKills\":" + std::to_string(record.usage.oom_kills);
  if (record.started) out += ",\"startedAt\":\"" + format_rfc3339(*record.started) + "\"";
  out += ",\"exitedAt\":\"" + format_rfc3339(record.exited) + "\"";
  put(out, "cpuUsageUsec", record.usage.cpu_usec);
  put(out, "cpuUserUsec", record.usage.cpu_user_usec);
  put(out, "cpuSystemUsec", record.usage.cpu_system_usec);
  put(out, "memoryPeakBytes", record.usage.memory_peak);
  put(out, "cgroupId", record.usage.cgroup_id);
  return out + "}\n";
}

}  // namespace plimsoll::shim
