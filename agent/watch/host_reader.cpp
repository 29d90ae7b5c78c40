#include "agent/watch/host_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include "agent/kernel/control_files.h"
#include "agent/kernel/file.h"

namespace plimsoll::watch {
namespace {

UniqueFd open_file(const std::string& path) { return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); }

std::optional<model::Pressure> pressure(const UniqueFd& fd, std::string& buffer) {
  if (!fd) return std::nullopt;
  const auto text = kernel::pread_all(fd.get(), buffer);
  if (!text) return std::nullopt;  // EOPNOTSUPP: PSI is off
  const auto value = kernel::parse_pressure(*text);
  return value ? std::optional(*value) : std::nullopt;
}

}  // namespace

Result<HostReader> HostReader::open(const std::string& proc) {
  HostReader reader;
  reader.proc_ = proc;
  reader.stat_ = open_file(proc + "/stat");
  if (!reader.stat_) return fail_errno("open " + proc + "/stat");
  reader.meminfo_ = open_file(proc + "/meminfo");
  if (!reader.meminfo_) return fail_errno("open " + proc + "/meminfo");
  reader.cpu_pressure_ = open_file(proc + "/pressure/cpu");
  reader.memory_pressure_ = open_file(proc + "/pressure/memory");
  reader.io_pressure_ = open_file(proc + "/pressure/io");
  const long ticks = ::sysconf(_SC_CLK_TCK);
  if (ticks > 0) reader.ticks_per_second_ = static_cast<std::uint64_t>(ticks);
  return reader;
}

model::HostSample HostReader::read(BootTime now, std::string& buffer) const {
  model::HostSample sample;
  sample.taken = now;
  if (const auto text = kernel::pread_all(stat_.get(), buffer)) {
    if (const auto stat = kernel::parse_proc_stat(*text, ticks_per_second_)) {
      sample.cpu = stat->cpu;
      sample.cpu_cores = stat->online_cpus;
    }
  }
  if (const auto text = kernel::pread_all(meminfo_.get(), buffer)) {
    if (const auto memory = kernel::parse_meminfo(*text)) {
      sample.memory_total = memory->total;
      sample.memory_available = memory->available;
      sample.memory_free = memory->free;
      sample.swap_total = memory->swap_total;
      sample.swap_free = memory->swap_free;
    }
  }
  sample.pressure = {pressure(cpu_pressure_, buffer), pressure(memory_pressure_, buffer),
                     pressure(io_pressure_, buffer)};
  return sample;
}

kernel::DeviceNames HostReader::device_names() const {
  const auto text = kernel::read_file(proc_ + "/partitions");
  if (!text) return {};
  return kernel::parse_partitions(*text).value_or(kernel::DeviceNames{});
}

}  // namespace plimsoll::watch
