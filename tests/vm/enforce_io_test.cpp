// Limits of disks, from a policy's text to the bytes a second that a process gets: on null_blk, and on a
// filesystem on brd.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <thread>

#include "agent/kernel/block_device.h"
#include "agent/kernel/control_files.h"
#include "agent/kernel/limits.h"
#include "policies/engine.h"
#include "tests/vm/cgroup_fixture.h"

namespace plimsoll::enforce {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t kBlock = 64UL << 10;
const kernel::DeviceRoots kRoots{"/sys", "/proc/self/mountinfo"};

class DiskLimitTest : public CgroupTest {
 protected:
  DiskLimitTest() : CgroupTest("disk-test", "disk-test", {"io"}) {}
  static void SetUpTestSuite() {
    ASSERT_EQ(std::system("modprobe null_blk nr_devices=1 && modprobe brd rd_nr=1 rd_size=65536 && "
                          "test -b /dev/nullb0 && test -b /dev/ram0"),
              0);
  }
  static void TearDownTestSuite() { EXPECT_EQ(std::system("rmmod null_blk brd"), 0); }

  void use(const std::string& limits) {
    const auto loaded = policies::load_texts(
        {{"disk.yaml",
          "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: disk}\nspec: {select: {names: disk-test}, "
          "limits: {io: [" +
              limits + "]}}\n"}});
    ASSERT_TRUE(loaded.good()) << to_string(loaded.diagnostics.at(0));
    engine_.use(loaded.set);
    std::map<std::string, policies::Engine::Disk> disks;
    for (const std::string& text : policies::devices_of(*loaded.set)) {
      const auto number = kernel::resolve_block_device(text, kRoots);
      disks[text] = number ? policies::Engine::Disk{to_string(*number), ""}
                           : policies::Engine::Disk{"", number.error().message()};
    }
    engine_.use_devices(std::move(disks));
  }
  // One turn of the agent's loop.
  std::vector<model::DecisionRecord> turn() {
    model::Snapshot snapshot;
    snapshot.boot = snapshot.host.taken = clock_.boot();
    model::ContainerSample one{ref_, {}};
    one.sample.taken = clock_.boot();
    auto limits = kernel::read_limits(cgroup_->fd());
    EXPECT_TRUE(limits);
    one.sample.limits = *std::move(limits);
    snapshot.containers.push_back(std::move(one));
    std::vector<model::DecisionRecord> records;
    for (const model::Decision& decision : engine_.evaluate(snapshot, {})) {
      records.push_back(executor_.carry_out(decision));
      engine_.report(decision, records.back());
    }
    return records;
  }
  // A process of the cgroup that writes, or reads, all the time past the page cache.
  void start_io(const char* device, bool writes) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (!cgroup_->add_process(0)) ::_exit(1);
      const int fd = ::open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
      void* block = std::aligned_alloc(4096, kBlock);
      while (fd >= 0 && block != nullptr) {
        if ((writes ? ::pwrite(fd, block, kBlock, 0) : ::pread(fd, block, kBlock, 0)) < 0) ::_exit(1);
      }
      ::_exit(1);
    }
    children_.push_back(child);
  }
  model::IoStat io() {
    std::vector<model::IoStat> all;
    const auto text = cgroup_->read("io.stat");
    EXPECT_TRUE(text && kernel::parse_io_stat(*text, all));
    return all.empty() ? model::IoStat{} : all.front();
  }
  // What is done a second, over 10 s after the first second. A loaded host may not let the emulated guest run
  // often enough to reach the limit: one window must, and none may pass it.
  template <typename Value>
  double limited_rate(Value value, double limit, double tolerance) {
    double seen = 0;
    for (int window = 0; window < 12; ++window) {
      seen = rate(value);
      if (seen >= (1 - tolerance) * limit) break;
    }
    return seen;
  }
  template <typename Value>
  double rate(Value value) {
    std::this_thread::sleep_for(1s);
    const double first = static_cast<double>(value(io()));
    const auto begin = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(10s);
    const double grown = static_cast<double>(value(io())) - first;
    return grown / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  policies::Engine engine_{policies::EngineOptions{}};
};

