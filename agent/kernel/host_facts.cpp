#include "agent/kernel/host_facts.h"

#include "agent/kernel/cgroup.h"
#include "agent/kernel/file.h"
#include "agent/kernel/proc_files.h"
#include "agent/kernel/text_scan.h"

namespace plimsoll::kernel {
namespace {

std::string first_line_of(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return {};
  std::string_view rest = *text;
  return std::string(cut(rest, '\n'));
}

// PRETTY_NAME of os-release(5), unquoted.
std::string os_version(const std::string& etc) {
  const auto text = read_file(etc + "/os-release");
  if (!text) return {};
  std::string_view rest = *text;
  while (!rest.empty()) {
    std::string_view value = cut(rest, '\n');
    if (cut(value, '=') != "PRETTY_NAME") continue;
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    return std::string(value);
  }
  return {};
}

void read_cgroup_facts(const HostRoots& roots, model::HostFacts& facts) {
  const auto mounts = read_file(roots.proc + "/self/mounts");
  if (!mounts) return;
  auto mount = find_cgroup2_mount(*mounts);
  if (!mount) return;
  facts.cgroup_mount = *std::move(mount);
  const std::string controllers = first_line_of(facts.cgroup_mount + "/cgroup.controllers");
  std::string_view rest = controllers;
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    facts.controllers.emplace_back(word);
  }
}

}  // namespace

Result<model::HostFacts> read_host_facts(const HostRoots& roots) {
  model::HostFacts facts;
  PLIMSOLL_ASSIGN(const std::string meminfo_text, read_file(roots.proc + "/meminfo"));
  PLIMSOLL_ASSIGN(const MemInfo memory, parse_meminfo(meminfo_text));
  PLIMSOLL_ASSIGN(const std::string stat_text, read_file(roots.proc + "/stat"));
  PLIMSOLL_ASSIGN(const ProcStat stat, parse_proc_stat(stat_text, 100));
  facts.memory = memory.total;
  facts.swap = memory.swap_total;
  facts.cpus = stat.online_cpus;
  const CpuTopology topology = parse_cpuinfo(read_file(roots.proc + "/cpuinfo").value_or(""));
  facts.physical_cores = topology.cores == 0 ? facts.cpus : topology.cores;
  facts.sockets = topology.sockets;
  facts.kernel_version = first_line_of(roots.proc + "/sys/kernel/osrelease");
  facts.boot_id = first_line_of(roots.proc + "/sys/kernel/random/boot_id");
  facts.machine_id = first_line_of(roots.etc + "/machine-id");
  facts.system_uuid = first_line_of(roots.sys + "/class/dmi/id/product_uuid");
  facts.os_version = os_version(roots.etc);
  read_cgroup_facts(roots, facts);
  // With CONFIG_PSI_DEFAULT_DISABLED the files exist and reading gives EOPNOTSUPP.
  facts.psi = read_file(roots.proc + "/pressure/memory").has_value();
  return facts;
}

}  // namespace plimsoll::kernel
