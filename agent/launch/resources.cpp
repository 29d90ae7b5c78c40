#include "agent/launch/resources.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace plimsoll::launch {
namespace {

using Writes = std::vector<ControlWrite>;

std::string bound(std::int64_t value) { return value < 0 ? "max" : std::to_string(value); }

// OCI's swap is memory and swap together, memory.swap.max is swap alone.
Result<> add_memory(const oci::MemoryResources& memory, Writes& out) {
  const std::int64_t limit = memory.limit.value_or(0);  // 0 is "unset" in every runtime
  if (limit != 0) out.push_back({"memory.limit", "memory", "memory.max", bound(limit)});
  if (memory.swap.value_or(0) != 0) {
    std::string value = "max";
    if (*memory.swap > 0) {
      if (limit <= 0) return invalid("memory.swap: wants memory.limit, since it is memory and swap together");
      if (*memory.swap < limit) return invalid("memory.swap: is less than memory.limit");
      value = std::to_string(*memory.swap - limit);
    }
    out.push_back({"memory.swap", "memory", "memory.swap.max", value});
  }
  if (memory.reservation.value_or(0) != 0) {
    out.push_back({"memory.reservation", "memory", "memory.low", bound(*memory.reservation)});
  }
  return {};
}

void add_cpu(const oci::CpuResources& cpu, Writes& out) {
  const bool idle = cpu.idle.value_or(0) != 0;
  // The kernel refuses a weight for an idle cgroup.
  if (cpu.shares.value_or(0) != 0 && !idle) {
    out.push_back({"cpu.shares", "cpu", "cpu.weight", std::to_string(cpu_weight(*cpu.shares))});
  }
  if (cpu.quota.value_or(0) != 0 || cpu.period.value_or(0) != 0) {
    const std::int64_t quota = cpu.quota.value_or(0);
    const std::uint64_t period = cpu.period.value_or(0);
    std::string value = quota > 0 ? std::to_string(quota) : "max";
    if (period != 0) value += " " + std::to_string(period);
    out.push_back({cpu.quota.value_or(0) != 0 ? "cpu.quota" : "cpu.period", "cpu", "cpu.max", value});
  }
  // After cpu.max: a burst may not be above the quota.
  if (cpu.burst) out.push_back({"cpu.burst", "cpu", "cpu.max.burst", std::to_string(*cpu.burst)});
  if (cpu.idle) out.push_back({"cpu.idle", "cpu", "cpu.idle", std::to_string(*cpu.idle)});
  if (!cpu.cpus.empty()) out.push_back({"cpu.cpus", "cpuset", "cpuset.cpus", cpu.cpus});
  if (!cpu.mems.empty()) out.push_back({"cpu.mems", "cpuset", "cpuset.mems", cpu.mems});
}

// blkio's 10..1000 to io.weight's 1..10000; BFQ kept the old scale in its own file.
std::string io_weight(std::uint16_t weight) {
  return std::to_string(1 + (std::max<int>(weight, 10) - 10) * 9999 / 990);
}

std::string device_name(std::int64_t major, std::int64_t minor) {
  return std::to_string(major) + ":" + std::to_string(minor);
}

void add_block_io(const oci::BlockIoResources& io, Writes& out) {
  if (io.weight.value_or(0) != 0) {
    out.push_back({"blockIO.weight", "io", "io.bfq.weight", std::to_string(*io.weight), "io.weight",
                   "default " + io_weight(*io.weight)});
  }
  for (const oci::WeightDevice& device : io.weight_devices) {
    const std::string name = device_name(device.major, device.minor) + " ";
    out.push_back({"blockIO.weightDevice", "io", "io.bfq.weight", name + std::to_string(device.weight),
                   "io.weight", name + io_weight(device.weight)});
  }
  const auto throttle = [&out](const char* limit, const std::vector<oci::ThrottleDevice>& devices,
                               const char* key) {
    for (const oci::ThrottleDevice& device : devices) {
      out.push_back({std::string("blockIO.") + limit, "io", "io.max",
                     device_name(device.major, device.minor) + " " + key + "=" +
                         (device.rate == 0 ? "max" : std::to_string(device.rate))});
    }
  };
  throttle("throttleReadBpsDevice", io.read_bps, "rbps");
  throttle("throttleWriteBpsDevice", io.write_bps, "wbps");
  throttle("throttleReadIOPSDevice", io.read_iops, "riops");
  throttle("throttleWriteIOPSDevice", io.write_iops, "wiops");
}

Result<> add_unified(const std::map<std::string, std::string>& unified, Writes& out) {
  for (const auto& [file, value] : unified) {
    const std::size_t dot = file.find('.');
    if (dot == 0 || dot == std::string::npos || file.find('/') != std::string::npos) {
      return invalid("unified: '" + file + "' is not the name of a control file");
    }
    // Those of cgroup core act on processes and on the tree: a bundle may bound its tree, and no more.
    constexpr std::array<std::string_view, 3> kCoreBounds = {"cgroup.max.depth", "cgroup.max.descendants",
                                                             "cgroup.pressure"};
    const std::string controller = file.substr(0, dot);
    if (controller == "cgroup" && std::ranges::find(kCoreBounds, file) == kCoreBounds.end())
      return invalid("unified: '" + file + "' is no limit");
    out.push_back({"unified[" + file + "]", controller == "cgroup" ? "" : controller, file, value});
  }
  return {};
}

Result<> add_all(const oci::Resources& resources, Writes& out) {
  if (resources.memory) PLIMSOLL_TRY(add_memory(*resources.memory, out));
  if (resources.cpu) add_cpu(*resources.cpu, out);
  if (resources.pids_limit.value_or(0) != 0) {
    out.push_back({"pids.limit", "pids", "pids.max", bound(*resources.pids_limit)});
  }
  if (resources.block_io) add_block_io(*resources.block_io, out);
  for (const oci::HugepageLimit& limit : resources.hugepage_limits) {
    if (limit.page_size.find('/') != std::string::npos) {
      return invalid("hugepageLimits: '" + limit.page_size + "' is not a page size");
    }
    out.push_back({"hugepageLimits[" + limit.page_size + "]", "hugetlb",
                   "hugetlb." + limit.page_size + ".max", std::to_string(limit.limit)});
  }
  return add_unified(resources.unified, out);
}

}  // namespace

unsigned cpu_weight(std::uint64_t shares) {
  const auto clamped = static_cast<double>(std::clamp<std::uint64_t>(shares, 2, 262144));
  const double log = std::log2(clamped);
  return static_cast<unsigned>(std::ceil(std::pow(10, (log * log + 125 * log) / 612.0 - 7.0 / 34.0)));
}

Result<std::vector<ControlWrite>> control_writes(const oci::Resources& resources) {
  Writes out;
  if (auto added = add_all(resources, out); !added) {
    return std::unexpected(std::move(added).error().in("linux.resources"));
  }
  return out;
}

}  // namespace plimsoll::launch