TEST_F(DiskLimitTest, AWriterGetsItsBytesASecondDriftIsCorrectedAndTheOriginalComesBack) {
  const auto number = kernel::resolve_block_device("/dev/nullb0", kRoots);
  ASSERT_TRUE(number) << number.error().message();
  const std::string disk = to_string(*number);
  ASSERT_TRUE(cgroup_->write("io.max", disk + " riops=77777"));
  use("{device: /dev/nullb0, write_bps: 2MiB, read_iops: 20}");
  const auto records = turn();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].after, disk + " wbps=2097152");
  EXPECT_EQ(records[0].before, disk + " wbps=max");
  EXPECT_EQ(records[1].before, disk + " riops=77777");
  EXPECT_EQ(read("io.max"), disk + " rbps=max wbps=2097152 riops=20 wiops=max");
  EXPECT_TRUE(turn().empty());

  start_io("/dev/nullb0", true);
  const double written =
      limited_rate([](const model::IoStat& stat) { return stat.written.value; }, 2097152, 0.05);
  start_io("/dev/nullb0", false);
  const double reads = limited_rate([](const model::IoStat& stat) { return stat.reads; }, 20, 0.1);
  std::printf("write_bps 2097152: %.0f bytes/s (%+.1f %%); read_iops 20: %.2f a second (%+.1f %%)\n", written,
              100 * (written / 2097152 - 1), reads, 100 * (reads / 20 - 1));
  EXPECT_NEAR(written, 2097152, 0.05 * 2097152);
  EXPECT_NEAR(reads, 20, 0.1 * 20);

  ASSERT_TRUE(cgroup_->write("io.max", disk + " wbps=max"));
  const auto drift = turn();
  ASSERT_EQ(drift.size(), 1U);
  EXPECT_EQ(drift[0].cause, "drift");
  EXPECT_EQ(read("io.max"), disk + " rbps=max wbps=2097152 riops=20 wiops=max");

  engine_.use(std::make_shared<policies::PolicySet>());
  EXPECT_EQ(turn().size(), 2U);
  EXPECT_EQ(read("io.max"), disk + " rbps=max wbps=max riops=77777 wiops=max");
  start_io("/dev/nullb0", true);
  EXPECT_GT(rate([](const model::IoStat& stat) { return stat.written.value; }), 2 * 2097152);
}

TEST_F(DiskLimitTest, AWeightNeedsTheCostModelAndSaysSoWithoutIt) {
  const auto number = kernel::resolve_block_device("/dev/nullb0", kRoots);
  ASSERT_TRUE(number);
  const std::string disk = to_string(*number);
  use("{device: " + disk + ", weight: 50}");
  const auto before = turn();
  ASSERT_EQ(before.size(), 1U);
  EXPECT_EQ(before[0].outcome, "refused");
  EXPECT_NE(before[0].detail.find("io.cost.qos"), std::string::npos) << before[0].detail;
  auto root = kernel::Cgroup::open(kRoot);
  ASSERT_TRUE(root);
  const auto enabled = root->write("io.cost.qos", disk + " enable=1");
  ASSERT_TRUE(enabled) << enabled.error().message();
  engine_ = policies::Engine(policies::EngineOptions{});
  use("{device: " + disk + ", weight: 50}");
  const auto after = turn();
  ASSERT_EQ(after.size(), 1U);
  EXPECT_EQ(after[0].outcome, "done") << after[0].detail;
  EXPECT_EQ(read("io.weight"), "default 100\n" + disk + " 50");
  EXPECT_TRUE(turn().empty());
  ASSERT_TRUE(cgroup_->write("io.weight", disk + " 70"));
  EXPECT_EQ(turn().size(), 1U);
  engine_.use(std::make_shared<policies::PolicySet>());
  turn();
  EXPECT_EQ(read("io.weight"), "default 100");
  EXPECT_TRUE(root->write("io.cost.qos", disk + " enable=0"));
}

TEST_F(DiskLimitTest, AFolderStandsForTheDiskBelowIt) {
  ASSERT_EQ(std::system("mkfs.ext4 -q /dev/ram0"), 0);
  const std::string folder = "/tmp/disk test";
  std::filesystem::create_directories(folder);
  ASSERT_EQ(::mount("/dev/ram0", folder.c_str(), "ext4", 0, nullptr), 0);
  const auto by_file = kernel::resolve_block_device("/dev/ram0", kRoots);
  const auto by_folder = kernel::resolve_block_device(folder, kRoots);
  ASSERT_TRUE(by_file && by_folder);
  EXPECT_EQ(*by_file, *by_folder);
  use("{device: '" + folder + "', read_bps: 1MiB}");
  const auto records = turn();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].after, to_string(*by_file) + " rbps=1048576");
  EXPECT_EQ(::umount(folder.c_str()), 0);

  use("{device: /tmp, read_bps: 1MiB}");
  const auto refused = turn();
  ASSERT_FALSE(refused.empty());
  EXPECT_EQ(refused.back().outcome, "refused");
  EXPECT_NE(refused.back().detail.find("/tmp is on tmpfs"), std::string::npos) << refused.back().detail;
}

}  // namespace
}  // namespace plimsoll::enforce
