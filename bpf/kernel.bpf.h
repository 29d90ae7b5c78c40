/* The few fields of the kernel's types that the probes read. CO-RE finds each by name in the running kernel's
 * BTF, so neither order nor neighbours matter here, and no kernel's headers are needed to build. Kernel 6.1
 * and newer. */
#ifndef PLIMSOLL_BPF_KERNEL_BPF_H
#define PLIMSOLL_BPF_KERNEL_BPF_H

// clang-format off: libbpf's headers want the kernel's before them
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
// clang-format on

#include "bpf/wire.h"

#define CORE __attribute__((preserve_access_index))

typedef struct {
  int counter;
} CORE atomic_t;

struct kernfs_node {
  __u64 id;
} CORE;

struct cgroup_root {
  int hierarchy_id; /* 0: cgroup v2's */
} CORE;

struct cgroup {
  int level; /* the root's is 0 */
  struct cgroup_root* root;
  struct kernfs_node* kn;
  struct cgroup* ancestors[]; /* by level, itself among them; since 6.1 */
} CORE;

struct css_set {
  struct cgroup* dfl_cgrp;
} CORE;

struct signal_struct {
  atomic_t live;  /* threads that have not begun to exit */
  int nr_threads; /* that have not been taken out, the dead among them */
  int group_exit_code;
} CORE;

struct sched_info {
  unsigned long long last_arrival; /* rq->clock when it last got a CPU */
  unsigned long long last_queued; /* rq->clock when it became runnable; 0: it is not, or it runs */
} CORE;

struct rq {
  __u64 clock; /* nanoseconds, of this CPU only */
  int cpu;
} CORE;

struct cgroup_subsys_state {
  struct cgroup* cgroup;
} CORE;

struct task_group {
  struct cgroup_subsys_state css;
} CORE;

struct cfs_rq {
  struct rq* rq;
  struct task_group* tg;
  __u64 throttled_clock; /* when it was throttled, in rq->clock; 0: it was not, or had nobody to run (since 6.5) */
} CORE;

struct sched_entity {
  struct cfs_rq* cfs_rq;
} CORE;

struct sock_cgroup_data {
  struct cgroup* cgroup; /* of who made the socket; an accepted one's is its listener's */
} CORE;

struct sock_common {
  volatile unsigned char skc_state;
} CORE;

struct sock {
  struct sock_common __sk_common;
  __u16 sk_protocol;
  int sk_err;
  struct sock_cgroup_data sk_cgrp_data;
} CORE;

struct sk_buff {
  char cb[48]; /* for TCP: struct tcp_skb_cb */
} CORE;

struct tcp_skb_cb {
  __u16 tcp_gso_segs; /* how many segments it is */
} CORE;

#define ON_ITS_WAY 2

struct task_struct {
  int on_rq; /* ON_ITS_WAY: from one run queue to another */
  int pid;
  int tgid;
  int exit_code;
  __u64 start_time; /* CLOCK_MONOTONIC */
  struct task_struct* group_leader;
  struct signal_struct* signal;
  struct css_set* cgroups;
  struct sched_info sched_info;
  struct sched_entity se;
  unsigned int memcg_nr_pages_over_high; /* charged while over memory.high, and not yet paid for */
} CORE;

struct blkcg {
  struct cgroup_subsys_state css;
} CORE;

struct blkcg_gq {
  struct blkcg* blkcg;
} CORE;

struct blk_mq_ops;
struct gendisk;

struct request_queue {
  const struct blk_mq_ops* mq_ops; /* null: it takes bios as they are, and makes no requests */
  struct gendisk* disk;
} CORE;

struct gendisk {
  int major;
  int first_minor;
  struct request_queue* queue;
} CORE;

#define REQ_OP_MASK 0xff
enum req_op {
  REQ_OP_READ = 0,
  REQ_OP_WRITE = 1,
  REQ_OP_ZONE_APPEND = 7,
};

enum req_flag_bits {
  __REQ_PREFLUSH = 18,
};

struct block_device {
  struct gendisk* bd_disk;
} CORE;

struct bvec_iter {
  __u64 bi_sector;
} CORE;

struct bio {
  struct bio* bi_next; /* the next of the same request */
  struct block_device* bi_bdev;
  __u32 bi_opf;
  struct bvec_iter bi_iter;
  struct blkcg_gq* bi_blkg; /* of the cgroup that io.stat charges */
} CORE;

struct request {
  struct request_queue* q;
  __u32 cmd_flags;
  unsigned int __data_len; /* bytes that have not been completed */
  struct bio* bio;         /* the first that has not been */
  __u64 start_time_ns;     /* when it was made; 0: the queue keeps no statistics */
  void* end_io;
} CORE;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif
