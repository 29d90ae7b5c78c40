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

struct cgroup {
  int level; /* the root's is 0 */
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
  unsigned long long last_queued; /* rq->clock when it became runnable; 0: it is not, or it runs */
} CORE;

struct rq {
  __u64 clock; /* nanoseconds, of this CPU only */
} CORE;

struct cfs_rq {
  struct rq* rq;
} CORE;

struct sched_entity {
  struct cfs_rq* cfs_rq;
} CORE;

struct task_struct {
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

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif
