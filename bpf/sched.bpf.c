/* Who waited for a CPU, how long, and who had it meanwhile.
 *
 * The kernel notes when each task became runnable (sched_info, which /proc/PID/schedstat is made of), so that nothing is
 * to be done when a task is woken: all work is in the switch that ends its wait. Each CPU remembers whose its last turns
 * were. A wait is cut along them, from the newest back. All times are of rq->clock, which the kernel has brought up to
 * date just before the tracepoint. */
#include "bpf/owner.bpf.h"

struct turn {
  __u64 owner;
  __u64 end; /* it began where the one before it ended */
};

struct cpu {
  __u64 owner; /* whose the CPU is now */
  __u64 since; /* 0: not known yet */
  __u64 first; /* where the oldest turn that is remembered begins */
  __u32 head;  /* counts up; the newest turn is turns[(head - 1) % WIRE_TURNS] */
  __u32 padding;
  struct turn turns[WIRE_TURNS];
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct cpu);
} cpus SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 4096);
  __type(key, __u64);
  __type(value, struct wire_sched);
} sched SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 4096);
  __type(key, struct wire_blame);
  __type(value, __u64);
} blame SEC(".maps");

static const struct wire_sched kNothing;

static __always_inline struct wire_sched *counts_of(__u64 container)
{
  return find_or_begin(&sched, &container, &kNothing);
}

static __always_inline int is_container(__u64 owner)
{
  return owner != WIRE_AGGRESSOR_HOST && owner != WIRE_AGGRESSOR_NOBODY;
}

static __always_inline void charge(__u64 victim, __u64 aggressor, __u64 time)
{
  struct wire_blame key = {.victim = victim, .aggressor = aggressor};
  const __u64 none = 0;
  __u64 *sum = find_or_begin(&blame, &key, &none);
  if (sum) *sum += time;
}

/* The turn that ends now joins the one before it where both were of the same owner. */
static __always_inline void end_turn(struct cpu *cpu, __u64 now)
{
  struct turn *last = &cpu->turns[(cpu->head - 1) & (WIRE_TURNS - 1)];
  if (cpu->head && last->owner == cpu->owner) {
    last->end = now;
    return;
  }
  struct turn *next = &cpu->turns[cpu->head & (WIRE_TURNS - 1)];
  if (cpu->head >= WIRE_TURNS) cpu->first = next->end; /* of the one that is forgotten */
  next->owner = cpu->owner;
  next->end = now;
  ++cpu->head;
}

/* Returns how much of it other containers had. */
static __noinline __u64 blame_turns(struct cpu *cpu, __u64 victim, __u64 from)
{
  __u64 stolen = 0;
  __u32 at = cpu->head;
  for (int i = 0; i < WIRE_TURNS; ++i) {
    if (!cpu || at == 0) return stolen;
    struct turn *turn = &cpu->turns[(at - 1) & (WIRE_TURNS - 1)];
    __u64 end = turn->end;
    if (end <= from) return stolen;
    /* Where the turn began: the end of the one before it, if that is remembered. */
    __u64 begin = i + 1 < WIRE_TURNS && at > 1 ? cpu->turns[(at - 2) & (WIRE_TURNS - 1)].end : cpu->first;
    if (begin < from) begin = from;
    if (end > begin) {
      charge(victim, turn->owner, end - begin);
      if (is_container(turn->owner) && turn->owner != victim) stolen += end - begin;
    }
    if (begin == from) return stolen;
    --at;
  }
  if (cpu->first > from) charge(victim, WIRE_AGGRESSOR_UNKNOWN, cpu->first - from);
  return stolen;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(switched, _Bool preempt, struct task_struct *prev, struct task_struct *next)
{
  __u32 zero = 0;
  struct cpu *cpu = bpf_map_lookup_elem(&cpus, &zero);
  if (!cpu) return 0;
  __u64 now = next->se.cfs_rq->rq->clock; /* this CPU's, whatever class the task is of */
  if (cpu->since && now > cpu->since) {
    if (is_container(cpu->owner)) {
      struct wire_sched *counts = counts_of(cpu->owner);
      if (counts) counts->on_cpu += now - cpu->since;
    }
    end_turn(cpu, now);
  } else {
    cpu->first = now;
  }
  cpu->since = now;
  if (next->pid == 0) {
    cpu->owner = WIRE_AGGRESSOR_NOBODY;
    return 0;
  }
  cpu->owner = owner_of_cgroup(next->cgroups->dfl_cgrp);
  __u64 queued = next->sched_info.last_queued;
  if (!is_container(cpu->owner) || !queued || queued >= now) return 0;
  struct wire_sched *counts = counts_of(cpu->owner);
  if (!counts) return 0;
  add_time(&counts->waits, now - queued);
  counts->stolen += blame_turns(cpu, cpu->owner, queued);
  return 0;
}
