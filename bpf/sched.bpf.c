/* Who waited for a CPU, how long, and who had it meanwhile.
 *
 * The kernel notes when each task became runnable (sched_info, which /proc/PID/schedstat is made of), so that nothing is
 * to be done when a task is woken: all work is in the switch that ends its wait. Each CPU remembers whose its last turns
 * were. A wait is cut along them, from the newest back. All times are of rq->clock, which the kernel has brought up to
 * date just before the tracepoint.
 *
 * What lies in a time in which the task's cgroup, or one above it, was held up by its CPU quota is nobody's fault: it is
 * charged to the quota.
 *
 * Functions that are not static are verified once, and not anew in each place where they are called: what has loops is
 * among them, or loading would take a second.
 *
 * This runs at each switch of the machine. What it needs most is in one per-CPU struct: whose the last cgroups were, the
 * turn that goes on (tasks of one container in a row are one turn, of which nothing is written), and the last cell of the
 * matrix. */
#include "bpf/held.bpf.h"

struct turn {
  __u64 owner;
  __u64 end; /* it began where the one before it ended */
};

/* A task that lost the CPU though it could have gone on: it waits since then. */
struct left {
  __u64 pid;
  __u64 since;
};

struct known {
  __u64 cgroup;
  struct wire_owner owner;
};

#define KNOWN 32 /* cgroups, a power of two */
#define LEFT 64  /* tasks, a power of two */
#define LONG_TURN 10000000ull /* a turn that goes on is written down after 10 ms */
#define LONG_WAIT 50000ull    /* shorter ones are not looked up among the times of quotas */

struct cpu {
  __u64 owner; /* whose turn it is */
  __u64 since; /* it began; 0: not known yet */
  __u64 first; /* where the oldest turn that is remembered begins */
  __u32 head;  /* counts up; the newest turn that ended is turns[(head - 1) % WIRE_TURNS] */
  __u32 slot;  /* of the owner */
  struct wire_blame cell; /* the last that was charged, */
  __u64 pending;          /* and what of it is not yet in the map */
  struct known known[KNOWN];
  struct turn turns[WIRE_TURNS];
  struct left left[LEFT];
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct cpu);
} cpus SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, struct wire_sched);
} sched SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 16384);
  __type(key, struct wire_blame);
  __type(value, __u64);
} blame SEC(".maps");

static __always_inline int is_container(__u64 owner)
{
  return owner != WIRE_AGGRESSOR_HOST && owner < WIRE_AGGRESSOR_QUOTA;
}

static __always_inline struct wire_owner whose(struct cpu *cpu, struct cgroup *cgroup)
{
  __u64 id = cgroup->kn->id;
  __u32 now = epoch_now();
  struct known *known = &cpu->known[id & (KNOWN - 1)];
  if (known->cgroup != id || known->owner.epoch != now) {
    known->owner = find_whose(cgroup, id, now);
    known->cgroup = id;
  }
  return known->owner;
}

__noinline int write_down(struct cpu *cpu)
{
  const __u64 none = 0;
  if (!cpu || !cpu->pending) return 0;
  struct wire_blame cell = cpu->cell; /* 6.1 takes keys from the stack, but not from where the caller says */
  __u64 *sum = find_or_begin(&blame, &cell, &none);
  if (sum) *sum += cpu->pending;
  cpu->pending = 0;
  return 0;
}

static __always_inline void charge(struct cpu *cpu, __u64 victim, __u64 aggressor, __u64 time)
{
  if (cpu->cell.victim != victim || cpu->cell.aggressor != aggressor) {
    write_down(cpu);
    cpu->cell.victim = victim;
    cpu->cell.aggressor = aggressor;
  }
  cpu->pending += time;
  if (cpu->pending >= WIRE_PENDING) write_down(cpu);
}

static __always_inline void remember_turn(struct cpu *cpu, __u64 now)
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

static __always_inline __u64 blame_turn(struct cpu *cpu, __u64 victim, __u64 owner, __u64 time)
{
  charge(cpu, victim, owner, time);
  return is_container(owner) && owner != victim ? time : 0;
}

/* The turns that ended, from `to` back to `from`. Returns how much of it other containers had. */
__noinline __u64 blame_turns(struct cpu *cpu, __u64 victim, __u64 from, __u64 to)
{
  __u64 stolen = 0;
  if (!cpu) return 0;
  __u32 at = cpu->head;
  for (int i = 0; i < WIRE_TURNS; ++i) {
    if (at == 0) return stolen;
    struct turn *turn = &cpu->turns[(at - 1) & (WIRE_TURNS - 1)];
    __u64 end = turn->end;
    if (end <= from) return stolen;
    if (end > to) end = to;
    /* Where the turn began: the end of the one before it, if that is remembered. */
    __u64 begin = i + 1 < WIRE_TURNS && at > 1 ? cpu->turns[(at - 2) & (WIRE_TURNS - 1)].end : cpu->first;
    if (begin < from) begin = from;
    if (end > begin) stolen += blame_turn(cpu, victim, turn->owner, end - begin);
    if (begin == from) return stolen;
    --at;
  }
  __u64 oldest = cpu->first < to ? cpu->first : to;
  if (oldest > from) charge(cpu, victim, WIRE_AGGRESSOR_UNKNOWN, oldest - from);
  return stolen;
}

/* Likewise, the turn that goes on among them. */
static __always_inline __u64 blame_all(struct cpu *cpu, __u64 victim, __u64 from, __u64 to)
{
  __u64 stolen = 0;
  __u64 begin = from > cpu->since ? from : cpu->since;
  if (to > begin) stolen = blame_turn(cpu, victim, cpu->owner, to - begin);
  if (from < cpu->since) stolen += blame_turns(cpu, victim, from, to < cpu->since ? to : cpu->since);
  return stolen;
}

