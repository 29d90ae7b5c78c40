/* What the probes have in common, called by itself: BPF_PROG_TEST_RUN. */
#include "bpf/owner.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct wire_histogram);
} times SEC(".maps");

SEC("syscall")
int put_time(__u64 *time)
{
  __u32 zero = 0;
  struct wire_histogram *histogram = bpf_map_lookup_elem(&times, &zero);
  if (!histogram) return -1;
  add_time(histogram, *time);
  return 0;
}

struct excess {
  __u64 began;
  __u64 sum;
  __u64 more;
  __u64 most;
  __u64 window;
  __u64 now;
};

SEC("syscall")
int exceed(struct excess *in)
{
  __u64 began = in->began;
  __u64 sum = in->sum;
  int told = exceeds(&began, &sum, in->more, in->most, in->window, in->now);
  in->began = began;
  in->sum = sum;
  return told;
}
