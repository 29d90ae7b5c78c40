/* Processes as they come and go: what is too short for any poll to see. */
#include "bpf/owner.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 4096);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, struct wire_lifecycle);
} lifecycle SEC(".maps");

/* Processes whose end was counted by one of several threads that exited at once. */
struct process {
  __u64 start;
  __u64 tgid;
};
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, struct process);
  __type(value, __u8);
} ended SEC(".maps");

static const struct wire_lifecycle kNothing;

static __always_inline struct wire_lifecycle *counts_of_cgroup(struct cgroup *cgroup, __u64 *container)
{
  __u64 key = owner_of_cgroup(cgroup);
  *container = key;
  if (!key) key = cgroup->kn->id;
  return find_or_begin(&lifecycle, &key, &kNothing);
}

static __always_inline struct wire_lifecycle *counts_of(struct task_struct *task, __u64 *container)
{
  return counts_of_cgroup(task->cgroups->dfl_cgrp, container);
}

/* More processes than an honest program begins: the agent is told while they are being begun. */
static __always_inline void watch_for_bursts(struct wire_lifecycle *counts, __u64 container, struct task_struct *parent)
{
  __u32 zero = 0;
  struct wire_settings *set = bpf_map_lookup_elem(&settings, &zero);
  if (!set || !container) return;
  __u64 now = bpf_ktime_get_ns();
  if (exceeds(&counts->burst_began, &counts->burst_forks, 1, set->forks_of_a_burst, set->window, now))
    tell(container, WIRE_EVENT_FORK_BURST, parent->tgid, now);
}

/* A child begins in its parent's cgroup, or where CLONE_INTO_CGROUP puts it, which is known by now. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(forked, struct task_struct *parent, struct task_struct *child)
{
  __u64 container;
  struct wire_lifecycle *counts = counts_of(child, &container);
  if (!counts) return 0;
  if (child->pid != child->tgid) {
    ++counts->threads;
    return 0;
  }
  ++counts->forks;
  watch_for_bursts(counts, container, parent);
  return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(began, struct task_struct *task)
{
  __u64 container;
  struct wire_lifecycle *counts = counts_of(task, &container);
  if (counts) ++counts->execs;
  return 0;
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(attached, struct cgroup *to, const char *path, struct task_struct *task, _Bool whole_process)
{
  if (is_v1(to)) return 0;
  __u64 container;
  struct wire_lifecycle *counts = counts_of_cgroup(to, &container);
  if (counts) ++counts->attaches;
  return 0;
}

/* Whether this thread's exit is its process' end, which is true for one thread of each process. `live` was counted down
 * some way before the tracepoint, so that two threads can both find it at 0; until they have passed here, neither is taken
 * out of nr_threads. */
static __always_inline int ends_process(struct task_struct *task)
{
  if (task->signal->live.counter != 0) return 0;
  struct process process = {.start = task->group_leader->start_time, .tgid = task->tgid};
  if (task->pid == task->tgid && task->signal->nr_threads == 1) return !bpf_map_lookup_elem(&ended, &process);
  __u8 yes = 1;
  return !bpf_map_update_elem(&ended, &process, &yes, BPF_NOEXIST);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(exited, struct task_struct *task)
{
  if (!ends_process(task)) return 0;
  __u64 container;
  struct wire_lifecycle *counts = counts_of(task, &container);
  if (!counts) return 0;
  int code = task->signal->group_exit_code;
  if (!code) code = task->exit_code;
  if (code & 0x7f)
    ++counts->signals;
  else if (code)
    ++counts->failures;
  else
    ++counts->successes;
  add_time(&counts->lifetimes, bpf_ktime_get_ns() - task->group_leader->start_time);
  return 0;
}

/* The last numbers of a container are the agent's to take; of what is nobody's, nobody will ask. */
SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(removed, struct cgroup *cgroup)
{
  if (is_v1(cgroup)) return 0;
  __u64 id = cgroup->kn->id;
  if (!bpf_map_lookup_elem(&containers, &id)) bpf_map_delete_elem(&lifecycle, &id);
  bpf_map_delete_elem(&owners, &id);
  return 0;
}
