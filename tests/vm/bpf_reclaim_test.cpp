// Stalls for memory on a real kernel, against what the kernel counts of the same cgroup. Clean page cache to
// be taken back comes from null_blk, which reads at once and has no content; there is no swap in the guest.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>

#include <cstdlib>

#include "agent/base/unique_fd.h"
#include "tests/vm/bpf_work_fixture.h"

namespace plimsoll::bpf {
namespace {

using namespace std::chrono_literals;
using Why = model::ProbeAlarm::Why;

// Pressure of a task that moves is thinned: the kernel weighs each CPU by the time that the cgroup used it.
void stay_on_one_cpu() {
  cpu_set_t first;
  CPU_ZERO(&first);
  CPU_SET(0, &first);
  ::sched_setaffinity(0, sizeof first, &first);
}

// Reads that much of the disk through the page cache.
int read_disk(std::size_t bytes) {
  const UniqueFd disk(::open("/dev/nullb0", O_RDONLY | O_CLOEXEC));
  std::vector<char> buffer(kMiB);
  for (std::size_t at = 0; at < bytes; at += kMiB) {
    if (::pread(disk.get(), buffer.data(), kMiB, static_cast<off_t>(at)) != static_cast<ssize_t>(kMiB))
      return 1;
  }
  return 0;
}

// Memory that cannot be taken back.
int fill(std::size_t bytes, int how = 0) {
  auto* memory = static_cast<char*>(
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | how, -1, 0));
  if (memory == MAP_FAILED) return 1;
  for (std::size_t at = 0; at < bytes; at += 4096) memory[at] = 1;
  while (true) ::pause();
}

class ReclaimTest : public WorkTest {
 protected:
  ReclaimTest() : WorkTest({"reclaim"}) {}
  static void SetUpTestSuite() {
    ASSERT_EQ(std::system("modprobe null_blk nr_devices=1 && test -b /dev/nullb0"), 0);
  }
  static void TearDownTestSuite() { EXPECT_EQ(std::system("rmmod null_blk"), 0); }

  void open(const Probes::Options& options) {
    probes_ = Probes::open(only({"reclaim"}, options));
    ASSERT_TRUE(probes_->watch(id()));
  }
  model::Reclaim seen() const { return seen(id()); }
  model::Reclaim seen(model::CgroupId one) const {
    const auto found = probes_->read(one).reclaim;
    EXPECT_TRUE(found);
    return found.value_or(model::Reclaim{});
  }
  std::vector<model::ProbeAlarm> alarms(Why why) {
    std::vector<model::ProbeAlarm> all = probes_->drain();
    std::erase_if(all, [&](const model::ProbeAlarm& one) { return one.why != why; });
    return all;
  }
  Nanoseconds pressure() const { return Microseconds(number("memory.pressure", "some", "total")); }
};

TEST_F(ReclaimTest, EachReclaimAtTheLimitIsCountedOnceAndAsLongAsTheKernelSays) {
  write(folder_ / "memory.max", std::to_string(16 * kMiB));
  ASSERT_EQ(work(folder_,
                 [] {
                   stay_on_one_cpu();
                   return read_disk(192 * kMiB);
                 }),
            0);
  const model::Reclaim ours = seen();
  const auto taken = static_cast<double>(field("memory.stat", "pgsteal"));
  std::printf(
      "reclaims: %llu of ours, %llu of memory.events max; pages: %llu of ours, %.0f of pgsteal; "
      "time: %.1f ms of ours, %.1f ms of memory.pressure\n",
      static_cast<unsigned long long>(ours.memcg.episodes),
      static_cast<unsigned long long>(field("memory.events", "max")),
      static_cast<unsigned long long>(ours.pages), taken, to_seconds(ours.spent()) * 1e3,
      to_seconds(pressure()) * 1e3);
  print_costs();
  EXPECT_GT(ours.memcg.episodes, 0U);
  EXPECT_EQ(ours.memcg.episodes, field("memory.events", "max"));
  EXPECT_EQ(ours.stalls.count(), ours.memcg.episodes);
  EXPECT_EQ(ours.stalls.sum, ours.memcg.spent);
  EXPECT_EQ(ours.direct.episodes + ours.high.episodes, 0U);
  EXPECT_GT(taken, 0);
  EXPECT_NEAR(static_cast<double>(ours.pages), taken, 0.05 * taken);
  EXPECT_LE(ours.spent(), pressure() * 1.1);
  EXPECT_GE(ours.spent(), pressure() * 0.5) << "pressure has stalls beside reclaim, but not most of it";
}

TEST_F(ReclaimTest, WhoIsOverTheLineIsHeldUpAndItsNeighbourIsNot) {
  fs::create_directories(folder_ / "child");
  const fs::path neighbour = folder_.string() + "-neighbour";
  fs::create_directories(neighbour);
  ASSERT_TRUE(probes_->watch(id_of(neighbour)));
  write(folder_ / "memory.high", std::to_string(8 * kMiB));
  const pid_t calm = begin(neighbour, [] { return fill(24 * kMiB); });
  // In a cgroup below: the line is the container's, and so is the stall.
  const pid_t busy = begin(folder_ / "child", [] {
    stay_on_one_cpu();
    return fill(24 * kMiB);
  });
  ASSERT_TRUE(vm_test::eventually([&] { return seen().high.spent > 1s; }));
  end(busy);
  const model::Reclaim ours = seen();
  std::printf(
      "held up: %llu times of ours, %llu of memory.events high; %.1f ms of ours, %.1f ms of "
      "memory.pressure\n",
      static_cast<unsigned long long>(ours.high.episodes),
      static_cast<unsigned long long>(field("memory.events", "high")), to_seconds(ours.spent()) * 1e3,
      to_seconds(pressure()) * 1e3);
  EXPECT_GE(field("memory.events", "high"), ours.high.episodes);
  EXPECT_EQ(ours.memcg.episodes, 0U) << "the reclaim of the handler is a part of it";
  EXPECT_EQ(ours.memcg.spent, 0s);
  EXPECT_EQ(ours.stalls.count(), ours.high.episodes);
  // Waits for pages that are read again are pressure too, and no stall of ours: on a busy machine some.
  EXPECT_LE(to_seconds(ours.spent()), 1.1 * to_seconds(pressure()));
  EXPECT_GE(to_seconds(ours.spent()), 0.7 * to_seconds(pressure()));
  EXPECT_EQ(seen(id_of(neighbour)).spent(), 0s);
  end(calm);
  EXPECT_TRUE(vm_test::eventually([&] {
    std::error_code error;
    return fs::remove(neighbour, error);
  }));
}

// Newer kernels hold up who takes much in one system call within it.
TEST_F(ReclaimTest, WhoTakesAllAtOnceIsHeldUpToo) {
  write(folder_ / "memory.high", std::to_string(8 * kMiB));
  const pid_t busy = begin(folder_, [] {
    stay_on_one_cpu();
    return fill(16 * kMiB, MAP_POPULATE);
  });
  ASSERT_TRUE(vm_test::eventually([&] { return seen().high.spent > 1s; }));
  end(busy);
  EXPECT_NEAR(to_seconds(seen().spent()), to_seconds(pressure()), 0.1 * to_seconds(pressure()));
}

TEST_F(ReclaimTest, TheFirstThatIsHeldUpIsToldAtOnceAndOnceAWindow) {
  open({.window = 1h, .stall_of_a_window = 1h});
  write(folder_ / "memory.high", std::to_string(8 * kMiB));
  const pid_t busy = begin(folder_, [] { return fill(24 * kMiB); });
  pollfd wait{probes_->event_fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&wait, 1, 240'000), 1);
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto told = alarms(Why::kMemoryHigh);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].container, id());
  EXPECT_EQ(told[0].pid, busy);
  std::printf("told %.2f ms after it began\n",
              to_seconds(std::chrono::seconds(now.tv_sec) + Nanoseconds(now.tv_nsec) - told[0].when) * 1e3);
  ASSERT_TRUE(vm_test::eventually([&] { return seen().high.episodes > 3; }));
  EXPECT_LT(alarms(Why::kMemoryHigh).size(), static_cast<std::size_t>(std::thread::hardware_concurrency()));
  end(busy);
}

