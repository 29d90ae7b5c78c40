/* System calls, and what they failed with. It runs at the end of every system call of the host, so each CPU remembers
 * whose the last cgroup was: what is nobody's costs no look into a hash. */
#include "bpf/owner.bpf.h"

/* linux/errno.h: the kernel's own words for "call again", which no program sees. */
#define ERESTARTSYS 512
#define EPROBE_DEFER 517
#define MAX_ERRNO 4095

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 4096);
  __uint(map_flags, BPF_F_NO_PREALLOC); /* its values are large */
  __type(key, __u64);
  __type(value, struct wire_syscalls);
} syscalls SEC(".maps");

struct last {
  __u64 cgroup;
  __u64 owner;
  __u64 epoch;
};
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct last);
} lasts SEC(".maps");

static const struct wire_syscalls kNothing;

static __always_inline __u64 owner_of_current(void)
{
  __u32 zero = 0;
  struct last *last = bpf_map_lookup_elem(&lasts, &zero);
  __u32 now = epoch_now();
  if (!last) return 0;
  struct cgroup *cgroup = bpf_get_current_task_btf()->cgroups->dfl_cgrp;
  __u64 id = cgroup->kn->id;
  if (last->cgroup == id && last->epoch == now) return last->owner;
  last->epoch = now;
  last->owner = owner_of_cgroup(cgroup);
  last->cgroup = id;
  return last->owner;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(returned, struct pt_regs *registers, long result)
{
  __u64 container = owner_of_current();
  if (!container) return 0;
  struct wire_syscalls *counts = find_or_begin(&syscalls, &container, &kNothing);
  if (!counts) return 0;
  ++counts->calls;
  if (result >= 0 || result < -MAX_ERRNO) return 0;
  __u64 error = -result;
  if (error >= ERESTARTSYS && error <= EPROBE_DEFER) return 0;
  if (error >= WIRE_ERRNOS) error = 0;
  ++counts->errors[error];
  return 0;
}
