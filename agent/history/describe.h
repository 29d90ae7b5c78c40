// Which values make a sample, in the order in which history keeps them. A change here is another format:
// kFormat in segment.h.
#pragma once

#include "agent/history/words.h"
#include "agent/model/container_ref.h"
#include "agent/model/decision.h"
#include "agent/model/event.h"
#include "agent/model/sample.h"

namespace plimsoll::history {

// Each takes a value to be read from or written to: of a writer it is const.
template <typename Ar>
struct Describe {
  Ar& ar;
  template <typename T>
  using Of = std::conditional_t<Ar::kReads, T, const T>;

  template <typename... Values>
  void all(Values&... values) {
    (ar.value(values), ...);
  }
  template <typename T>
  void maybe(T& optional) {
    ar.optional(optional, [&](auto& value) { ar.value(value); });
  }
  template <typename... T>
  void maybes(T&... optionals) {
    (maybe(optionals), ...);
  }

  void histogram(Of<model::TimeHistogram>& h) {
    ar.value(h.sum);
    for (auto& slot : h.slots) ar.value(slot);
  }
  void cpu(Of<model::CpuStat>& c) {
    all(c.usage, c.user, c.system);
    maybes(c.periods, c.throttled_periods, c.burst_periods, c.throttled, c.burst);
  }
  void memory(Of<model::Memory>& m) {
    maybes(m.current, m.peak, m.swap_current);
    ar.optional(m.stat, [&](auto& s) {
      all(s.anon, s.file, s.kernel, s.file_mapped, s.file_dirty, s.file_writeback, s.active_file,
          s.inactive_file, s.slab, s.sock, s.shmem, s.pgfault, s.pgmajfault, s.pgscan, s.pgsteal,
          s.refault_file, s.refault_anon);
    });
    ar.optional(m.events, [&](auto& e) { events(e); });
  }
  void events(Of<model::MemoryEvents>& e) {
    all(e.low, e.high, e.max, e.oom, e.oom_kill);
    maybe(e.oom_group_kill);
  }
  void line(Of<model::PressureLine>& l) {
    ar.percent(l.avg10), ar.percent(l.avg60), ar.percent(l.avg300);
    ar.value(l.total);
  }
  void pressures(Of<model::Pressures>& p) {
    for (auto* one : {&p.cpu, &p.memory, &p.io}) {
      ar.optional(*one, [&](auto& pressure) {
        line(pressure.some);
        ar.optional(pressure.full, [&](auto& full) { line(full); });
      });
    }
  }
  void limits(Of<model::Limits>& l) {
    ar.optional(l.cpu_max, [&](auto& max) { all(max.quota, max.period); });
    maybes(l.cpu_burst, l.cpu_weight, l.cpu_idle, l.cpus, l.memory_max, l.memory_high, l.memory_low,
           l.memory_min, l.memory_swap_max, l.memory_oom_group, l.pids_max);
    ar.optional(l.io_max, [&](auto& list) {
      ar.list(list, [&](auto& one) {
        all(one.device.major, one.device.minor);
        maybes(one.read_bps, one.write_bps, one.read_iops, one.write_iops);
      });
    });
    ar.optional(l.io_weight, [&](auto& weights) {
      ar.value(weights.standard);
      ar.list(weights.devices, [&](auto& one) { all(one.first.major, one.first.minor, one.second); });
    });
  }
  void requests(Of<model::IoRequests>& r) {
    all(r.bytes, r.queued, r.device);
    histogram(r.latency);
  }
  void network(Of<model::Network>& n) {
    all(n.bytes_sent, n.bytes_received, n.packets_sent, n.packets_received, n.retransmits, n.resets_sent,
        n.resets_received, n.accepts, n.connected, n.refused, n.timed_out, n.failed);
    histogram(n.connects);
  }
  void reclaim(Of<model::Reclaim>& r) {
    for (auto* kind : {&r.memcg, &r.direct, &r.high}) all(kind->episodes, kind->spent);
    ar.value(r.pages);
    histogram(r.stalls);
  }
  void probes(Of<model::ProbeReadings>& p) {
    ar.optional(p.scheduling, [&](auto& s) {
      all(s.on_cpu, s.stolen);
      histogram(s.waits);
    });
    ar.optional(p.throttling, [&](auto& t) { histogram(t.episodes); });
    ar.optional(p.lifecycle, [&](auto& l) {
      all(l.forks, l.threads, l.execs, l.exits, l.failures, l.signals, l.attaches);
      histogram(l.lifetimes);
    });
    ar.optional(p.network, [&](auto& n) { network(n); });
    ar.optional(p.syscalls, [&](auto& s) {
      ar.value(s.calls);
      ar.list(s.errors, [&](auto& one) { all(one.number, one.calls); });
    });
    ar.optional(p.reclaim, [&](auto& r) { reclaim(r); });
    ar.optional(p.io, [&](auto& disks) {
      ar.list(disks, [&](auto& disk) {
        all(disk.major, disk.minor, disk.device);
        for (auto* kind : {&disk.read, &disk.written, &disk.other}) requests(*kind);
      });
    });
    ar.optional(p.oom, [&](auto& o) { all(o.memcg, o.global); });
  }
  void sample(Of<model::Sample>& s) {
    ar.value(s.taken);
    ar.optional(s.cpu, [&](auto& c) { cpu(c); });
    memory(s.memory);
    pressures(s.pressure);
    ar.list(s.io, [&](auto& i) {
      all(i.major, i.minor, i.device, i.read, i.written, i.discarded, i.reads, i.writes, i.discards);
    });
    ar.list(s.net, [&](auto& n) {
      all(n.interface, n.received, n.transmitted, n.rx_packets, n.rx_errors, n.rx_dropped, n.tx_packets,
          n.tx_errors, n.tx_dropped);
    });
    ar.list(s.hugetlb, [&](auto& h) {
      ar.value(h.page_size);
      maybes(h.current, h.failures);
    });
    ar.optional(s.fs, [&](auto& f) { all(f.device, f.usage, f.limit, f.inodes_free, f.inodes_total); });
    maybes(s.processes, s.threads, s.file_descriptors, s.sockets, s.frozen, s.populated);
    probes(s.probes);
    limits(s.limits);
  }
  void host(Of<model::HostSample>& h) {
    all(h.taken, h.cpu_cores);
    ar.optional(h.cpu, [&](auto& c) { cpu(c); });
    all(h.memory_total, h.memory_available, h.memory_free, h.swap_total, h.swap_free);
    pressures(h.pressure);
  }
  void ref(Of<model::ContainerRef>& r) {
    all(r.id.inode, r.cgroup, r.runtime, r.container_id, r.name, r.image, r.pod, r.kube_namespace,
        r.kube_container);
    ar.labels(r.labels);
    maybes(r.created, r.started, r.init_pid);
    ar.value(r.restarts);
  }
  void probe_state(Of<model::ProbeState>& p) {
    all(p.name, p.up, p.unasked, p.why, p.spent, p.runs, p.lost_map_full, p.lost_ring_full, p.missed);
  }
  // One of model::Event's kinds, its ref apart.
  void event(Of<model::ContainerAppeared>&) {}
  void event(Of<model::ContainerVanished>& e) { sample(e.last); }
  void event(Of<model::MemoryEventsChanged>& e) { events(e.before), events(e.after); }
  void event(Of<model::PressureRaised>& e) { all(e.resource); }
  void event(Of<model::ProbeRaised>& e) {
    all(e.alarm.container.inode, e.alarm.why, e.alarm.when, e.alarm.pid);
  }
  void decision(Of<model::DecisionRecord>& d) {
    all(d.id, d.when, d.policy, d.rule, d.cause, d.action, d.outcome, d.container, d.container_id, d.cgroup,
        d.detail, d.before, d.after);
    ar.list(d.seen, [&](auto& one) { all(one.first, one.second); });
    ar.value(d.breach_to_effect);
  }
};

}  // namespace plimsoll::history
