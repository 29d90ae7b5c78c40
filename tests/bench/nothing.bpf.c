/* Programs that do nothing, on the hooks that are hot: what a hook costs by itself. */
#include "bpf/kernel.bpf.h"

SEC("tp_btf/sched_switch")
int BPF_PROG(switched) { return 0; }

SEC("tp_btf/sched_process_fork")
int BPF_PROG(forked) { return 0; }

SEC("tp_btf/sched_process_exec")
int BPF_PROG(began) { return 0; }

SEC("tp_btf/sched_process_exit")
int BPF_PROG(exited) { return 0; }
