// Block I/O on a real kernel, against io.stat and against disks whose speed is known: null_blk, which answers
// after as long as it is told to, and loop, whose writes are followed by flushes.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <thread>

#include "agent/base/unique_fd.h"
#include "tests/vm/bpf_work_fixture.h"

namespace plimsoll::bpf {
namespace {

using namespace std::chrono_literals;

const fs::path kNullb = "/sys/kernel/config/nullb/nullb0";

// That many blocks of a size, one after the other, past the page cache.
int transfer(const char* device, bool writes, int count, std::size_t size, int flags = 0) {
  const UniqueFd disk(::open(device, O_RDWR | O_DIRECT | O_CLOEXEC | flags));
  void* block = std::aligned_alloc(4096, size);
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<off_t>(size) * i;
    const ssize_t done =
        writes ? ::pwrite(disk.get(), block, size, at) : ::pread(disk.get(), block, size, at);
    if (done != static_cast<ssize_t>(size)) return 1;
  }
  return 0;
}

class BlockIoTest : public WorkTest {
 protected:
  BlockIoTest() : WorkTest({"blockio"}) {}
  static void SetUpTestSuite() {
    ASSERT_EQ(
        std::system("modprobe null_blk nr_devices=0 && modprobe loop && "
                    "{ mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config; }"),
        0);
  }
  static void TearDownTestSuite() { EXPECT_EQ(std::system("rmmod null_blk"), 0); }
  void TearDown() override {
    if (fs::exists(kNullb)) {
      write(kNullb / "power", "0");
      EXPECT_TRUE(fs::remove(kNullb));
    }
    WorkTest::TearDown();
  }

