// Every parser of what the kernel and other runtimes write. The first byte says which.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/kernel/control_files.h"
#include "agent/kernel/proc_files.h"
#include "agent/watch/classify.h"
#include "agent/watch/identity.h"
#include "agent/watch/workloads.h"

namespace {

using namespace plimsoll;

void io_stat(std::string_view text) {
  std::vector<model::IoStat> into(2);
  (void)kernel::parse_io_stat(text, into);
}
void net_dev(std::string_view text) {
  std::vector<model::NetStat> into(2);
  (void)kernel::parse_net_dev(text, into);
}
void storage_list(std::string_view text) {
  watch::Identity identity;
  (void)watch::parse_storage_list(text, "a", identity);
}
// What is saved again after it was accepted must be accepted.
void workloads(std::string_view text) {
  watch::Workloads first;
  if (!first.restore(text, "boot")) return;
  watch::Workloads second;
  if (!second.restore(first.save("boot"), "boot")) __builtin_trap();
}

// The order is part of the corpus: new ones come last.
constexpr std::array<void (*)(std::string_view), 26> kParsers = {{
    [](std::string_view text) { (void)kernel::parse_cpu_stat(text); },
    [](std::string_view text) { (void)kernel::parse_memory_stat(text); },
    [](std::string_view text) { (void)kernel::parse_memory_events(text); },
    [](std::string_view text) { (void)kernel::parse_pressure(text); },
    io_stat,
    [](std::string_view text) { (void)kernel::parse_hugetlb_events(text); },
    [](std::string_view text) { (void)kernel::parse_cgroup_events(text); },
    [](std::string_view text) { (void)kernel::parse_cpu_max(text); },
    [](std::string_view text) { (void)kernel::parse_io_max(text); },
    [](std::string_view text) { (void)kernel::parse_io_weight(text); },
    [](std::string_view text) { (void)kernel::parse_cpu_list(text); },
    [](std::string_view text) { (void)kernel::parse_bound(text); },
    [](std::string_view text) { (void)kernel::parse_count(text); },
    [](std::string_view text) { (void)kernel::parse_flag(text); },
    [](std::string_view text) { (void)kernel::parse_processes(text); },
    [](std::string_view text) { (void)kernel::parse_meminfo(text); },
    [](std::string_view text) { (void)kernel::parse_proc_stat(text, 100); },
    net_dev,
    [](std::string_view text) { (void)kernel::parse_partitions(text); },
    [](std::string_view text) { (void)kernel::parse_cpuinfo(text); },
    [](std::string_view text) { (void)watch::classify(text); },
    [](std::string_view text) { (void)watch::parse_containerd_config(text); },
    [](std::string_view text) { (void)watch::parse_docker_config(text); },
    [](std::string_view text) { (void)watch::parse_storage_config(text); },
    storage_list,
    workloads,
}};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  kParsers[data[0] % kParsers.size()](text);
  return 0;
}
