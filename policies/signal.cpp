#include "policies/signal.h"

#include <algorithm>
#include <array>
#include <vector>

namespace plimsoll::policies {
namespace {

using model::Bound;
using In = const SignalInputs&;

constexpr Reading known(double value) { return {value, Unknown::kKnown, 0}; }
constexpr Reading unknown(Unknown why) { return {0, why, 0}; }

Reading bytes(const std::optional<Bytes>& value) {
  return value ? known(static_cast<double>(value->value)) : unknown(Unknown::kNoFile);
}
Reading count(const std::optional<model::Count>& value) {
  return value ? known(static_cast<double>(*value)) : unknown(Unknown::kNoFile);
}
Reading bound(const std::optional<Bound<Bytes>>& value) {
  if (!value) return unknown(Unknown::kNoFile);
  return value->is_max() ? unknown(Unknown::kNoLimit) : known(static_cast<double>(value->value().value));
}

// Growth of one counter a second of wall time between the two ends.
Reading rate(const Counters* before, const Counters* now, std::optional<double> Counters::* counter) {
  if (now == nullptr || !(now->*counter)) return unknown(Unknown::kNoFile);
  if (before == nullptr || !(before->*counter)) return unknown(Unknown::kNoRateYet);
  const double elapsed = std::chrono::duration<double>(now->taken - before->taken).count();
  if (elapsed <= 0) return unknown(Unknown::kNoRateYet);
  return known((*(now->*counter) - *(before->*counter)) / elapsed);
}
template <auto Counter>
Reading container_rate(In in) {
  return rate(in.before, in.now, Counter);
}
template <auto Probe, auto Counter>
Reading probe_rate(In in) {
  if (in.sample != nullptr && !(in.sample->probes.*Probe)) return unknown(Unknown::kNeedsProbe);
  return rate(in.before, in.now, Counter);
}
// The times that ended between the two ends of a rate; nullopt, and `why`, where they are unknown.
template <auto Probe, auto Times>
std::optional<model::TimeHistogram> new_times(In in, Unknown& why) {
  why = in.sample == nullptr || in.sample->probes.*Probe ? Unknown::kNoRateYet : Unknown::kNeedsProbe;
  if (in.now == nullptr || in.before == nullptr || !(in.now->*Times) || !(in.before->*Times))
    return std::nullopt;
  if (in.now->taken <= in.before->taken) return std::nullopt;
  return *(in.now->*Times) - *(in.before->*Times);
}
constexpr auto new_waits = new_times<&model::ProbeReadings::scheduling, &Counters::cpu_waits>;
constexpr auto new_connects = new_times<&model::ProbeReadings::network, &Counters::net_connects>;

// 0 of none.
template <auto NewTimes>
Reading p99(In in) {
  Unknown why{};
  const auto times = NewTimes(in, why);
  return times ? known(to_seconds(times->percentile(0.99))) : unknown(why);
}
Reading cpu_wait(In in) {
  Unknown why{};
  const auto waits = new_waits(in, why);
  return waits ? known(to_seconds(waits->sum) / to_seconds(in.now->taken - in.before->taken)) : unknown(why);
}
// A container that has not waited was not robbed.
Reading cpu_stolen(In in) {
  Unknown why{};
  const auto waits = new_waits(in, why);
  if (!waits) return unknown(why);
  const double waited = to_seconds(waits->sum);
  return known(waited > 0 ? std::min(1.0, (*in.now->cpu_stolen - *in.before->cpu_stolen) / waited) : 0);
}
// Of the requests that ended between the two ends; 0 where none did.
Reading io_latency_p99(In in) {
  if (in.sample != nullptr && !in.sample->probes.io) return unknown(Unknown::kNeedsProbe);
  if (in.now == nullptr || in.before == nullptr || !in.now->io_latency || !in.before->io_latency)
    return unknown(Unknown::kNoRateYet);
  return known(to_seconds((*in.now->io_latency - *in.before->io_latency).percentile(0.99)));
}
Reading host_cpu(In in) { return rate(in.host_before, in.host_now, &Counters::cpu_seconds); }

Reading throttled(In in) {
  const Reading periods = rate(in.before, in.now, &Counters::periods);
  const Reading hit = rate(in.before, in.now, &Counters::throttled_periods);
  if (!periods.known()) return periods;
  if (!hit.known()) return hit;
  return known(periods.value > 0 ? hit.value / periods.value : 0);
}

template <auto Field>
Reading memory_stat(In in) {
  if (!in.sample->memory.stat) return unknown(Unknown::kNoFile);
  return known(static_cast<double>((*in.sample->memory.stat.*Field).value));
}

// Pressure averages: percent in the kernel's text, shares here.
template <auto Resource, bool Full, auto Average>
Reading pressure(const model::Pressures& all) {
  const std::optional<model::Pressure>& found = all.*Resource;
  if (!found || (Full && !found->full)) return unknown(Unknown::kNoFile);
  return known((Full ? *found->full : found->some).*Average / 100);
}
template <auto Resource, bool Full, auto Average>
Reading container_pressure(In in) {
  return pressure<Resource, Full, Average>(in.sample->pressure);
}
template <auto Resource, bool Full, auto Average>
Reading host_pressure(In in) {
  return pressure<Resource, Full, Average>(in.host->pressure);
}

Reading age(In in) {
  const auto since = in.ref->started ? in.ref->started : in.ref->created;
  return since ? known(std::chrono::duration<double>(in.wall - *since).count()) : unknown(Unknown::kNotThere);
}
// UTC: pure of the moment, so that a replay decides what was decided then, and no hour comes twice a year.
Reading time_of_day(In in) {
  const auto midnight = std::chrono::floor<std::chrono::days>(in.wall);
  return known(to_seconds(in.wall - midnight));
}
Reading weekday(In in) {
  const std::chrono::weekday day(std::chrono::floor<std::chrono::days>(in.wall));
  return known(day.iso_encoding());
}
Reading cpu_max(In in) {
  if (!in.sample->limits.cpu_max) return unknown(Unknown::kNoFile);
  const auto cores = in.sample->limits.cpu_max->cores();
  return cores.is_max() ? unknown(Unknown::kNoLimit) : known(cores.value().value);
}
Reading pids_max(In in) {
  const auto& max = in.sample->limits.pids_max;
  if (!max) return unknown(Unknown::kNoFile);
  return max->is_max() ? unknown(Unknown::kNoLimit) : known(static_cast<double>(max->value()));
}
Reading cpu_burst(In in) {
  const auto& burst = in.sample->limits.cpu_burst;
  return burst ? known(to_seconds(*burst)) : unknown(Unknown::kNoFile);
}
Reading oom_kills(In in) {
  const auto& events = in.sample->memory.events;
  return events ? known(static_cast<double>(events->oom_kill)) : unknown(Unknown::kNoFile);
}

#define PRESSURE(scope, text, read, resource)                                             \
  SignalInfo{scope text ".pressure.some.10s",                                             \
             Unit::kShare,                                                                \
             text ".pressure",                                                            \
             "share of the last 10 s in which some task waited for " text,                \
             is_host(scope),                                                              \
             read<&model::Pressures::resource, false, &model::PressureLine::avg10>},      \
      SignalInfo{scope text ".pressure.some.60s",                                         \
                 Unit::kShare,                                                            \
                 text ".pressure",                                                        \
                 "share of the last 60 s in which some task waited for " text,            \
                 is_host(scope),                                                          \
                 read<&model::Pressures::resource, false, &model::PressureLine::avg60>},  \
      SignalInfo{scope text ".pressure.some.300s",                                        \
                 Unit::kShare,                                                            \
                 text ".pressure",                                                        \
                 "share of the last 300 s in which some task waited for " text,           \
                 is_host(scope),                                                          \
                 read<&model::Pressures::resource, false, &model::PressureLine::avg300>}, \
      SignalInfo{scope text ".pressure.full.10s",                                         \
                 Unit::kShare,                                                            \
                 text ".pressure",                                                        \
                 "share of the last 10 s in which all tasks waited for " text,            \
                 is_host(scope),                                                          \
                 read<&model::Pressures::resource, true, &model::PressureLine::avg10>},   \
      SignalInfo{scope text ".pressure.full.60s",                                         \
                 Unit::kShare,                                                            \
                 text ".pressure",                                                        \
                 "share of the last 60 s in which all tasks waited for " text,            \
                 is_host(scope),                                                          \
                 read<&model::Pressures::resource, true, &model::PressureLine::avg60>},   \
      SignalInfo {                                                                        \
    scope text ".pressure.full.300s", Unit::kShare, text ".pressure",                     \
        "share of the last 300 s in which all tasks waited for " text, is_host(scope),    \
        read<&model::Pressures::resource, true, &model::PressureLine::avg300>             \
  }

constexpr bool is_host(std::string_view scope) { return !scope.empty(); }

const std::array kSignals = {
    SignalInfo{"cpu.usage", Unit::kCores, "cpu.stat usage_usec", "CPU time a second of wall time", false,
               container_rate<&Counters::cpu_seconds>},
    SignalInfo{"cpu.throttled", Unit::kShare, "cpu.stat nr_throttled / nr_periods",
               "share of the periods in which the quota ran out", false, throttled},
    SignalInfo{"cpu.wait", Unit::kNumber, "BPF run queue", "run-queue wait, seconds a second", false,
               cpu_wait, "sched"},
    SignalInfo{"cpu.wait.p99", Unit::kSeconds, "BPF run queue", "99th percentile of the run-queue wait",
               false, p99<new_waits>, "sched"},
    SignalInfo{"cpu.stolen_by_others", Unit::kShare, "BPF run queue",
               "share of its wait caused by other containers", false, cpu_stolen, "sched"},
    SignalInfo{"memory.usage", Unit::kBytes, "memory.current", "memory charged to the container", false,
               [](In in) { return bytes(in.sample->memory.current); }},
    SignalInfo{"memory.working_set", Unit::kBytes, "memory.current - inactive_file",
               "memory that reclaim would not give back easily", false,
               [](In in) { return bytes(model::working_set(in.sample->memory)); }},
    SignalInfo{"memory.anon", Unit::kBytes, "memory.stat anon", "memory of heaps and stacks", false,
               memory_stat<&model::MemoryStat::anon>},
    SignalInfo{"memory.file", Unit::kBytes, "memory.stat file", "page cache", false,
               memory_stat<&model::MemoryStat::file>},
    SignalInfo{"memory.swap", Unit::kBytes, "memory.swap.current", "memory in swap", false,
               [](In in) { return bytes(in.sample->memory.swap_current); }},
    SignalInfo{"memory.growth", Unit::kBytesPerSecond, "memory.current", "growth of memory.usage a second",
               false, container_rate<&Counters::memory>},
    SignalInfo{"memory.stall", Unit::kNumber, "BPF reclaim",
               "time in reclaim and held up over memory.high, seconds a second", false,
               probe_rate<&model::ProbeReadings::reclaim, &Counters::memory_stall>, "reclaim"},
    PRESSURE("", "cpu", container_pressure, cpu),
    PRESSURE("", "memory", container_pressure, memory),
    PRESSURE("", "io", container_pressure, io),
    SignalInfo{"io.read", Unit::kBytesPerSecond, "io.stat rbytes", "bytes read from block devices a second",
               false, container_rate<&Counters::io_read>},
    SignalInfo{"io.write", Unit::kBytesPerSecond, "io.stat wbytes", "bytes written to block devices a second",
               false, container_rate<&Counters::io_written>},
    SignalInfo{"io.read_ops", Unit::kPerSecond, "io.stat rios", "block reads a second", false,
               container_rate<&Counters::io_reads>},
    SignalInfo{"io.write_ops", Unit::kPerSecond, "io.stat wios", "block writes a second", false,
               container_rate<&Counters::io_writes>},
    SignalInfo{"io.latency.p99", Unit::kSeconds, "BPF block I/O", "99th percentile of block I/O latency",
               false, io_latency_p99, "blockio"},
    SignalInfo{"pids.count", Unit::kCount, "pids.current", "threads and processes", false,
               [](In in) { return count(in.sample->threads); }},
    SignalInfo{"pids.forks", Unit::kPerSecond, "BPF lifecycle", "processes begun a second", false,
               probe_rate<&model::ProbeReadings::lifecycle, &Counters::forks>, "lifecycle"},
    SignalInfo{"oom.kills", Unit::kCount, "memory.events oom_kill",
               "processes killed by the kernel for memory", false, oom_kills},
    SignalInfo{"net.receive", Unit::kBytesPerSecond, "net/dev", "bytes received a second", false,
               container_rate<&Counters::net_received>},
    SignalInfo{"net.transmit", Unit::kBytesPerSecond, "net/dev", "bytes sent a second", false,
               container_rate<&Counters::net_transmitted>},
    SignalInfo{"net.retransmits", Unit::kPerSecond, "BPF TCP", "TCP segments sent again a second", false,
               probe_rate<&model::ProbeReadings::network, &Counters::net_retransmits>, "net"},
    SignalInfo{"net.connect.p99", Unit::kSeconds, "BPF TCP",
               "99th percentile of the time to open a TCP connection", false, p99<new_connects>, "net"},
    SignalInfo{"container.age", Unit::kSeconds, "the runtime's record", "time since it was started", false,
               age},
    SignalInfo{"container.restarts", Unit::kCount, "the restart policy", "restarts so far", false,
               [](In in) { return known(in.ref->restarts); }},
    SignalInfo{"cpu.max", Unit::kCores, "cpu.max", "the CPU limit", false, cpu_max},
    SignalInfo{"cpu.max.burst", Unit::kSeconds, "cpu.max.burst", "CPU time that may be saved up", false,
               cpu_burst},
    SignalInfo{"cpu.weight", Unit::kCount, "cpu.weight", "the CPU weight", false,
               [](In in) { return count(in.sample->limits.cpu_weight); }},
    SignalInfo{"memory.max", Unit::kBytes, "memory.max", "the memory limit", false,
               [](In in) { return bound(in.sample->limits.memory_max); }},
    SignalInfo{"memory.high", Unit::kBytes, "memory.high", "the line of throttling and reclaim", false,
               [](In in) { return bound(in.sample->limits.memory_high); }},
    SignalInfo{"memory.low", Unit::kBytes, "memory.low", "memory protected if others can give", false,
               [](In in) { return bound(in.sample->limits.memory_low); }},
    SignalInfo{"memory.min", Unit::kBytes, "memory.min", "memory protected always", false,
               [](In in) { return bound(in.sample->limits.memory_min); }},
    SignalInfo{"memory.swap.max", Unit::kBytes, "memory.swap.max", "the swap limit", false,
               [](In in) { return bound(in.sample->limits.memory_swap_max); }},
    SignalInfo{"pids.max", Unit::kCount, "pids.max", "the limit of threads and processes", false, pids_max},
    SignalInfo{"host.cpu.usage", Unit::kCores, "/proc/stat", "CPU time of the machine a second", true,
               host_cpu},
    SignalInfo{"host.cpu.cores", Unit::kCores, "/proc/stat", "CPUs online", true,
               [](In in) { return known(in.host->cpu_cores); }},
    SignalInfo{"host.memory.total", Unit::kBytes, "/proc/meminfo", "MemTotal", true,
               [](In in) { return bytes(in.host->memory_total); }},
    SignalInfo{"host.memory.available", Unit::kBytes, "/proc/meminfo", "MemAvailable", true,
               [](In in) { return bytes(in.host->memory_available); }},
    SignalInfo{"host.memory.free", Unit::kBytes, "/proc/meminfo", "MemFree", true,
               [](In in) { return bytes(in.host->memory_free); }},
    SignalInfo{"host.swap.total", Unit::kBytes, "/proc/meminfo", "SwapTotal", true,
               [](In in) { return bytes(in.host->swap_total); }},
    SignalInfo{"host.swap.free", Unit::kBytes, "/proc/meminfo", "SwapFree", true,
               [](In in) { return bytes(in.host->swap_free); }},
    PRESSURE("host.", "cpu", host_pressure, cpu),
    PRESSURE("host.", "memory", host_pressure, memory),
    PRESSURE("host.", "io", host_pressure, io),
    SignalInfo{"host.time.utc", Unit::kSeconds, "the clock", "time of day in UTC: since midnight", true,
               time_of_day},
    SignalInfo{"host.time.weekday", Unit::kCount, "the clock",
               "day of the week in UTC: Monday is 1, Sunday 7", true, weekday},
};
#undef PRESSURE

}  // namespace

std::string why_unknown(Unknown why, SignalId signal) {
  const bool named = signal < kSignals.size();
  const std::string name(named ? kSignals[signal].name : "");
  switch (why) {
    case Unknown::kKnown:
      return "";
    case Unknown::kNoFile:
      return name + ": this cgroup has no such file";
    case Unknown::kNoLimit:
      return name + ": no limit is set";
    case Unknown::kNeedsProbe:
      return name + ": needs the BPF probe " + std::string(named ? kSignals[signal].probe : "") +
             ", which is not up";
    case Unknown::kNoRateYet:
      return name + ": a rate needs two samples";
    case Unknown::kShortHistory:
      return name + ": seen for less than the window";
    case Unknown::kZeroDivisor:
      return "division by zero";
    case Unknown::kNotThere:
      return name + ": not known of this container";
  }
  return "";
}

Counters counters_of(const model::Sample& sample) {
  Counters out;
  out.taken = sample.taken;
  if (sample.probes.scheduling) {
    out.cpu_waits = sample.probes.scheduling->waits;
    out.cpu_stolen = to_seconds(sample.probes.scheduling->stolen);
  }
  if (sample.probes.network) {
    out.net_retransmits = static_cast<double>(sample.probes.network->retransmits);
    out.net_connects = sample.probes.network->connects;
  }
  if (sample.probes.lifecycle) out.forks = static_cast<double>(sample.probes.lifecycle->forks);
  if (sample.probes.reclaim) out.memory_stall = to_seconds(sample.probes.reclaim->spent());
  if (sample.probes.io) out.io_latency = model::latency(*sample.probes.io);
  if (sample.cpu) {
    out.cpu_seconds = to_seconds(sample.cpu->usage);
    if (sample.cpu->periods) out.periods = static_cast<double>(*sample.cpu->periods);
    if (sample.cpu->throttled_periods) {
      out.throttled_periods = static_cast<double>(*sample.cpu->throttled_periods);
    }
  }
  if (sample.memory.current) out.memory = static_cast<double>(sample.memory.current->value);
  // An io.stat without lines is a container that has done no I/O, and 0 is then its true count.
  double read = 0, written = 0, reads = 0, writes = 0;
  for (const model::IoStat& device : sample.io) {
    read += static_cast<double>(device.read.value);
    written += static_cast<double>(device.written.value);
    reads += static_cast<double>(device.reads);
    writes += static_cast<double>(device.writes);
  }
  out.io_read = read;
  out.io_written = written;
  out.io_reads = reads;
  out.io_writes = writes;
  double received = 0, transmitted = 0;
  for (const model::NetStat& net : sample.net) {
    received += static_cast<double>(net.received.value);
    transmitted += static_cast<double>(net.transmitted.value);
  }
  if (!sample.net.empty()) {
    out.net_received = received;
    out.net_transmitted = transmitted;
  }
  return out;
}

Counters counters_of(const model::HostSample& host) {
  Counters out;
  out.taken = host.taken;
  if (host.cpu) out.cpu_seconds = to_seconds(host.cpu->usage);
  return out;
}

std::span<const SignalInfo> signals() { return kSignals; }

std::optional<SignalId> find_signal(std::string_view name) {
  const auto found = std::ranges::find(kSignals, name, &SignalInfo::name);
  if (found == kSignals.end()) return std::nullopt;
  return static_cast<SignalId>(found - kSignals.begin());
}

std::span<const std::string_view> signal_names(bool host_only) {
  static const auto collect = [](bool host) {
    std::vector<std::string_view> names;
    for (const SignalInfo& info : kSignals) {
      if (!host || info.host) names.push_back(info.name);
    }
    return names;
  };
  static const std::vector<std::string_view> all = collect(false);
  static const std::vector<std::string_view> host = collect(true);
  return host_only ? host : all;
}

std::span<const std::string_view> container_signal_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> out;
    for (const SignalInfo& info : kSignals) {
      if (!info.host) out.push_back(info.name);
    }
    return out;
  }();
  return names;
}

Reading read_signal(SignalId id, const SignalInputs& inputs) {
  const SignalInfo& info = kSignals[id];
  const bool there = info.host ? inputs.host != nullptr : inputs.sample != nullptr && inputs.ref != nullptr;
  Reading reading = there ? info.read(inputs) : unknown(Unknown::kNotThere);
  reading.signal = id;
  return reading;
}

}  // namespace plimsoll::policies