TEST_F(ReclaimTest, StallsBeyondTheThresholdAreTold) {
  open({.window = 1h, .stall_of_a_window = 1h});
  write(folder_ / "memory.max", std::to_string(16 * kMiB));
  ASSERT_EQ(work(folder_, [] { return read_disk(64 * kMiB); }), 0);
  EXPECT_GT(seen().memcg.episodes, 0U);
  EXPECT_TRUE(alarms(Why::kReclaimStall).empty());
  open({.window = 1h, .stall_of_a_window = 100us});
  ASSERT_EQ(work(folder_, [] { return read_disk(192 * kMiB); }), 0);
  ASSERT_GE(seen().spent(), 1ms);
  const auto told = alarms(Why::kReclaimStall);
  EXPECT_GE(told.size(), 1U);
  EXPECT_LE(told.size(), static_cast<std::size_t>(std::thread::hardware_concurrency()));
}

TEST_F(ReclaimTest, WhatTheHostTakesBackIsNotTheContainersStall) {
  const UniqueFd kept(::open("/dev/nullb0", O_RDONLY | O_CLOEXEC));  // the last to close it drops its pages
  ASSERT_EQ(work(folder_, [] { return read_disk(16 * kMiB); }), 0);
  write(folder_ / "memory.reclaim", "4M");
  EXPECT_GT(field("memory.stat", "pgsteal"), 0U);
  EXPECT_EQ(seen().stalls.count(), 0U);
}

// Huge pages are asked for, some more each time, until the asker has to make room itself. The kernel gives up
// such a wish before it kills for it; but to ask for all that there could ever be keeps it trying for
// minutes.
TEST_F(ReclaimTest, ReclaimOfTheMachineIsDirect) {
  const UniqueFd kept(::open("/dev/nullb0", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(read_disk(256 * kMiB), 0);
  const auto ask = [](std::uint64_t pages) {
    return [pages] {
      std::ofstream("/proc/sys/vm/nr_hugepages") << pages << std::flush;
      return 0;
    };
  };
  std::ifstream meminfo("/proc/meminfo");
  std::string word;
  std::uint64_t free = 0;  // KiB
  while (meminfo >> word && word != "MemFree:") {
  }
  meminfo >> free;
  const std::uint64_t pages = free / 2048;
  ASSERT_GT(pages, 64U);
  for (std::uint64_t more = pages - 64; more < pages + 160 && seen().direct.episodes == 0; more += 16)
    ASSERT_EQ(work(folder_, ask(more)), 0);
  const model::Reclaim ours = seen();
  ASSERT_EQ(work(folder_, ask(0)), 0);
  std::printf("direct: %llu times, %.1f ms, %llu pages\n",
              static_cast<unsigned long long>(ours.direct.episodes), to_seconds(ours.direct.spent) * 1e3,
              static_cast<unsigned long long>(ours.pages));
  EXPECT_GT(ours.direct.episodes, 0U);
  EXPECT_GT(ours.direct.spent, 0s);
  EXPECT_EQ(ours.memcg.episodes, 0U);
}

}  // namespace
}  // namespace plimsoll::bpf
