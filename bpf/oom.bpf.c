/* Who was killed for want of memory, what ran out, who asked, and who had how much.
 *
 * 1. out_of_memory begins.
 * 2. The kernel looks at each process that it might kill (oom_badness): the largest are kept.
 * 3. It has chosen (oom_kill_process): what ran out and who asked is written down.
 * 4. It kills one process, or all of a group (mark_oom_victim within __oom_kill_process): each is told at once.
 * 5. It has done so: all the rest is told.
 * The kernel's oom_lock lets one task at a time through all this, so that there is one scene. Everywhere else these
 * functions are called in vain: oom_badness by who reads /proc/PID/oom_score, mark_oom_victim for who is ending anyway. */
#include "bpf/owner.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 4096);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, struct wire_oom_kills);
} oom SEC(".maps");

struct scene {
  struct wire_oom oom;
  struct wire_oom_victim victim;
  __u32 tid; /* of the task that went in; 0: none is in there */
  __u32 killing;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct scene);
} scenes SEC(".maps");

/* Where each CPU's own variables lie, and how many CPUs there may be. */
extern const void __per_cpu_offset __ksym __weak;
extern const void nr_cpu_ids __ksym __weak;

static const struct wire_oom_kills kNothing;

#define FILEPAGES 0
#define ANONPAGES 1
#define SWAPENTS 2
#define SHMEMPAGES 3

static __always_inline struct scene *scene_of_current(void)
{
  __u32 zero = 0;
  struct scene *scene = bpf_map_lookup_elem(&scenes, &zero);
  return scene && scene->tid == (__u32)bpf_get_current_pid_tgid() ? scene : 0;
}

/* The memory that a process has is that of any of its threads: its first one may have ended. */
static __noinline struct mm_struct *mm_of(struct task_struct *task)
{
  struct mm_struct *mm = BPF_CORE_READ(task, mm);
  struct list_head *at = BPF_CORE_READ(task, signal, thread_head.next);
  for (int i = 0; !mm && at && i < 16; ++i) {
    struct task_struct *thread = (void *)at - bpf_core_field_offset(struct task_struct, thread_node);
    mm = BPF_CORE_READ(thread, mm);
    at = BPF_CORE_READ(at, next);
  }
  return mm;
}

static __always_inline __u64 not_below_0(__s64 count) { return count < 0 ? 0 : count; }

/* Each index must be a constant: only then is the place of the entry found anew. */
static __noinline int read_one_number(struct task_struct *task, struct mm_struct *mm, struct wire_process *out)
{
  if (!out || !bpf_core_type_exists(struct mm_rss_stat)) return 0;
  struct mm_struct___one_number *all = (void *)mm;
  struct task_struct___one_number *own = (void *)task;
#define COUNT(kind) not_below_0(BPF_CORE_READ(all, rss_stat.count[kind].counter) + BPF_CORE_READ(own, rss_stat.count[kind]))
  out->file = COUNT(FILEPAGES);
  out->anon = COUNT(ANONPAGES);
  out->swap = COUNT(SWAPENTS);
  out->shmem = COUNT(SHMEMPAGES);
#undef COUNT
  return 0;
}

/* What a CPU holds back of a counter. */
static __always_inline __s64 held_back(__u64 counters, __u64 offset)
{
  __s32 count = 0;
  bpf_probe_read_kernel(&count, sizeof(count), (void *)(counters + offset));
  return count;
}

/* Beyond so many CPUs, what they hold back is left out, some pages each. Not bpf_loop: with its callback beside code that is
 * dead on this kernel, 6.12 refuses a program to who has not CAP_SYS_ADMIN (jit_subprogs: "No program starts at insn"). */
#define MOST_CPUS 512

