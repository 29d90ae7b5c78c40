// The signals a condition may read: one table (signal.cpp), and how each is read from samples.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/model/sample.h"
#include "policies/quantity.h"

namespace plimsoll::policies {

using SignalId = std::uint16_t;  // index into signals()

// Why a signal has no value just now; the comparison is then unknown.
enum class Unknown : std::uint8_t {
  kKnown,
  kNoFile,        // the cgroup has no such file: controller off, or kernel too old
  kNoLimit,       // the limit is "max"
  kNeedsProbe,    // its BPF probe is not attached
  kNoRateYet,     // a rate needs two samples
  kShortHistory,  // the window is longer than what was seen of the container
  kZeroDivisor,
  kNotThere,  // e.g. no start time is known
};

struct Reading {
  double value = 0;
  Unknown unknown = Unknown::kKnown;
  SignalId signal = 0;  // whose value is unknown
  bool known() const { return unknown == Unknown::kKnown; }
};
// "memory.max: no limit is set"; "cpu.wait: needs the BPF probe sched, which is not up".
std::string why_unknown(Unknown unknown, SignalId signal);

// What rates are made of, kept of earlier samples.
struct Counters {
  BootTime taken;
  std::optional<double> cpu_seconds, periods, throttled_periods, memory;
  std::optional<double> io_read, io_written, io_reads, io_writes, net_received, net_transmitted, forks,
      cpu_stolen, net_retransmits, memory_stall;
  std::optional<model::TimeHistogram> cpu_waits, net_connects, io_latency;
};
Counters counters_of(const model::Sample& sample);
Counters counters_of(const model::HostSample& host);

// What a signal is read from. Signals of a container have `sample`, all have `host`; `before` and `now` are
// the two ends of a rate, null and ignored where there was no earlier sample.
struct SignalInputs {
  const model::ContainerRef* ref = nullptr;
  const model::Sample* sample = nullptr;
  const model::HostSample* host = nullptr;
  const Counters* before = nullptr;
  const Counters* now = nullptr;
  const Counters* host_before = nullptr;
  const Counters* host_now = nullptr;
  WallTime wall;
};

struct SignalInfo {
  std::string_view name;  // as policies write it
  Unit unit;
  std::string_view source;       // the kernel's file
  std::string_view description;  // one line, for docs and `plimsoll policy signals`
  bool host;                     // of the machine, not of a container
  Reading (*read)(const SignalInputs& inputs);
  std::string_view probe = {};  // the BPF probe that counts it; empty: it needs none
};

std::span<const SignalInfo> signals();
std::optional<SignalId> find_signal(std::string_view name);
// Names that are right in a condition of a HostPolicy (host.* only) or of a Policy (all).
std::span<const std::string_view> signal_names(bool host_only);
std::span<const std::string_view> container_signal_names();
Reading read_signal(SignalId id, const SignalInputs& inputs);

}  // namespace plimsoll::policies
