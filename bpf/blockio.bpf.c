/* How long disks take, and how long requests wait until a disk is given them. Whose a request is, its first bio says: the
 * block layer charged it to a cgroup when it was made, which for written-back pages is their owner's and not the
 * flusher's, and joins only bios of one cgroup. */
#include "bpf/owner.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 4096);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct wire_io_key);
  __type(value, struct wire_blockio);
} blockio SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, WIRE_MOST_DEVICES);
  __type(key, __u64);
  __type(value, __u8);
} devices SEC(".maps");

/* Requests that a disk has. Their addresses come again, so that one whose end was missed is overwritten, or taken out where
 * the next is nobody's. */
struct flight {
  __u64 container;
  __u64 made;
  __u64 issued; /* 0: its data are there, and the flush that follows them is not */
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, __u64); /* struct request* */
  __type(value, struct flight);
} flights SEC(".maps");

/* Bios that io.max holds back, before they become requests. The sector tells another bio at the same address. */
struct held {
  __u64 since;
  __u64 sector;
};
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, __u64); /* struct bio* */
  __type(value, struct held);
} held_bios SEC(".maps");
static volatile __u64 any_held; /* ever; volatile keeps it as wide as its type says */

#define MOST_BIOS 64 /* of a request, that are asked how long they were held */

static const struct wire_blockio kNothing;

static __always_inline __u64 owner_of_bio(struct bio *bio)
{
  if (!bio) return 0;
  struct cgroup *cgroup = bio->bi_blkg->blkcg->css.cgroup;
  if (!cgroup || is_v1(cgroup)) return 0;
  return owner_of_cgroup(cgroup);
}

/* True: it waits; what it waits for may be over by now. */
SEC("?fexit/__blk_throtl_bio")
int BPF_PROG(throttled, struct bio *bio, _Bool waits)
{
  if (!waits || !bio->bi_bdev->bd_disk->queue->mq_ops) return 0;
  struct held held = {.since = bpf_ktime_get_ns(), .sector = bio->bi_iter.bi_sector};
  __u64 key = (__u64)bio;
  any_held = 1;
  bpf_map_update_elem(&held_bios, &key, &held, BPF_ANY);
  return 0;
}

static __noinline __u64 first_held(struct bio *bio, __u64 made)
{
  for (int i = 0; i < MOST_BIOS && bio; ++i) {
    __u64 key = (__u64)bio;
    struct held *held = bpf_map_lookup_elem(&held_bios, &key);
    if (held) {
      if (held->sector == bio->bi_iter.bi_sector && held->since < made) made = held->since;
      bpf_map_delete_elem(&held_bios, &key);
    }
    bio = bio->bi_next;
  }
  return made;
}

/* A disk that has no room for it now is given it again later, and then counts from then on. */
SEC("tp_btf/block_rq_issue")
int BPF_PROG(issued, struct request *request)
{
  struct flight flight = {.container = owner_of_bio(request->bio)};
  __u64 key = (__u64)request;
  if (!flight.container) {
    bpf_map_delete_elem(&flights, &key);
    return 0;
  }
  flight.issued = bpf_ktime_get_ns();
  flight.made = request->start_time_ns;
  if (!flight.made || flight.made > flight.issued) flight.made = flight.issued;
  if (any_held) flight.made = first_held(request->bio, flight.made);
  if (bpf_map_update_elem(&flights, &key, &flight, BPF_ANY)) count_lost(WIRE_LOST_MAP_FULL);
  return 0;
}

static __always_inline struct wire_io *counts_of(struct request *request, __u64 container, __u32 operation)
{
  struct gendisk *disk = request->q->disk;
  struct wire_io_key key = {.container = container, .device = WIRE_DEVICE(disk->major, disk->first_minor)};
  struct wire_blockio *counts = bpf_map_lookup_elem(&blockio, &key);
  if (!counts) {
    if (!bpf_map_lookup_elem(&containers, &container)) return 0; /* forgotten since it was issued */
    __u8 yes = 1;
    if (bpf_map_update_elem(&devices, &key.device, &yes, BPF_ANY)) {
      count_lost(WIRE_LOST_MAP_FULL);
      return 0;
    }
    counts = find_or_begin(&blockio, &key, &kNothing);
  }
  return counts && operation < WIRE_IO_OPERATIONS ? &counts->by[operation] : 0;
}

static __always_inline __u32 operation_of(struct request *request)
{
  switch (request->cmd_flags & REQ_OP_MASK) {
  case REQ_OP_READ:
    return WIRE_IO_READ;
  case REQ_OP_WRITE:
  case REQ_OP_ZONE_APPEND:
    return WIRE_IO_WRITE;
  default:
    return WIRE_IO_OTHER;
  }
}

/* A flush without data is never issued: the queue has a request of its own for the flushes of several. */
static __always_inline int flush_ended(struct request *request)
{
  struct bio *bio = request->bio;
  __u64 container = owner_of_bio(bio), made = request->start_time_ns;
  if (!container || !made || !(bio->bi_opf & 1u << bpf_core_enum_value(enum req_flag_bits, __REQ_PREFLUSH))) return 0;
  struct wire_io *counts = counts_of(request, container, WIRE_IO_OTHER);
  if (counts) add_time(&counts->latency, bpf_ktime_get_ns() - made);
  return 0;
}

/* Comes for each part that ends; the last one ends the request. Where the disk's cache is flushed about the data, the
 * request comes back here when the last flush has ended: until then it has an end_io. */
SEC("tp_btf/block_rq_complete")
int BPF_PROG(completed, struct request *request, int error, unsigned int bytes)
{
  __u64 key = (__u64)request;
  struct flight *flight = bpf_map_lookup_elem(&flights, &key);
  if (!flight) return bytes ? 0 : flush_ended(request);
  struct wire_io *counts = counts_of(request, flight->container, operation_of(request));
  if (counts) counts->bytes += bytes;
  if (bytes < request->__data_len) return 0;
  __u64 now = bpf_ktime_get_ns();
  if (counts && flight->issued) {
    counts->queued += flight->issued - flight->made;
    counts->device += now - flight->issued;
  }
  if (flight->issued && request->end_io) {
    flight->issued = 0;
    return 0;
  }
  if (counts) add_time(&counts->latency, now - flight->made);
  bpf_map_delete_elem(&flights, &key);
  return 0;
}