/* The pointer is a number, and the function not static, so that it is verified by itself and once. */
__noinline int read_by_cpu(__u64 mm, struct wire_process *out)
{
  if (!out || bpf_core_type_exists(struct mm_rss_stat)) return 0;
  struct mm_struct___by_cpu *all = (void *)mm;
  __u64 file_held = (__u64)BPF_CORE_READ(all, rss_stat[FILEPAGES].counters);
  __u64 anon_held = (__u64)BPF_CORE_READ(all, rss_stat[ANONPAGES].counters);
  __u64 swap_held = (__u64)BPF_CORE_READ(all, rss_stat[SWAPENTS].counters);
  __u64 shmem_held = (__u64)BPF_CORE_READ(all, rss_stat[SHMEMPAGES].counters);
  __s64 file = BPF_CORE_READ(all, rss_stat[FILEPAGES].count);
  __s64 anon = BPF_CORE_READ(all, rss_stat[ANONPAGES].count);
  __s64 swap = BPF_CORE_READ(all, rss_stat[SWAPENTS].count);
  __s64 shmem = BPF_CORE_READ(all, rss_stat[SHMEMPAGES].count);
  __u32 cpus = 0;
  if (&__per_cpu_offset && &nr_cpu_ids) bpf_probe_read_kernel(&cpus, sizeof(cpus), &nr_cpu_ids);
  for (__u32 cpu = 0; cpu < MOST_CPUS && cpu < cpus; ++cpu) {
    __u64 offset = 0;
    bpf_probe_read_kernel(&offset, sizeof(offset), &__per_cpu_offset + cpu * sizeof(offset));
    file += held_back(file_held, offset);
    anon += held_back(anon_held, offset);
    swap += held_back(swap_held, offset);
    shmem += held_back(shmem_held, offset);
  }
  out->file = not_below_0(file);
  out->anon = not_below_0(anon);
  out->swap = not_below_0(swap);
  out->shmem = not_below_0(shmem);
  return 0;
}

static __always_inline void describe(struct task_struct *task, struct wire_process *out)
{
  struct cgroup *cgroup = task->cgroups->dfl_cgrp;
  struct mm_struct *mm = mm_of(task);
  __builtin_memset(out, 0, sizeof(*out));
  out->container = owner_of_cgroup(cgroup);
  out->cgroup = cgroup->kn->id;
  out->pid = task->tgid;
  out->tid = task->pid;
  out->uid = task->cred->uid.val;
  out->score_adj = task->signal->oom_score_adj;
  BPF_CORE_READ_STR_INTO(&out->comm, task, group_leader, comm);
  if (!mm) return;
  out->total_vm = BPF_CORE_READ(mm, total_vm);
  out->page_tables = BPF_CORE_READ(mm, pgtables_bytes.counter);
  read_one_number(task, mm, out);
  read_by_cpu((__u64)mm, out);
}

static __always_inline __u64 weight(const struct wire_process *process)
{
  return process->anon + process->file + process->shmem + process->swap;
}

/* "/a/b", from the names of the cgroups above it. */
static __noinline int path_of(struct cgroup *cgroup, char *path)
{
  int level = BPF_CORE_READ(cgroup, level);
  __u32 end = 0;
  if (!path) return 0;
  path[0] = 0;
  for (int i = 1; i < DEEPEST && i <= level; ++i) {
    struct cgroup *above = ancestor_of(cgroup, i);
    if (end >= WIRE_PATH) return 0;
    path[end] = '/';
    long got = bpf_probe_read_kernel_str(&path[(end & (WIRE_PATH - 1)) + 1], WIRE_NAME - 1, BPF_CORE_READ(above, kn, name));
    if (got <= 0) return 0;
    end += got;
  }
  return 0;
}

SEC("fentry/out_of_memory")
int BPF_PROG(ran_out, struct oom_control *oc)
{
  __u32 zero = 0;
  struct scene *scene = bpf_map_lookup_elem(&scenes, &zero);
  if (!scene) return 0;
  scene->oom.began = bpf_ktime_get_boot_ns();
  scene->oom.considered = 0;
  scene->oom.ranked = 0;
  scene->oom.victims = 0;
  scene->killing = 0;
  scene->tid = bpf_get_current_pid_tgid();
  return 0;
}

/* The place of the least of those that are kept. */
static __noinline __u32 least(struct wire_oom *oom)
{
  __u32 found = 0;
  __u64 smallest = ~0ull;
  if (!oom) return 0;
  for (__u32 i = 0; i < WIRE_TOP; ++i) {
    __u64 here = weight(&oom->top[i]);
    if (here >= smallest) continue;
    smallest = here;
    found = i;
  }
  return found;
}

