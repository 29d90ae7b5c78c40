#include "agent/watch/container_sampler.h"

#include "agent/kernel/limits.h"
#include "agent/watch/process_facts.h"

namespace plimsoll::watch {
bool ContainerSampler::file_changed(std::string_view file) {
  if (file == "cgroup.events") events_stale_ = true;
  // The kernel's own notifications, and files that are read in each tick anyway.
  if (file.ends_with(".events") || file.ends_with(".local") || file.ends_with(".pressure") ||
      file.starts_with("cgroup.")) {
    return false;
  }
  limits_stale_ = true;
  return true;
}

std::string SamplingGround::device_name(std::uint32_t major, std::uint32_t minor) {
  const auto name = device_names.find({major, minor});
  if (name != device_names.end()) return name->second;
  unknown_device = true;
  return std::to_string(major) + ":" + std::to_string(minor);
}

model::ProbeReadings read_probes(const bpf::Probes& probes, model::CgroupId id, SamplingGround& ground) {
  model::ProbeReadings seen = probes.read(id);
  if (seen.io) {
    for (model::DiskIo& disk : *seen.io) disk.device = ground.device_name(disk.major, disk.minor);
  }
  return seen;
}

void ContainerSampler::read_limits() {
  if (auto limits = kernel::read_limits(reader_.folder())) {
    last_.limits = *std::move(limits);
    limits_stale_ = false;
  }
}

Result<> ContainerSampler::read_control_files(SamplingGround& ground) {
  const BootTime now = ground.clock.boot();
  PLIMSOLL_TRY(reader_.read(last_, ground.buffer));
  last_.taken = now;
  for (model::IoStat& stat : last_.io) stat.device = ground.device_name(stat.major, stat.minor);
  if (const bpf::Probes* probes = ground.options.probes) last_.probes = read_probes(*probes, id_, ground);
  if (limits_stale_) read_limits();
  if (events_stale_) {
    events_stale_ = false;
    PLIMSOLL_TRY(reader_.read_events(last_));
  }
  return {};
}

Result<> ContainerSampler::refresh(SamplingGround& ground) {
  limits_stale_ = true;
  return read_control_files(ground);
}

bool ContainerSampler::due(std::uint64_t tick, unsigned cadence) const {
  return first_ || cadence <= 1 || (tick + id_.inode) % cadence == 0;
}

void ContainerSampler::read_due(std::uint64_t tick, std::optional<int> init_pid,
                                const SamplingGround& ground) {
  const Cadence& cadence = ground.options.cadence;
  const std::string& proc = ground.options.proc;
  const bool descriptors = due(tick, cadence.descriptors);
  if (pids_.empty() || descriptors || due(tick, cadence.processes)) {
    pids_ = processes_of(reader_.folder());
    last_.processes = pids_.size();
  }
  const int pid = init_pid.value_or(pids_.empty() ? 0 : pids_.front());
  if (due(tick, cadence.network)) read_network(proc, pid, last_.net);
  if (due(tick, cadence.filesystem)) last_.fs = read_filesystem(proc, pid);
  if (due(tick, cadence.hugetlb)) reader_.read_hugetlb(last_.hugetlb);
  if (!descriptors) return;
  const auto count = count_descriptors(proc, pids_, ground.options.most_descriptors);
  last_.file_descriptors = count ? std::optional(count->all) : std::nullopt;
  last_.sockets = count ? std::optional(count->sockets) : std::nullopt;
}

Result<> ContainerSampler::take(std::uint64_t tick, std::optional<int> init_pid, SamplingGround& ground) {
  if (due(tick, ground.options.cadence.verify)) {
    if (!first_) reader_.look_again();
    limits_stale_ = events_stale_ = true;
  }
  PLIMSOLL_TRY(read_control_files(ground));
  read_due(tick, init_pid, ground);
  first_ = false;
  return {};
}

}  // namespace plimsoll::watch
