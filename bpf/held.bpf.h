/* When run queues were held up by a CPU quota: written by the probe `throttle`, read by `sched`. */
#ifndef PLIMSOLL_BPF_HELD_BPF_H
#define PLIMSOLL_BPF_HELD_BPF_H

#include "bpf/owner.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH); /* those of dead cgroups fall out */
  __uint(max_entries, 16384);
  __type(key, struct wire_held_key);
  __type(value, struct wire_held);
} held SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1); /* the agent's has one for each CPU */
  __type(key, __u32);
  __type(value, __u64);
} released SEC(".maps");

#endif