SEC("fentry/oom_badness")
int BPF_PROG(looked_at, struct task_struct *task)
{
  struct scene *scene = scene_of_current();
  if (!scene) return 0;
  struct wire_process one;
  describe(task, &one);
  struct wire_oom *oom = &scene->oom;
  ++oom->considered;
  __u32 place = oom->ranked;
  if (place < WIRE_TOP) {
    ++oom->ranked;
  } else {
    place = least(oom);
    if (place >= WIRE_TOP || weight(&one) <= weight(&oom->top[place])) return 0;
  }
  oom->top[place] = one;
  return 0;
}

SEC("fentry/oom_kill_process")
int BPF_PROG(chosen, struct oom_control *oc)
{
  struct scene *scene = scene_of_current();
  if (!scene) return 0;
  struct wire_oom *oom = &scene->oom;
  struct mem_cgroup *memcg = oc->memcg;
  oom->killed_at = bpf_ktime_get_boot_ns();
  oom->gfp = oc->gfp_mask;
  oom->order = oc->order;
  oom->constraint = oc->constraint;
  oom->total = oc->totalpages;
  oom->memcg = 0;
  oom->event.container = 0;
  oom->path[0] = 0;
  oom->usage = oom->max = oom->high = oom->swap_usage = oom->swap_max = 0;
  if (memcg) {
    struct cgroup *cgroup = memcg->css.cgroup;
    oom->memcg = cgroup->kn->id;
    oom->event.container = owner_of_cgroup(cgroup);
    oom->usage = memcg->memory.usage.counter;
    oom->max = memcg->memory.max;
    oom->high = memcg->memory.high;
    oom->swap_usage = memcg->swap.usage.counter;
    oom->swap_max = memcg->swap.max;
    path_of(cgroup, oom->path);
  }
  struct task_struct *asker = bpf_get_current_task_btf();
  describe(asker, &oom->asker);
  path_of(asker->cgroups->dfl_cgrp, oom->asker_path);
  return 0;
}

SEC("fentry/__oom_kill_process")
int BPF_PROG(killing)
{
  struct scene *scene = scene_of_current();
  if (scene) scene->killing = 1;
  return 0;
}

/* It is called with the victim's memory still in place. */
SEC("fentry/mark_oom_victim")
int BPF_PROG(killed, struct task_struct *task)
{
  struct scene *scene = scene_of_current();
  if (!scene || !scene->killing) return 0;
  scene->killing = 0;
  ++scene->oom.victims;
  struct wire_oom_victim *victim = &scene->victim;
  describe(task, &victim->process);
  path_of(task->cgroups->dfl_cgrp, victim->path);
  __u64 container = victim->process.container;
  if (container) {
    struct wire_oom_kills *kills = find_or_begin(&oom, &container, &kNothing);
    if (kills && scene->oom.constraint == WIRE_OOM_MEMCG)
      ++kills->memcg;
    else if (kills)
      ++kills->global;
  }
  victim->oom = scene->oom.began;
  victim->event.when = bpf_ktime_get_ns();
  victim->event.container = container;
  victim->event.kind = WIRE_EVENT_OOM_VICTIM;
  victim->event.pid = victim->process.pid;
  if (bpf_ringbuf_output(&events, victim, sizeof(*victim), 0)) count_lost(WIRE_LOST_RING_FULL);
  return 0;
}

SEC("fexit/oom_kill_process")
int BPF_PROG(done, struct oom_control *oc)
{
  struct scene *scene = scene_of_current();
  if (!scene) return 0;
  scene->tid = 0;
  if (!scene->oom.victims) return 0; /* the one it chose was ending anyway */
  scene->oom.event.when = bpf_ktime_get_ns();
  scene->oom.event.kind = WIRE_EVENT_OOM;
  scene->oom.event.pid = scene->oom.asker.pid;
  if (bpf_ringbuf_output(&events, &scene->oom, sizeof(scene->oom), 0)) count_lost(WIRE_LOST_RING_FULL);
  return 0;
}
