/* What the probes in the kernel and the agent say to each other. Read by C for BPF and by C++: fixed widths
 * only, no padding, and every size asserted on both sides, since each side lays it out by itself. Times are
 * nanoseconds of CLOCK_MONOTONIC unless said otherwise; a cgroup's id is the inode of its folder. */
#ifndef PLIMSOLL_BPF_WIRE_H
#define PLIMSOLL_BPF_WIRE_H

#ifdef __cplusplus
#include <cstdint>
typedef std::uint64_t wire_u64;
typedef std::uint32_t wire_u32;
typedef std::int32_t wire_s32;
#define WIRE_ASSERT static_assert
#else
typedef __u64 wire_u64;
typedef __u32 wire_u32;
typedef __s32 wire_s32;
#define WIRE_ASSERT _Static_assert
#endif

/* A histogram of times: slot i counts those below 2^i microseconds and not below half of that; the last slot
 * counts all that are longer as well. 2^26 us is 67 s. */
#define WIRE_SLOTS 28

struct wire_histogram {
  wire_u64 nanoseconds; /* their sum */
  wire_u64 slots[WIRE_SLOTS];
};
WIRE_ASSERT(sizeof(struct wire_histogram) == 8 + 8 * WIRE_SLOTS, "wire_histogram");

/* Map `containers`: cgroup id of a container -> its slot, a wire_u32. */

/* Map `owners`: cgroup id -> whose it is. An entry of another epoch is stale: a container was made since. */
struct wire_owner {
  wire_u64 container; /* cgroup id of the container that it is, or lies below; 0: nobody's */
  wire_u32 epoch;
  wire_u32 slot; /* of that container, in array maps that have one for each; nobody's is 0 as well */
};
WIRE_ASSERT(sizeof(struct wire_owner) == 16, "wire_owner");

/* Why something is not in the counts. Array map `lost`, per CPU, of WIRE_LOST_KINDS counters. */
enum wire_lost {
  WIRE_LOST_MAP_FULL,  /* no room for one more container, or for one more of what it does */
  WIRE_LOST_RING_FULL, /* an event: the agent did not read them fast enough */
  WIRE_LOST_KINDS,
};

/* What must not wait for the next tick. Ring buffer `events`; the kind says which record it is. */
enum wire_event_kind {
  WIRE_EVENT_FORK_BURST, /* wire_event: `forks_of_a_burst` on one CPU within a window */
  WIRE_EVENT_OOM_VICTIM, /* wire_oom_victim: a process is being killed; its container may be 0 */
  WIRE_EVENT_OOM,        /* wire_oom: all there is to say, after its last victim; likewise */
};
struct wire_event {
  wire_u64 when;
  wire_u64 container; /* never 0, but where the kind says so */
  wire_u32 kind;
  wire_u32 pid; /* of the process that did it; 0: none in particular */
};
WIRE_ASSERT(sizeof(struct wire_event) == 24, "wire_event");

/* Map `settings`: one of them, written before any probe is loaded. */
struct wire_settings {
  wire_u64 window; /* no CPU tells of a container's excess more than once in it */
  wire_u64 forks_of_a_burst;
};
WIRE_ASSERT(sizeof(struct wire_settings) == 16, "wire_settings");

/* Map `lifecycle`, per CPU: container -> its processes' beginnings and ends. A process is a thread group.
 * Until the agent has named a container, what happens in its cgroup is counted under the cgroup's own id,
 * which is the same key: nothing is lost between its birth and then. Cgroups that are nobody's have entries
 * too, until they are removed. */
struct wire_lifecycle {
  wire_u64 forks;                  /* processes begun */
  wire_u64 threads;                /* threads begun, those processes not among them */
  wire_u64 execs;                  /* programs begun */
  wire_u64 exits;                  /* processes ended */
  wire_u64 failures;               /* of them, with a status that is not 0 */
  wire_u64 signals;                /* of them, by a signal */
  wire_u64 attaches;               /* processes and threads that were moved in from another cgroup */
  struct wire_histogram lifetimes; /* of the processes that ended */
  /* The kernel's own, each CPU's for itself: a sum of them means nothing. */
  wire_u64 burst_began;
  wire_u64 burst_forks;
};
WIRE_ASSERT(sizeof(struct wire_lifecycle) == 72 + sizeof(struct wire_histogram), "wire_lifecycle");

/* Map `sched`, an array, per CPU: slot of a container -> its time on CPUs and in their run queues. */
struct wire_sched {
  wire_u64 on_cpu; /* nanoseconds */
  wire_u64 stolen; /* of its waits, while another container had the CPU; nanoseconds */
  /* From runnable to running; a wait that ends by a move to another CPU is not among them. */
  struct wire_histogram waits;
};
WIRE_ASSERT(sizeof(struct wire_sched) == 16 + sizeof(struct wire_histogram), "wire_sched");

/* Map `blame`, per CPU: who waited, and who had the CPU meanwhile -> nanoseconds. Less than WIRE_PENDING of
 * each CPU's is still on its way there. */
