/* Each time that a CPU quota held up a run queue (CONFIG_CFS_BANDWIDTH). The kernel throttles and unthrottles the run queue
 * of a cgroup on each CPU for itself, and may do so from another CPU, but with the run queue locked. What is needed is known
 * when it ends: the kernel noted when it began. On 6.12 it forgets that on the way through the function, and the clock is
 * brought up to date on the way: so one is taken before, the other after. */
#include "bpf/held.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} began SEC(".maps"); /* interrupts are off from before to after */

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 4096);
  __type(key, __u64);
  __type(value, struct wire_throttle);
} throttle SEC(".maps");

static const struct wire_throttle kNothing;
static const struct wire_held kNever;

SEC("fentry/unthrottle_cfs_rq")
int BPF_PROG(unthrottling, struct cfs_rq *cfs_rq)
{
  __u32 zero = 0;
  __u64 *begin = bpf_map_lookup_elem(&began, &zero);
  if (begin) *begin = cfs_rq->throttled_clock;
  return 0;
}

static __always_inline void remember(struct cgroup *cgroup, struct rq *rq, __u64 begin, __u64 end)
{
  struct wire_held_key key = {.cgroup = cgroup->kn->id, .cpu = rq->cpu};
  struct wire_held *spans = find_or_begin(&held, &key, &kNever);
  if (!spans) return;
  struct wire_span *span = &spans->spans[spans->count & (WIRE_SPANS - 1)];
  span->begin = begin;
  span->end = end;
  ++spans->count;
  __u32 cpu = rq->cpu;
  __u64 *newest = bpf_map_lookup_elem(&released, &cpu);
  if (newest) *newest = end;
}

SEC("fexit/unthrottle_cfs_rq")
int BPF_PROG(unthrottled, struct cfs_rq *cfs_rq)
{
  __u32 zero = 0;
  __u64 *begin = bpf_map_lookup_elem(&began, &zero);
  struct rq *rq = cfs_rq->rq;
  __u64 end = rq->clock;
  if (!begin || !*begin || *begin >= end) return 0;
  struct cgroup *cgroup = cfs_rq->tg->css.cgroup;
  if (is_v1(cgroup)) return 0;
  remember(cgroup, rq, *begin, end);
  __u64 container = owner_of_cgroup(cgroup);
  if (!container) return 0;
  struct wire_throttle *counts = find_or_begin(&throttle, &container, &kNothing);
  if (counts) add_time(&counts->episodes, end - *begin);
  return 0;
}
