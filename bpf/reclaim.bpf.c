/* How long tasks are kept from their work to get memory back: in reclaim, and in the handler that holds them up while
 * their cgroup is over memory.high. That handler reclaims too: what begins within another stall is a part of it. */
#include "bpf/owner.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 4096);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, struct wire_reclaim);
} reclaim SEC(".maps");

/* A task that stalls now. Made beforehand: memory is what it has none of. The begin and the end of a stall are on one
 * path, so that entries stay only of stalls that were cut by the probe's own coming; the next of that task takes them. */
struct stall {
  __u64 task; /* its start_time: pids come again */
  __u64 container;
  __u64 since;
  __u64 kind;
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, __u64); /* pid */
  __type(value, struct stall);
} stalls SEC(".maps");

/* How many of them are over memory.high. The handler is entered at every return from a switch of CPUs, and left again at
 * once where nothing is to be done: this says so without a look-up. */
static volatile __u64 high_now;

static const struct wire_reclaim kNothing;

/* Returns whose it is, 0 where it is nobody's or lies within another. */
static __always_inline __u64 begin(struct task_struct *task, __u64 kind)
{
  struct stall stall = {.container = owner_of_cgroup(task->cgroups->dfl_cgrp), .task = task->start_time, .kind = kind};
  if (!stall.container) return 0;
  __u64 pid = task->pid;
  struct stall *known = bpf_map_lookup_elem(&stalls, &pid);
  if (known && known->task == stall.task && known->kind != kind) return 0;
  stall.since = bpf_ktime_get_ns();
  if (bpf_map_update_elem(&stalls, &pid, &stall, BPF_ANY)) {
    count_lost(WIRE_LOST_MAP_FULL);
    return 0;
  }
  return stall.container;
}

static __always_inline void count(struct wire_reclaim *counts, struct stall *stall, __u32 pid)
{
  __u32 zero = 0;
  __u64 now = bpf_ktime_get_ns(), time = now - stall->since, kind = stall->kind;
  if (kind >= WIRE_STALL_KINDS) return;
  ++counts->episodes[kind];
  counts->nanoseconds[kind] += time;
  add_time(&counts->stalls, time);
  struct wire_settings *set = bpf_map_lookup_elem(&settings, &zero);
  if (set && exceeds(&counts->stall_began, &counts->stall_sum, time, set->stall_of_a_window, set->window, now))
    tell(stall->container, WIRE_EVENT_RECLAIM_STALL, pid, now);
}

static __always_inline void end(__u64 kind, __u64 pages)
{
  struct task_struct *task = bpf_get_current_task_btf();
  __u64 pid = task->pid;
  struct stall *stall = bpf_map_lookup_elem(&stalls, &pid);
  if (!stall || stall->task != task->start_time) return;
  struct wire_reclaim *counts = find_or_begin(&reclaim, &stall->container, &kNothing);
  if (counts) counts->pages += pages;
  if (stall->kind != kind) return;
  if (counts) count(counts, stall, task->tgid);
  if (kind == WIRE_STALL_HIGH) __sync_fetch_and_add(&high_now, -1);
  bpf_map_delete_elem(&stalls, &pid);
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(memcg_begins)
{
  begin(bpf_get_current_task_btf(), WIRE_STALL_MEMCG);
  return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(memcg_ends, unsigned long pages)
{
  end(WIRE_STALL_MEMCG, pages);
  return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(direct_begins)
{
  begin(bpf_get_current_task_btf(), WIRE_STALL_DIRECT);
  return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(direct_ends, unsigned long pages)
{
  end(WIRE_STALL_DIRECT, pages);
  return 0;
}

/* Told as it begins, since it may sleep for two seconds. */
static __always_inline int high_begins(void)
{
  struct task_struct *task = bpf_get_current_task_btf();
  if (!task->memcg_nr_pages_over_high) return 0;
  __u64 container = begin(task, WIRE_STALL_HIGH);
  if (!container) return 0;
  __sync_fetch_and_add(&high_now, 1);
  struct wire_reclaim *counts = find_or_begin(&reclaim, &container, &kNothing);
  __u32 zero = 0;
  struct wire_settings *set = bpf_map_lookup_elem(&settings, &zero);
  if (!counts || !set) return 0;
  __u64 now = bpf_ktime_get_ns();
  if (exceeds(&counts->high_began, &counts->high_episodes, 1, 1, set->window, now))
    tell(container, WIRE_EVENT_MEMORY_HIGH, task->tgid, now);
  return 0;
}

/* The handler's name has two more letters since an inline function has its old one, which asks whether there is anything
 * to be done. */
SEC("?fentry/__mem_cgroup_handle_over_high")
int BPF_PROG(high_begins___inner)
{
  return high_begins();
}

SEC("?fentry/mem_cgroup_handle_over_high")
int BPF_PROG(high_begins___whole)
{
  return high_begins();
}

SEC("?fexit/__mem_cgroup_handle_over_high")
int BPF_PROG(high_ends___inner)
{
  if (high_now) end(WIRE_STALL_HIGH, 0);
  return 0;
}

SEC("?fexit/mem_cgroup_handle_over_high")
int BPF_PROG(high_ends___whole)
{
  if (high_now) end(WIRE_STALL_HIGH, 0);
  return 0;
}