struct wire_blame {
  wire_u64 victim; /* cgroup id of a container */
  wire_u64
      aggressor; /* likewise, the victim's own among them; or one of below, which no cgroup has for an id */
};
WIRE_ASSERT(sizeof(struct wire_blame) == 16, "wire_blame");
#define WIRE_AGGRESSOR_HOST 0 /* tasks that are in no container, and interrupts beside them */
#define WIRE_AGGRESSOR_NOBODY 0xffffffffffffffffull  /* the CPU was idle: it had yet to wake up */
#define WIRE_AGGRESSOR_UNKNOWN 0xfffffffffffffffeull /* before the last WIRE_TURNS turns of the CPU */
#define WIRE_AGGRESSOR_QUOTA \
  0xfffffffffffffffdull /* the CPU quota of its cgroup, or of one above, was used up */

/* Map `throttle`, per CPU: container -> how long its CPU quota, or one of a cgroup below it, held it up. Each
 * CPU's run queue is throttled for itself. */
struct wire_throttle {
  struct wire_histogram episodes;
};
WIRE_ASSERT(sizeof(struct wire_throttle) == sizeof(struct wire_histogram), "wire_throttle");

/* Map `held`: a cgroup with a quota, and a CPU -> when its run queue there was last held up, in that CPU's
 * rq->clock. Array map `released`: CPU -> the newest end of these. Both are written by `throttle` and read by
 * `sched`. */
struct wire_held_key {
  wire_u64 cgroup;
  wire_u64 cpu;
};
struct wire_span {
  wire_u64 begin;
  wire_u64 end;
};
#define WIRE_SPANS 4 /* a power of two */
struct wire_held {
  wire_u64 count; /* the newest is spans[(count - 1) % WIRE_SPANS] */
  struct wire_span spans[WIRE_SPANS];
};
WIRE_ASSERT(sizeof(struct wire_held) == 8 + 16 * WIRE_SPANS, "wire_held");

#define WIRE_TURNS 32 /* a power of two */
#define WIRE_PENDING 1000000ull

/* Map `oom`, per CPU: container -> its processes that were killed for want of memory. */
struct wire_oom_kills {
  wire_u64 memcg;  /* the limit of a cgroup was reached: the container's, or one above or below it */
  wire_u64 global; /* the machine had no more, or the nodes that were allowed */
};
WIRE_ASSERT(sizeof(struct wire_oom_kills) == 16, "wire_oom_kills");

/* A cgroup's path is cut where it begins its last part beyond WIRE_PATH; a part has room for WIRE_NAME. */
#define WIRE_PATH 512 /* a power of two */
#define WIRE_NAME 256
#define WIRE_COMM 16
#define WIRE_TOP 10

/* A process and its memory, in pages but where said otherwise. */
struct wire_process {
  wire_u64 container; /* 0: nobody's */
  wire_u64 cgroup;
  wire_u64 total_vm;
  wire_u64 anon;
  wire_u64 file;
  wire_u64 shmem;
  wire_u64 swap;
  wire_u64 page_tables; /* bytes */
  wire_u32 pid;         /* of the process: the kernel's tgid */
  wire_u32 tid;         /* of the thread by which the kernel found it */
  wire_u32 uid;
  wire_s32 score_adj; /* oom_score_adj */
  char comm[WIRE_COMM];
};
WIRE_ASSERT(sizeof(struct wire_process) == 96, "wire_process");

struct wire_oom_victim {
  struct wire_event event;
  wire_u64 oom; /* `began` of the wire_oom that it belongs to */
  struct wire_process process;
  char path[WIRE_PATH + WIRE_NAME]; /* of its cgroup */
};
WIRE_ASSERT(sizeof(struct wire_oom_victim) == 24 + 8 + 96 + 768, "wire_oom_victim");

/* Of the kernel's enum oom_constraint. */
enum wire_oom_constraint {
  WIRE_OOM_NONE, /* the machine has no more */
  WIRE_OOM_CPUSET,
  WIRE_OOM_MEMORY_POLICY,
  WIRE_OOM_MEMCG,
  WIRE_OOM_CONSTRAINTS,
};

/* A limit that is not set is LONG_MAX bytes, in pages. */
struct wire_oom {
  struct wire_event event; /* container: the one that ran out, or that what ran out lies in */
  wire_u64 began;          /* CLOCK_BOOTTIME; no two have the same */
  wire_u64 killed_at;      /* CLOCK_BOOTTIME */
  wire_u64 memcg;          /* cgroup id of what ran out; 0: the machine */
  /* Pages, of that cgroup, just before the kill. */
  wire_u64 usage;
  wire_u64 max;
  wire_u64 high;
  wire_u64 swap_usage;
  wire_u64 swap_max;
  wire_u64 total; /* pages that there could be, of memory and swap: of the limit, or of the machine */
  wire_u32 gfp;
  wire_s32 order; /* 2^order pages were asked for; -1: a person asked, by SysRq */
  wire_u32 constraint;
  wire_u32 victims;    /* that were killed */
  wire_u32 considered; /* processes that the kernel looked at */
  wire_u32 ranked;     /* of `top` */
  struct wire_process asker;
  struct wire_process top[WIRE_TOP]; /* of those looked at, the largest, in no order */
  char path[WIRE_PATH + WIRE_NAME];  /* of `memcg` */
  char asker_path[WIRE_PATH + WIRE_NAME];
};
WIRE_ASSERT(sizeof(struct wire_oom) == 24 + 72 + 24 + 11 * 96 + 2 * 768, "wire_oom");

#endif