  // /dev/nullb0, which keeps what is written and answers after that time, so many requests at once.
  static void make_disk(Nanoseconds answer, int at_once = 64) {
    fs::create_directories(kNullb);
    write(kNullb / "size", "256");
    write(kNullb / "memory_backed", "1");
    write(kNullb / "irqmode", "2");
    write(kNullb / "hw_queue_depth", std::to_string(at_once));
    write(kNullb / "completion_nsec", std::to_string(answer.count()));
    write(kNullb / "power", "1");
    ASSERT_TRUE(vm_test::eventually([] { return fs::exists("/dev/nullb0"); }));
  }
  static std::string number_of(const char* device) {
    struct stat facts{};
    EXPECT_EQ(::stat(device, &facts), 0);
    return std::to_string(major(facts.st_rdev)) + ":" + std::to_string(minor(facts.st_rdev));
  }
  model::DiskIo seen(const char* device) const { return seen(device, id()); }
  model::DiskIo seen(const char* device, model::CgroupId container) const {
    const auto disks = probes_->read(container).io;
    EXPECT_TRUE(disks);
    for (const model::DiskIo& disk : disks.value_or(std::vector<model::DiskIo>{})) {
      if (std::to_string(disk.major) + ":" + std::to_string(disk.minor) == number_of(device)) return disk;
    }
    return {};
  }
  std::uint64_t stat(const char* device, const std::string& key) const {
    return number("io.stat", number_of(device) + " ", key);
  }
};

TEST_F(BlockIoTest, BytesAndRequestsAreThoseOfIoStatAndTheDisksTimeIsTheDisks) {
  make_disk(2ms);
  ASSERT_EQ(work(folder_,
                 [] {
                   return transfer("/dev/nullb0", false, 100, 64 << 10) +
                          transfer("/dev/nullb0", true, 50, 16 << 10);
                 }),
            0);
  const model::DiskIo ours = seen("/dev/nullb0");
  EXPECT_EQ(ours.read.bytes, 100U * (64 << 10));
  EXPECT_EQ(ours.read.bytes, stat("/dev/nullb0", "rbytes"));
  EXPECT_EQ(ours.read.latency.count(), stat("/dev/nullb0", "rios"));
  EXPECT_EQ(ours.written.bytes, stat("/dev/nullb0", "wbytes"));
  EXPECT_EQ(ours.written.latency.count(), stat("/dev/nullb0", "wios"));
  EXPECT_EQ(ours.other.latency.count(), 0U);
  std::printf("100 reads of 2 ms each: device %.1f ms, queue %.1f ms, whole %.1f ms\n",
              to_seconds(ours.read.device) * 1e3, to_seconds(ours.read.queued) * 1e3,
              to_seconds(ours.read.latency.sum) * 1e3);
  EXPECT_GE(ours.read.device, 200ms);
  EXPECT_LT(ours.read.queued, ours.read.device / 2);
  EXPECT_EQ(ours.read.device + ours.read.queued, ours.read.latency.sum);
  EXPECT_GE(ours.read.latency.percentile(0.5), 1ms);
  for (const model::ProbeState& probe : probes_->states()) EXPECT_EQ(probe.lost_map_full, 0U) << probe.name;
}

// Many at once, of more than one CPU, which end in interrupts.
TEST_F(BlockIoTest, NoneIsLostAmongMany) {
  make_disk(100us);
  ASSERT_EQ(work(folder_,
                 [] {
                   std::array<int, 8> failed{};
                   {
                     std::vector<std::jthread> threads;
                     for (int& one : failed)
                       threads.emplace_back([&one] { one = transfer("/dev/nullb0", false, 500, 4096); });
                   }
                   return std::accumulate(failed.begin(), failed.end(), 0);
                 }),
            0);
  const model::DiskIo ours = seen("/dev/nullb0");
  const auto states = probes_->states();
  const auto blockio = std::ranges::find(states, "blockio", &model::ProbeState::name);
  ASSERT_NE(blockio, states.end());
  EXPECT_EQ(stat("/dev/nullb0", "rios"), 4000U);
  EXPECT_EQ(ours.read.latency.count() + blockio->missed, 4000U);
  EXPECT_EQ(ours.read.bytes, ours.read.latency.count() * 4096);
  print_costs();
}

TEST_F(BlockIoTest, AWaitForIoMaxIsInTheQueueAndNotInTheDevice) {
  make_disk(10us);
  write(folder_ / "io.max", number_of("/dev/nullb0") + " wbps=1048576");
  ASSERT_EQ(work(folder_, [] { return transfer("/dev/nullb0", true, 32, 64 << 10); }), 0);
  const model::DiskIo ours = seen("/dev/nullb0");
  std::printf("2 MiB at 1 MiB/s: queue %.3f s, device %.3f s\n", to_seconds(ours.written.queued),
              to_seconds(ours.written.device));
  EXPECT_EQ(ours.written.bytes, stat("/dev/nullb0", "wbytes"));
  EXPECT_EQ(ours.written.latency.count(), 32U);
  EXPECT_GT(ours.written.queued, 1s);
  EXPECT_LT(ours.written.device, ours.written.queued / 4);
  EXPECT_GT(ours.written.latency.percentile(0.9), 20ms);
}

// The writer has ended, and others write its pages back.
TEST_F(BlockIoTest, WriteBackIsChargedToTheOwnerOfThePages) {
  make_disk(10us);
  ASSERT_EQ(std::system("mkfs.ext4 -q /dev/nullb0"), 0);
  const std::string mounted = "/tmp/plimsoll-io";
  fs::create_directories(mounted);
  ASSERT_EQ(::mount("/dev/nullb0", mounted.c_str(), "ext4", 0, nullptr), 0);
  EXPECT_EQ(work(folder_,
                 [&] {
                   std::ofstream(mounted + "/file") << std::string(8 * kMiB, 'x');
                   return 0;
                 }),
            0);
  ::sync();
  const model::DiskIo ours = seen("/dev/nullb0");
  EXPECT_GE(ours.written.bytes, 8 * kMiB);
  EXPECT_EQ(ours.written.bytes, stat("/dev/nullb0", "wbytes"));
  EXPECT_LE(ours.written.latency.count(), stat("/dev/nullb0", "wios")) << "bios are joined";
  EXPECT_EQ(::umount(mounted.c_str()), 0);
}

TEST_F(BlockIoTest, ACgroupBelowCountsForItsContainerAndANeighbourHasNone) {
  make_disk(10us);
  fs::create_directories(folder_ / "child");
  write(folder_ / "cgroup.subtree_control", "+io");
  const fs::path neighbour = folder_.string() + "-neighbour";
  fs::create_directories(neighbour);
  ASSERT_TRUE(probes_->watch(id_of(neighbour)));
  ASSERT_EQ(work(folder_ / "child", [] { return transfer("/dev/nullb0", false, 10, 4096); }), 0);
  EXPECT_EQ(seen("/dev/nullb0").read.latency.count(), 10U);
  EXPECT_TRUE(probes_->read(id_of(neighbour)).io->empty());
  fs::remove(neighbour);
  probes_->forget(id());
  ASSERT_TRUE(probes_->watch(id()));
  EXPECT_TRUE(probes_->read(id()).io->empty()) << "what was counted is forgotten";
}

// The disk has a cache and cannot write past it: each write is followed by a flush of its own and, since the
// file is O_DSYNC, by another that is asked for.
TEST_F(BlockIoTest, AWriteWithAFlushIsOneWriteAndFlushesAreTheOthers) {
  ASSERT_EQ(std::system("truncate -s 16M /tmp/plimsoll-disk && losetup /dev/loop0 /tmp/plimsoll-disk"), 0);
  EXPECT_EQ(work(folder_, [] { return transfer("/dev/loop0", true, 20, 4096, O_DSYNC); }), 0);
  const model::DiskIo ours = seen("/dev/loop0");
  EXPECT_EQ(ours.written.bytes, 20U * 4096);
  EXPECT_EQ(ours.written.latency.count(), 20U);
  EXPECT_EQ(ours.other.latency.count(), 20U);
  EXPECT_EQ(ours.other.bytes, 0U);
  EXPECT_EQ(ours.written.bytes, stat("/dev/loop0", "wbytes"));
  EXPECT_EQ(ours.written.latency.count() + ours.other.latency.count(), stat("/dev/loop0", "wios"));
  EXPECT_EQ(std::system("losetup -d /dev/loop0"), 0);
}

// A request whose end was missed leaves its flight behind, and its address comes again.
TEST_F(BlockIoTest, ARequestOfNobodyIsNotThatWhichHadItsAddressBefore) {
  make_disk(200ms, 1);
  write("/sys/block/nullb0/queue/scheduler", "none");  // it would have requests of its own
  const int flights = own_fd<bpf_map_info>("bpf-map", "flights");
  ASSERT_GE(flights, 0);
  const pid_t child = begin(folder_, [] { return transfer("/dev/nullb0", false, 1, 4096); });
  std::uint64_t request = 0;
  std::array<std::uint64_t, 3> flight{};
  ASSERT_TRUE(vm_test::eventually([&] {
    return bpf_map_get_next_key(flights, nullptr, &request) == 0 &&
           bpf_map_lookup_elem(flights, &request, flight.data()) == 0;
  }));
  ASSERT_EQ(wait_for(child), 0);
  ASSERT_EQ(bpf_map_update_elem(flights, &request, flight.data(), BPF_NOEXIST), 0) << "it has not ended";
  const model::DiskIo before = seen("/dev/nullb0");
  EXPECT_EQ(before.read.latency.count(), 1U);
  EXPECT_EQ(transfer("/dev/nullb0", false, 3, 4096), 0);
  EXPECT_EQ(seen("/dev/nullb0").read.bytes, before.read.bytes);
  EXPECT_EQ(seen("/dev/nullb0").read.latency.count(), 1U);
}

TEST_F(BlockIoTest, NoRoomForOneMoreIsCountedAsLost) {
  make_disk(10us);
  probes_ = Probes::open(only({"blockio"}, {.most_cells = 1}));
  ASSERT_TRUE(probes_->watch(id()));
  ASSERT_EQ(std::system("truncate -s 16M /tmp/plimsoll-disk && losetup /dev/loop0 /tmp/plimsoll-disk"), 0);
  EXPECT_EQ(
      work(folder_,
           [] { return transfer("/dev/nullb0", false, 5, 4096) + transfer("/dev/loop0", false, 5, 4096); }),
      0);
  EXPECT_EQ(probes_->read(id()).io->size(), 1U);
  for (const model::ProbeState& probe : probes_->states()) {
    if (probe.name == "blockio") {
      EXPECT_EQ(probe.lost_map_full, 5U);
    }
  }
  EXPECT_EQ(std::system("losetup -d /dev/loop0"), 0);
}

}  // namespace
}  // namespace plimsoll::bpf
