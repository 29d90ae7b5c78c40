/* Whose a task is: the container whose cgroup it is in, or an ancestor of that. The agent names the
 * containers; which cgroups lie below them is found here, once for each, and kept. The three maps are shared
 * by all probes. */
#ifndef PLIMSOLL_BPF_OWNER_BPF_H
#define PLIMSOLL_BPF_OWNER_BPF_H

#include "bpf/kernel.bpf.h"

#define DEEPEST 32 /* levels of cgroups; deeper ones count for nobody */

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096); /* set anew before the load */
  __type(key, __u64);
  __type(value, __u32);
} containers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH); /* what falls out is found again */
  __uint(max_entries, 16384);
  __type(key, __u64);
  __type(value, struct wire_owner);
} owners SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} epoch SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, WIRE_LOST_KINDS);
  __type(key, __u32);
  __type(value, __u64);
} lost SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096); /* the agent's stands in its place */
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct wire_settings);
} settings SEC(".maps");

static __always_inline void count_lost(__u32 why) {
  __u64* count = bpf_map_lookup_elem(&lost, &why);
  if (count) ++*count;
}

/* Each hierarchy of cgroup v1 gives ids of its own: they are not to be taken for those of cgroup v2. */
static __always_inline int is_v1(struct cgroup* cgroup) { return cgroup->root->hierarchy_id != 0; }

/* By level; itself among them. Null: it cannot be read. */
static __always_inline struct cgroup* ancestor_of(struct cgroup* cgroup, int level) {
  struct cgroup* above = 0;
  void* ancestors = (void*)cgroup + bpf_core_field_offset(struct cgroup, ancestors);
  bpf_probe_read_kernel(&above, sizeof(above), ancestors + level * sizeof(above));
  return above;
}

/* Once for each cgroup and epoch. */
static __noinline int find_owner(struct cgroup* cgroup, __u64 id, struct wire_owner* found) {
  if (!found) return 0;
  int level = BPF_CORE_READ(cgroup, level);
  for (int i = 0; i < DEEPEST; ++i) {
    int at = level - i;
    if (at <= 0) break;
    struct cgroup* above = ancestor_of(cgroup, at);
    if (!above) break;
    __u64 above_id = BPF_CORE_READ(above, kn, id);
    __u32* slot = bpf_map_lookup_elem(&containers, &above_id);
    if (slot) {
      found->container = above_id;
      found->slot = *slot;
      break;
    }
  }
  bpf_map_update_elem(&owners, &id, found, BPF_ANY);
  return 0;
}

static __always_inline __u32 epoch_now(void) {
  __u32 zero = 0;
  __u32* now = bpf_map_lookup_elem(&epoch, &zero);
  return now ? *now : 0;
}

static __always_inline struct wire_owner find_whose(struct cgroup* cgroup, __u64 id, __u32 now) {
  struct wire_owner* known = bpf_map_lookup_elem(&owners, &id);
  if (known && known->epoch == now) return *known;
  struct wire_owner found = {.epoch = now};
  find_owner(cgroup, id, &found);
  return found;
}

/* The container's id; 0: nobody's. */
static __always_inline __u64 owner_of_cgroup(struct cgroup* cgroup) {
  return find_whose(cgroup, cgroup->kn->id, epoch_now()).container;
}

/* The value of `key`, begun as `nothing` where there is none; null, and counted as lost, where there is no
 * room. Another CPU may be first: then its entry is found. */
static __always_inline void* find_or_begin(void* map, const void* key, const void* nothing) {
  void* value = bpf_map_lookup_elem(map, key);
  if (value) return value;
  bpf_map_update_elem(map, key, nothing, BPF_NOEXIST);
  value = bpf_map_lookup_elem(map, key);
  if (!value) count_lost(WIRE_LOST_MAP_FULL);
  return value;
}

/* Wakes the agent. */
static __always_inline void tell(__u64 container, __u32 kind, __u32 pid, __u64 now) {
  struct wire_event event = {.when = now, .container = container, .kind = kind, .pid = pid};
  if (bpf_ringbuf_output(&events, &event, sizeof(event), 0)) count_lost(WIRE_LOST_RING_FULL);
}

/* Counts `more` of something, of which the agent is to hear when they exceed `most` within a window: true
 * once in a window. `began` and `sum` are this CPU's. */
static __always_inline int exceeds(__u64* began, __u64* sum, __u64 more, __u64 most, __u64 window,
                                   __u64 now) {
  if (now - *began > window) {
    *began = now;
    *sum = 0;
  }
  __u64 before = *sum;
  *sum += more;
  return before < most && *sum >= most;
}

/* log2 of the time in microseconds, rounded up, at most WIRE_SLOTS - 1. */
static __always_inline void add_time(struct wire_histogram* histogram, __u64 nanoseconds) {
  __u64 rest = nanoseconds / 1000;
  __u32 slot = 0;
  if (rest >> 32) slot += 32, rest >>= 32;
  if (rest >> 16) slot += 16, rest >>= 16;
  if (rest >> 8) slot += 8, rest >>= 8;
  if (rest >> 4) slot += 4, rest >>= 4;
  if (rest >> 2) slot += 2, rest >>= 2;
  if (rest >> 1) slot += 1, rest >>= 1;
  slot += rest;
  if (slot >= WIRE_SLOTS) slot = WIRE_SLOTS - 1;
  histogram->nanoseconds += nanoseconds;
  ++histogram->slots[slot];
}

#endif