/* When the nearest cgroup, from the task's own upwards, that was held up on this CPU since `queued`, was so. Null: none. */
static __noinline struct wire_held *find_held(struct cgroup *cgroup, __u32 cpu, __u64 queued)
{
  int level = BPF_CORE_READ(cgroup, level);
  for (int i = 0; i < DEEPEST; ++i) {
    int at = level - i;
    if (at <= 0) break;
    struct cgroup *above = ancestor_of(cgroup, at);
    if (!above) break;
    struct wire_held_key key = {.cgroup = BPF_CORE_READ(above, kn, id), .cpu = cpu};
    struct wire_held *spans = bpf_map_lookup_elem(&held, &key);
    if (spans && spans->spans[(spans->count - 1) & (WIRE_SPANS - 1)].end > queued) return spans;
  }
  return 0;
}

/* A wait of which parts are the quota's: what lies between them is blamed on turns. */
static __always_inline __u64 blame_around(struct cpu *cpu, struct wire_held *spans, __u64 victim, __u64 queued, __u64 now)
{
  __u64 stolen = 0;
  __u64 to = now;
  for (int i = 1; i <= WIRE_SPANS; ++i) {
    struct wire_span *span = &spans->spans[(spans->count - i) & (WIRE_SPANS - 1)];
    __u64 begin = span->begin > queued ? span->begin : queued;
    __u64 end = span->end < to ? span->end : to;
    if (end <= begin) break;
    charge(cpu, victim, WIRE_AGGRESSOR_QUOTA, end - begin);
    stolen += blame_all(cpu, victim, end, to);
    to = begin;
  }
  return stolen + blame_all(cpu, victim, queued, to);
}

/* A wait long enough to have been one for a quota. */
static __noinline __u64 blame_long(struct cpu *cpu, struct task_struct *task, __u64 victim, __u64 queued, __u64 now)
{
  if (!cpu || !task) return 0;
  __u32 number = BPF_CORE_READ(task, se.cfs_rq, rq, cpu);
  __u64 *newest = bpf_map_lookup_elem(&released, &number);
  struct wire_held *spans = 0;
  if (newest && *newest > queued) spans = find_held(BPF_CORE_READ(task, cgroups, dfl_cgrp), number, queued);
  if (spans) return blame_around(cpu, spans, victim, queued, now);
  return blame_all(cpu, victim, queued, now);
}

/* A task gets the CPU that it has waited for since `queued`, or is moved to the queue of another one. */
static __always_inline void end_wait(struct cpu *cpu, struct task_struct *task, struct wire_owner victim, __u64 queued,
                                     __u64 now)
{
  struct wire_sched *counts = bpf_map_lookup_elem(&sched, &victim.slot);
  if (!counts) return;
  add_time(&counts->waits, now - queued);
  if (now - queued > LONG_WAIT)
    counts->stolen += blame_long(cpu, task, victim.container, queued, now);
  else
    counts->stolen += blame_all(cpu, victim.container, queued, now);
}

static __always_inline void end_turn(struct cpu *cpu, __u64 now)
{
  if (is_container(cpu->owner)) {
    struct wire_sched *counts = bpf_map_lookup_elem(&sched, &cpu->slot);
    if (counts) counts->on_cpu += now - cpu->since;
  }
  remember_turn(cpu, now);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(switched, _Bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
  __u32 zero = 0;
  struct cpu *cpu = bpf_map_lookup_elem(&cpus, &zero);
  if (!cpu) return 0;
  __u64 now = next->se.cfs_rq->rq->clock; /* this CPU's, whatever class the task is of */
  struct wire_owner owner = {.container = WIRE_AGGRESSOR_NOBODY};
  if (!cpu->since) cpu->since = cpu->first = now;
  if (!prev_state && prev->pid) {
    struct left *left = &cpu->left[prev->pid & (LEFT - 1)];
    left->pid = prev->pid;
    left->since = now;
  }
  if (next->pid) {
    owner = whose(cpu, next->cgroups->dfl_cgrp);
    __u64 queued = next->sched_info.last_queued;
    if (owner.container && queued && queued < now) end_wait(cpu, next, owner, queued, now);
  }
  if (owner.container != cpu->owner || now - cpu->since > LONG_TURN) {
    if (now > cpu->since) end_turn(cpu, now);
    cpu->since = now;
    cpu->owner = owner.container;
    cpu->slot = owner.slot;
  }
  return 0;
}

/* A task that waits is moved to another CPU: its wait for this one is over. The kernel has closed it and forgotten when it
 * began, which is known here of tasks that lost the CPU. Both tracepoints run with the run queue locked that the struct is
 * of, whichever CPU this is. */
SEC("tp_btf/sched_migrate_task")
int BPF_PROG(moved, struct task_struct *task, int to)
{
  if (task->on_rq != ON_ITS_WAY) return 0;
  __u32 zero = 0;
  struct rq *rq = task->se.cfs_rq->rq;
  struct cpu *cpu = bpf_map_lookup_percpu_elem(&cpus, &zero, rq->cpu);
  if (!cpu || !cpu->since) return 0;
  __u64 now = rq->clock;
  struct left *left = &cpu->left[task->pid & (LEFT - 1)];
  if (left->pid != task->pid || left->since >= now) return 0;
  __u64 ran = task->sched_info.last_arrival;
  if (!ran || left->since < ran) return 0; /* it has run since, or never: then another had its pid */
  struct wire_owner owner = whose(cpu, task->cgroups->dfl_cgrp);
  if (owner.container) end_wait(cpu, task, owner, left->since, now);
  left->pid = 0; /* it may come back and be moved again before it has run: that part was counted */
  return 0;
}
