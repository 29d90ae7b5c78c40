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
  WIRE_EVENT_FORK_BURST,    /* wire_event: `forks_of_a_burst` on one CPU within a window */
  WIRE_EVENT_MEMORY_HIGH,   /* wire_event: a task is held up since its cgroup is over memory.high */
  WIRE_EVENT_RECLAIM_STALL, /* wire_event: `stall_of_a_window` in stalls that ended on one CPU */
  WIRE_EVENT_OOM_VICTIM,    /* wire_oom_victim: a process is being killed; its container may be 0 */
  WIRE_EVENT_OOM,           /* wire_oom: all there is to say, after its last victim; likewise */
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
  wire_u64 stall_of_a_window; /* nanoseconds */
};
WIRE_ASSERT(sizeof(struct wire_settings) == 24, "wire_settings");

/* Map `lifecycle`, per CPU: container -> its processes' beginnings and ends. A process is a thread group.
 * Until the agent has named a container, what happens in its cgroup is counted under the cgroup's own id,
 * which is the same key: nothing is lost between its birth and then. Cgroups that are nobody's have entries
 * too, until they are removed. */
struct wire_lifecycle {
  wire_u64 forks;   /* processes begun */
  wire_u64 threads; /* threads begun, those processes not among them */
  wire_u64 execs;   /* programs begun */
  /* Processes ended, each in one of the three: a sum beside its parts would be read while it is ahead of
   * them. */
  wire_u64 successes;              /* with status 0 */
  wire_u64 failures;               /* with another */
  wire_u64 signals;                /* by a signal */
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

#define WIRE_TURNS 128 /* a power of two */
#define WIRE_PENDING 1000000ull

/* Map `net`, per CPU: container -> what its sockets did. A socket is of the cgroup in which it was made. */
struct wire_net {
  wire_u64 bytes_sent; /* of IP packets with their headers, as its sockets gave and took them */
  wire_u64 bytes_received;
  wire_u64 packets_sent; /* as they are on the wire, where a card cuts and joins them */
  wire_u64 packets_received;
  wire_u64 retransmits; /* TCP segments */
  wire_u64 resets_sent;
  wire_u64 resets_received;
  wire_u64 accepts;               /* TCP connections that others opened */
  wire_u64 connected;             /* TCP connections that it opened */
  wire_u64 refused;               /* likewise, that were refused */
  wire_u64 timed_out;             /* likewise, without an answer */
  wire_u64 failed;                /* likewise, for another reason; given up among them */
  struct wire_histogram connects; /* of `connected`: from the first SYN to the answer */
};
WIRE_ASSERT(sizeof(struct wire_net) == 96 + sizeof(struct wire_histogram), "wire_net");

/* Map `syscalls`, per CPU: container -> system calls that returned. */
#define WIRE_ERRNOS 134 /* one more than the highest that user space knows */
struct wire_syscalls {
  wire_u64 calls;
  wire_u64 errors[WIRE_ERRNOS]; /* of them, by errno; at 0 those that user space has no name for */
};
WIRE_ASSERT(sizeof(struct wire_syscalls) == 8 + 8 * WIRE_ERRNOS, "wire_syscalls");
/* Why a task stalls for memory. Of kinds within each other, the outermost counts. */
enum wire_stall {
  WIRE_STALL_MEMCG,  /* reclaim of a cgroup, its own at memory.max or an ancestor's */
  WIRE_STALL_DIRECT, /* reclaim of the machine, which has no page to give */
  WIRE_STALL_HIGH,   /* held up over memory.high: the reclaim, and the sleep after it */
  WIRE_STALL_KINDS,
};

/* Map `reclaim`, per CPU: container -> its tasks' stalls for memory. */
struct wire_reclaim {
  wire_u64 episodes[WIRE_STALL_KINDS];
  wire_u64 nanoseconds[WIRE_STALL_KINDS];
  wire_u64 pages; /* that they took back meanwhile */
  struct wire_histogram stalls;
  /* The kernel's own, each CPU's for itself: a sum of them means nothing. */
  wire_u64 high_began;
  wire_u64 high_episodes;
  wire_u64 stall_began;
  wire_u64 stall_sum;
};
WIRE_ASSERT(sizeof(struct wire_reclaim) == 8 * (2 * WIRE_STALL_KINDS + 5) + sizeof(struct wire_histogram),
            "wire_reclaim");

/* Map `blockio`, per CPU: a container and a device -> its requests that ended. */
struct wire_io_key {
  wire_u64 container;
  wire_u64 device; /* the disk's, of WIRE_DEVICE */
};
WIRE_ASSERT(sizeof(struct wire_io_key) == 16, "wire_io_key");
/* The topmost bit keeps it apart from cgroup ids. */
#define WIRE_DEVICE(major, minor) (1ull << 63 | (wire_u64)(major) << 32 | (wire_u32)(minor))
#define WIRE_DEVICE_MAJOR(device) ((wire_u32)((device) >> 32 & 0x7fffffff))
#define WIRE_DEVICE_MINOR(device) ((wire_u32)(device))

struct wire_io {
  wire_u64 bytes;
  wire_u64 queued; /* nanoseconds until the device was given them, waits of io.max among them */
  wire_u64 device; /* nanoseconds from then on */
  struct wire_histogram latency;
};
WIRE_ASSERT(sizeof(struct wire_io) == 24 + sizeof(struct wire_histogram), "wire_io");

enum wire_operation {
  WIRE_IO_READ,
  WIRE_IO_WRITE,
  WIRE_IO_OTHER, /* discards and flushes */
  WIRE_IO_OPERATIONS,
};
struct wire_blockio {
  struct wire_io by[WIRE_IO_OPERATIONS];
};
WIRE_ASSERT(sizeof(struct wire_blockio) == WIRE_IO_OPERATIONS * sizeof(struct wire_io), "wire_blockio");

/* Map `devices`: every device that has an entry in `blockio`. */
#define WIRE_MOST_DEVICES 64

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
