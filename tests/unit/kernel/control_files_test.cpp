#include "agent/kernel/control_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "agent/kernel/file.h"
#include "agent/kernel/limits.h"
#include "agent/kernel/proc_files.h"

namespace plimsoll::kernel {
namespace {

const std::string kOurs = "/cgroup/plimsoll/" + std::string(64, '1');
const std::string kDocker = "/cgroup/system.slice/docker-" + std::string(64, '2') + ".scope";

// The trees hold what the kernels wrote; see tests/vm/watch_fixtures.sh for how they came to be.
class Fixture : public ::testing::TestWithParam<const char*> {
 protected:
  std::string folder() const { return std::string(PLIMSOLL_FIXTURES) + "/cgroup-" + GetParam(); }
  std::string text(const std::string& path) const {
    auto read = read_file(folder() + path);
    EXPECT_TRUE(read) << path;
    return read.value_or("");
  }
};
INSTANTIATE_TEST_SUITE_P(Kernels, Fixture, ::testing::Values("6.1", "6.12"), [](const auto& param) {
  return param.param == std::string("6.1") ? "Linux6_1" : "Linux6_12";
});

TEST_P(Fixture, CpuOfAThrottledContainer) {
  const auto stat = parse_cpu_stat(text(kOurs + "/cpu.stat"));
  ASSERT_TRUE(stat) << stat.error().message();
  EXPECT_GT(stat->usage, Microseconds(1'000'000));
  EXPECT_NEAR(static_cast<double>(stat->usage.count()),
              static_cast<double>((stat->user + stat->system).count()), 2);
  ASSERT_TRUE(stat->periods && stat->throttled_periods && stat->throttled && stat->burst_periods &&
              stat->burst);
  EXPECT_GT(*stat->throttled_periods, 10U);
  EXPECT_LE(*stat->throttled_periods, *stat->periods);
}

TEST_P(Fixture, MemoryOfAContainerThatWasHitByTheKiller) {
  const auto events = parse_memory_events(text(kOurs + "/memory.events"));
  ASSERT_TRUE(events);
  EXPECT_EQ(events->oom_kill, 1U);
  EXPECT_GT(events->max, 0U);
  EXPECT_EQ(events->oom_group_kill, 0U);
  const auto stat = parse_memory_stat(text(kOurs + "/memory.stat"));
  ASSERT_TRUE(stat);
  EXPECT_GT(stat->pgfault, 1000U);
  EXPECT_GT(stat->kernel.value, 0U);
  EXPECT_GT(stat->slab.value, 0U);
  const auto peak = parse_count(text(kOurs + "/memory.peak"));
  ASSERT_TRUE(peak);
  EXPECT_EQ(*peak, 64UL << 20);
}

TEST_P(Fixture, EveryKeyOfMemoryStatLandsInItsField) {
  const std::string whole = text("/cgroup/memory.stat");
  const auto value_of = [&](const std::string& key) {
    const std::size_t at = whole.starts_with(key + " ") ? 0 : whole.find("\n" + key + " ") + 1;
    return std::stoull(whole.substr(at + key.size() + 1));
  };
  const auto stat = parse_memory_stat(whole);
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->anon.value, value_of("anon"));
  EXPECT_EQ(stat->file.value, value_of("file"));
  EXPECT_EQ(stat->kernel.value, value_of("kernel"));
  EXPECT_EQ(stat->sock.value, value_of("sock"));
  EXPECT_EQ(stat->shmem.value, value_of("shmem"));
  EXPECT_EQ(stat->file_mapped.value, value_of("file_mapped"));
  EXPECT_EQ(stat->file_dirty.value, value_of("file_dirty"));
  EXPECT_EQ(stat->file_writeback.value, value_of("file_writeback"));
  EXPECT_EQ(stat->inactive_file.value, value_of("inactive_file"));
  EXPECT_EQ(stat->active_file.value, value_of("active_file"));
  EXPECT_EQ(stat->slab.value, value_of("slab"));
  EXPECT_EQ(stat->refault_anon, value_of("workingset_refault_anon"));
  EXPECT_EQ(stat->refault_file, value_of("workingset_refault_file"));
  EXPECT_EQ(stat->pgscan, value_of("pgscan"));
  EXPECT_EQ(stat->pgsteal, value_of("pgsteal"));
  EXPECT_EQ(stat->pgfault, value_of("pgfault"));
  EXPECT_EQ(stat->pgmajfault, value_of("pgmajfault"));
}

TEST_P(Fixture, IoAndPressure) {
  std::vector<model::IoStat> io(7);
  ASSERT_TRUE(parse_io_stat(text(kOurs + "/io.stat"), io));
  ASSERT_EQ(io.size(), 1U);
  EXPECT_EQ(io[0].major, 7U);
  EXPECT_EQ(io[0].written, Bytes{64UL * 65536});
  EXPECT_EQ(io[0].writes, 64U);
  EXPECT_EQ(io[0].read, Bytes{32UL * 65536});
  ASSERT_TRUE(parse_io_stat(text("/cgroup/io.stat"), io));  // has devices without numbers
  EXPECT_EQ(io.size(), 1U);
  const auto pressure = parse_pressure(text(kOurs + "/cpu.pressure"));
  ASSERT_TRUE(pressure);
  EXPECT_GT(pressure->some.total, Microseconds(0));
  EXPECT_GT(pressure->some.avg10, 0);
  EXPECT_TRUE(pressure->full);
  EXPECT_TRUE(parse_pressure(text("/proc/pressure/memory")));
}

TEST_P(Fixture, LimitsAsTheyWereSet) {
  const auto open = [&](const std::string& path) {
    return UniqueFd(::open((folder() + path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  };
  const auto limits = read_limits(open(kOurs).get());
  ASSERT_TRUE(limits) << limits.error().message();
  EXPECT_EQ(limits->cpu_max->quota.value(), Microseconds(50'000));
  EXPECT_EQ(limits->cpu_max->cores().value(), CpuCores{0.5});
  EXPECT_EQ(limits->cpu_burst, Microseconds(10'000));
  EXPECT_EQ(limits->cpu_weight, 50U);
  EXPECT_EQ(limits->cpu_idle, false);
  EXPECT_EQ(limits->cpus, "0-1");
  EXPECT_EQ(limits->memory_max->value(), Bytes{64UL << 20});
  EXPECT_TRUE(limits->memory_high->is_max());
  EXPECT_EQ(limits->memory_low->value(), Bytes{4UL << 20});
  EXPECT_EQ(limits->memory_swap_max->value(), Bytes{0});
  EXPECT_EQ(limits->pids_max->value(), 100U);
  ASSERT_EQ(limits->io_max->size(), 1U);
  EXPECT_EQ(limits->io_max->at(0).read_bps->value(), 52428800U);
  EXPECT_TRUE(limits->io_max->at(0).write_bps->is_max());
  EXPECT_EQ(limits->io_weight->standard, 100U);
  EXPECT_EQ(limits->io_max->at(0).write_iops->value(), 500U);
  const auto free = read_limits(open(kDocker).get());
  ASSERT_TRUE(free);
  EXPECT_TRUE(free->cpu_max->quota.is_max());
  EXPECT_TRUE(free->memory_max->is_max());
  EXPECT_TRUE(free->io_max->empty());
}

TEST_P(Fixture, TheRest) {
  const auto events = parse_cgroup_events(text(kOurs + "/cgroup.events"));
  ASSERT_TRUE(events);
  EXPECT_TRUE(events->populated);
  EXPECT_FALSE(events->frozen);
  EXPECT_EQ(parse_hugetlb_events(text(kOurs + "/hugetlb.2MB.events")).value_or(99), 0U);
  EXPECT_EQ(parse_processes(text(kOurs + "/cgroup.procs")).value_or(std::vector<int>{}).size(), 1U);
  const auto memory = parse_meminfo(text("/proc/meminfo"));
  ASSERT_TRUE(memory);
  EXPECT_GT(memory->total, memory->available);
  const auto stat = parse_proc_stat(text("/proc/stat"), 100);
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->online_cpus, 2U);
  EXPECT_GT(stat->cpu.usage, Microseconds(1'000'000));
  EXPECT_EQ(parse_partitions(text("/proc/partitions")).value_or(DeviceNames{}).at({7, 0}), "loop0");
  const auto topology = parse_cpuinfo(text("/proc/cpuinfo"));
  EXPECT_EQ(topology.logical, 2U);
  EXPECT_EQ(topology.cores, 2U);
  EXPECT_EQ(topology.sockets, 1U);
}

TEST_P(Fixture, NetworkWithoutLoopback) {
  std::vector<model::NetStat> net;
  std::size_t read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder() + "/proc")) {
    if (!std::filesystem::exists(entry.path() / "net/dev")) continue;
    std::vector<model::NetStat> one;
    ASSERT_TRUE(parse_net_dev(*read_file(entry.path() / "net/dev"), one));
    if (one.size() > net.size()) net = one;
    ++read;
  }
  EXPECT_EQ(read, 2U);
  ASSERT_EQ(net.size(), 2U);  // eth0 and its peer
  EXPECT_GT(net[0].received.value, 0U);
  EXPECT_GT(net[0].tx_packets, 0U);
}

struct Bad {
  const char* what;
  bool accepted;
};
#define BAD(call) \
  Bad { #call, (call).has_value() }

TEST(ControlFiles, GarbageIsAnErrorThatNamesTheFile) {
  std::vector<model::IoStat> io;
  std::vector<model::NetStat> net;
  const Bad cases[] = {
      BAD(parse_cpu_stat("")),
      BAD(parse_cpu_stat("usage_usec")),
      BAD(parse_cpu_stat("usage_usec -1\n")),
      BAD(parse_cpu_stat("usage_usec 99999999999999999999\n")),
      BAD(parse_cpu_stat("user_usec 1\n")),
      BAD(parse_memory_stat("anon x\n")),
      BAD(parse_memory_stat("something 1\n")),
      BAD(parse_memory_events("low 0\n")),
      BAD(parse_memory_events("oom_kill 1 2\n")),
      BAD(parse_pressure("full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")),
      BAD(parse_pressure("some avg10=0.0 avg60=0.00 avg300=0.00 total=0\n")),
      BAD(parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00\n")),
      BAD(parse_io_stat("8 rbytes=1\n", io)),
      BAD(parse_io_stat("8:0 rbytes=one\n", io)),
      BAD(parse_io_stat("8:4294967296 rbytes=1\n", io)),
      BAD(parse_cgroup_events("populated 2\n")),
      BAD(parse_cgroup_events("frozen 1\n")),
      BAD(parse_cpu_max("max\n")),
      BAD(parse_cpu_max("max 0\n")),
      BAD(parse_cpu_max("50000 100000 1\n")),
      BAD(parse_bound("")),
      BAD(parse_bound("maximum\n")),
      BAD(parse_count("1 \n")),
      BAD(parse_flag("2\n")),
      BAD(parse_cpu_list("0-\n0")),
      BAD(parse_processes("1\n-2\n")),
      BAD(parse_io_max("8:0 rbps=much\n")),
      BAD(parse_io_weight("default\n")),
      BAD(parse_io_weight("8:x 50\n")),
      BAD(parse_hugetlb_events("min 0\n")),
      BAD(parse_meminfo("MemTotal: lots\n")),
      BAD(parse_proc_stat("cpu 1 2 3\n", 100)),
      BAD(parse_net_dev("a\nb\neth0 1 2\n", net)),
      BAD(parse_partitions("8 0 sda\n")),
  };
  for (const Bad& bad : cases) EXPECT_FALSE(bad.accepted) << bad.what;
  const auto error = parse_cpu_stat("usage_usec oops\n");
  EXPECT_EQ(error.error().message(), "cpu.stat: malformed line 'usage_usec oops'");
  EXPECT_EQ(error.error().kind(), ErrorKind::kInvalid);
}

TEST(ControlFiles, WeightsOfDevices) {
  const auto weights = parse_io_weight("default 100\n8:0 50\n254:16 1000\n");
  ASSERT_TRUE(weights);
  EXPECT_EQ(weights->standard, 100U);
  ASSERT_EQ(weights->devices.size(), 2U);
  EXPECT_EQ(to_string(weights->devices[1].first), "254:16");
  EXPECT_EQ(weights->devices[1].second, 1000U);
}

TEST(ControlFiles, UnknownKeysAreIgnored) {
  EXPECT_TRUE(parse_cpu_stat("usage_usec 1\ncore_sched.force_idle_usec 7\nnew words here\n"));
  EXPECT_TRUE(parse_memory_stat("anon 1\nbrand_new x\n"));
  std::vector<model::IoStat> io;
  EXPECT_TRUE(parse_io_stat("8:0 rbytes=1 cost.usage=7\n", io));
  EXPECT_EQ(io.size(), 1U);
}

}  // namespace
}  // namespace plimsoll::kernel
