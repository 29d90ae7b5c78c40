/* What a container's sockets do. All of it happens as often in timers and interrupts as in system calls, so whose it is
 * is asked of the socket, never of the task that runs. What has no socket (a packet to a closed port and the reset that
 * answers it, the last acknowledgements after a connection's end) is nobody's. */
#include "bpf/owner.bpf.h"

/* linux/tcp_states.h, asm-generic/errno.h, linux/in.h */
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_TIME_WAIT 6
#define TCP_CLOSE 7
#define TCP_NEW_SYN_RECV 12
#define IPPROTO_TCP 6
#define ETIMEDOUT 110
#define ECONNREFUSED 111

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 4096);
  __type(key, __u64);
  __type(value, struct wire_net);
} net SEC(".maps");

/* When the first SYN was sent; it goes with the socket, if not before. */
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, __u64);
} connecting SEC(".maps");

static const struct wire_net kNothing;

/* An interrupt on this CPU may count the same between the reading and the writing of a plain sum. */
#define ADD(sum, more) __sync_fetch_and_add(&(sum), (more))

/* A socket can outlive its container: then its entry is not to be begun again. */
static __noinline struct wire_net *begin(__u64 container)
{
  if (!bpf_map_lookup_elem(&containers, &container)) return 0;
  return find_or_begin(&net, &container, &kNothing);
}

static __always_inline struct wire_net *counts_of(__u64 container)
{
  if (!container) return 0;
  struct wire_net *counts = bpf_map_lookup_elem(&net, &container);
  return counts ? counts : begin(container);
}

static __always_inline struct wire_net *counts_of_socket(const struct sock *sk)
{
  struct cgroup *cgroup = sk->sk_cgrp_data.cgroup;
  return cgroup ? counts_of(owner_of_cgroup(cgroup)) : 0;
}

/* As find_owner, where the kernel gives no cgroup but its ancestors' ids: the deepest container is the nearest. */
static __noinline __u64 find_owner_of_packet(struct __sk_buff *skb, __u64 id, __u32 now)
{
  struct wire_owner found = {.epoch = now};
  for (int level = 1; level < DEEPEST; ++level) {
    __u64 above = bpf_skb_ancestor_cgroup_id(skb, level);
    if (!above) break;
    __u32 *slot = bpf_map_lookup_elem(&containers, &above);
    if (!slot) continue;
    found.container = above;
    found.slot = *slot;
  }
  bpf_map_update_elem(&owners, &id, &found, BPF_ANY);
  return found.container;
}

static __always_inline struct wire_net *counts_of_packet(struct __sk_buff *skb)
{
  __u64 id = bpf_skb_cgroup_id(skb);
  if (!id) return 0;
  /* Only containers have entries, so that most packets are somebody's after one look. */
  struct wire_net *counts = bpf_map_lookup_elem(&net, &id);
  if (counts) return counts;
  __u32 now = epoch_now();
  struct wire_owner *known = bpf_map_lookup_elem(&owners, &id);
  if (known && known->epoch == now) return counts_of(known->container);
  return counts_of(find_owner_of_packet(skb, id, now));
}

static __always_inline __u64 packets_in(struct __sk_buff *skb)
{
  __u32 segments = skb->gso_segs;
  return segments ? segments : 1;
}

/* Both let every packet pass: 1. */
SEC("cgroup_skb/egress")
int sent(struct __sk_buff *skb)
{
  struct wire_net *counts = counts_of_packet(skb);
  if (!counts) return 1;
  ADD(counts->bytes_sent, skb->len);
  ADD(counts->packets_sent, packets_in(skb));
  return 1;
}

SEC("cgroup_skb/ingress")
int received(struct __sk_buff *skb)
{
  struct wire_net *counts = counts_of_packet(skb);
  if (!counts) return 1;
  ADD(counts->bytes_received, skb->len);
  ADD(counts->packets_received, packets_in(skb));
  return 1;
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(retransmitted, const struct sock *sk, const struct sk_buff *skb)
{
  struct wire_net *counts = counts_of_socket(sk);
  if (!counts) return 0;
  struct tcp_skb_cb *cb = (void *)skb + bpf_core_field_offset(struct sk_buff, cb);
  __u16 segments = BPF_CORE_READ(cb, tcp_gso_segs);
  ADD(counts->retransmits, segments ? segments : 1);
  return 0;
}

/* Of a connection that is not a socket yet: its listener's. */
SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(retransmitted_synack, const struct sock *sk)
{
  struct wire_net *counts = counts_of_socket(sk);
  if (counts) ADD(counts->retransmits, 1);
  return 0;
}

/* There may be no socket, or one of the small kinds, which have no cgroup. The state is read by the helper: newer kernels
 * take the pointer for valid, and would let the program fault on null. */
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(reset_sent, const struct sock *sk)
{
  if (!sk) return 0;
  __u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
  if (state == 0 || state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV) return 0;
  struct wire_net *counts = counts_of_socket(sk);
  if (counts) ADD(counts->resets_sent, 1);
  return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(reset_received, const struct sock *sk)
{
  struct wire_net *counts = counts_of_socket(sk);
  if (counts) ADD(counts->resets_received, 1);
  return 0;
}

static __always_inline void begin_connect(struct sock *sk)
{
  __u64 *since = bpf_sk_storage_get(&connecting, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (since)
    *since = bpf_ktime_get_ns();
  else
    count_lost(WIRE_LOST_MAP_FULL);
}

static __always_inline void end_connect(struct sock *sk, struct wire_net *counts)
{
  __u64 *since = bpf_sk_storage_get(&connecting, sk, 0, 0);
  if (!since) return; /* begun before the probe was loaded */
  add_time(&counts->connects, bpf_ktime_get_ns() - *since);
  bpf_sk_storage_delete(&connecting, sk);
}

static __always_inline void count_failure(const struct sock *sk, struct wire_net *counts)
{
  int error = sk->sk_err;
  if (error == ECONNREFUSED)
    ADD(counts->refused, 1);
  else if (error == ETIMEDOUT)
    ADD(counts->timed_out, 1);
  else
    ADD(counts->failed, 1);
}

/* Two ends that open a connection to each other at once both pass through SYN_RECV: it counts as accepted by both. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(state_set, struct sock *sk, int from, int to)
{
  if (sk->sk_protocol != IPPROTO_TCP) return 0;
  if (from != TCP_SYN_SENT && to != TCP_SYN_SENT && !(from == TCP_SYN_RECV && to == TCP_ESTABLISHED)) return 0;
  struct wire_net *counts = counts_of_socket(sk);
  if (!counts) return 0;
  if (to == TCP_SYN_SENT) {
    begin_connect(sk);
  } else if (from == TCP_SYN_RECV) {
    ADD(counts->accepts, 1);
  } else if (to == TCP_ESTABLISHED) {
    ADD(counts->connected, 1);
    end_connect(sk, counts);
  } else if (to == TCP_CLOSE) {
    count_failure(sk, counts);
  }
  return 0;
}
