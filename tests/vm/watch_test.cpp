// The watch flow on a real kernel with pure cgroup v2. Each test makes its own cgroups below /plimsoll and
// removes them. Runs as root inside the virtual machine.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <functional>
#include <string>

#include "agent/kernel/cgroup.h"
#include "agent/kernel/control_files.h"
#include "agent/watch/watcher.h"

namespace plimsoll::watch {
namespace {

const std::string kMount = "/sys/fs/cgroup";
constexpr auto kCeiling = std::chrono::seconds(60);  // for an emulated machine

std::string id_of(char digit) { return std::string(64, digit); }

class WatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto root = kernel::Cgroup::open(kMount);
    ASSERT_TRUE(root);
    ASSERT_TRUE(root->enable({"cpu", "memory", "pids", "io"}));
    const auto ours = kernel::Cgroup::create(kMount + "/plimsoll");
    ASSERT_TRUE(ours);
    ASSERT_TRUE(ours->enable({"cpu", "memory", "pids", "io"}));
    Options options;
    options.cgroup_mount = kMount;
    options.proc = "/proc";
    auto watcher = Watcher::open(std::move(options), clock_, nullptr);
    ASSERT_TRUE(watcher) << watcher.error().message();
    watcher_ = *std::move(watcher);
    watcher_->take();
    watcher_->drain();
  }
  void TearDown() override {
    watcher_.reset();
    for (const int child : children_) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
    ASSERT_TRUE(kernel::remove_cgroup_tree(kMount + "/plimsoll"));
  }

  kernel::Cgroup make(const std::string& id) {
    auto cgroup = kernel::Cgroup::create(kMount + "/plimsoll/" + id);
    EXPECT_TRUE(cgroup) << cgroup.error().message();
    return *std::move(cgroup);
  }
  // A process inside `cgroup` that does `work` and ends; it is inside when this returns.
  int run_in(const kernel::Cgroup& cgroup, const std::function<void()>& work) {
    std::array<int, 2> joined{};
    EXPECT_EQ(::pipe2(joined.data(), O_CLOEXEC), 0);
    const UniqueFd here(joined[0]);
    UniqueFd there(joined[1]);
    const int child = ::fork();
    if (child == 0) {
      if (!cgroup.add_process(0)) ::_exit(99);
      there.reset();
      work();
      ::_exit(0);
    }
    there.reset();
    char none = 0;
    EXPECT_EQ(::read(here.get(), &none, 1), 0);
    children_.push_back(child);
    return child;
  }
  // True as soon as `what` is; false after the ceiling.
  bool wait_until(const std::function<bool()>& what) {
    for (const BootTime end = clock_.boot() + kCeiling; clock_.boot() < end; ::usleep(1000)) {
      if (what()) return true;
    }
    return false;
  }
  int wait_for(int child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    std::erase(children_, child);
    return status;
  }
  // Waits for events alone: no tick happens here.
  template <typename What>
  const What* next(const std::function<bool(const What&)>& wanted) {
    const BootTime end = clock_.boot() + kCeiling;
    while (clock_.boot() < end) {
      for (auto& event : watcher_->drain()) seen_.push_back(std::move(event));
      for (const auto& event : seen_) {
        const auto* what = std::get_if<What>(&event.what);
        if (what != nullptr && wanted(*what)) return what;
      }
      pollfd poll_one{watcher_->event_fd(), POLLIN, 0};
      ::poll(&poll_one, 1, 1000);
    }
    return nullptr;
  }
  const model::ContainerSample* find(const model::Snapshot& snapshot, model::CgroupId id) {
    for (const auto& container : snapshot.containers) {
      if (container.ref->id == id) return &container;
    }
    return nullptr;
  }

  SystemClock clock_;
  std::unique_ptr<Watcher> watcher_;
  std::vector<model::Event> seen_;
  std::vector<int> children_;
};

void burn(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

void touch(std::size_t bytes) {
  auto* memory = static_cast<volatile char*>(
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (memory == MAP_FAILED) ::_exit(98);
  for (std::size_t at = 0; at < bytes; at += 4096) memory[at] = 1;
}

TEST_F(WatchTest, BirthAndDeathAreNoticedWithoutATick) {
  const BootTime start = clock_.boot();
  const auto cgroup = make(id_of('a'));
  const auto* born =
      next<model::ContainerAppeared>([&](const auto& one) { return one.ref->id == cgroup.id(); });
  ASSERT_NE(born, nullptr);
  EXPECT_EQ(born->ref->runtime, model::Runtime::kPlimsoll);
  EXPECT_EQ(born->ref->container_id, id_of('a'));
  const auto birth = clock_.boot() - start;
  ASSERT_TRUE(kernel::remove_cgroup_tree(cgroup.path()));
  const auto* gone =
      next<model::ContainerVanished>([&](const auto& one) { return one.ref->id == cgroup.id(); });
  ASSERT_NE(gone, nullptr);
  EXPECT_EQ(watcher_->snapshot()->ended.size(), 1U);
  std::printf("birth noticed after %.1f ms\n", std::chrono::duration<double, std::milli>(birth).count());
}

TEST_F(WatchTest, ValuesLieBetweenTwoReadingsOfTheSameFiles) {
  const auto cgroup = make(id_of('b'));
  ASSERT_TRUE(cgroup.write("cpu.max", "30000 100000"));
  ASSERT_TRUE(cgroup.write("memory.max", "67108864"));
  run_in(cgroup, [] {
    touch(8UL << 20);
    while (true) burn(std::chrono::seconds(1));
  });
  ASSERT_TRUE(
      wait_until([&] { return kernel::parse_count(*cgroup.read("memory.peak")).value() > 8UL << 20; }));
  ASSERT_NE(next<model::ContainerAppeared>([&](const auto& one) { return one.ref->id == cgroup.id(); }),
            nullptr);
  for (int round = 0; round < 5; ++round) {
    const auto before = kernel::parse_cpu_stat(*cgroup.read("cpu.stat"));
    const auto pressure_before = kernel::parse_pressure(*cgroup.read("cpu.pressure"));
    const auto taken = watcher_->take();
    const auto after = kernel::parse_cpu_stat(*cgroup.read("cpu.stat"));
    const auto pressure_after = kernel::parse_pressure(*cgroup.read("cpu.pressure"));
    const auto* container = find(*taken, cgroup.id());
    ASSERT_NE(container, nullptr);
    const auto& sample = container->sample;
    ASSERT_TRUE(before && after && sample.cpu && sample.pressure.cpu);
    EXPECT_LE(before->usage, sample.cpu->usage);
    EXPECT_LE(sample.cpu->usage, after->usage);
    EXPECT_LE(*before->periods, *sample.cpu->periods);
    EXPECT_LE(*sample.cpu->periods, *after->periods);
    EXPECT_LE(*before->throttled, *sample.cpu->throttled);
    EXPECT_LE(*sample.cpu->throttled, *after->throttled);
    EXPECT_LE(pressure_before->some.total, sample.pressure.cpu->some.total);
    EXPECT_LE(sample.pressure.cpu->some.total, pressure_after->some.total);
    EXPECT_EQ(sample.limits.cpu_max->quota.value(), Microseconds(30'000));
    EXPECT_EQ(sample.limits.memory_max->value(), Bytes{67108864});
    EXPECT_GT(sample.memory.peak->value, 8UL << 20);
    EXPECT_EQ(sample.processes, 1U);
    EXPECT_EQ(sample.populated, true);
    burn(std::chrono::milliseconds(200));
  }
  EXPECT_EQ(watcher_->stats().malformed_files, 0U);
  EXPECT_EQ(watcher_->stats().reopened_files, 0U);
}

TEST_F(WatchTest, AnOutOfMemoryKillIsAnEventAndCountedOnce) {
  const auto cgroup = make(id_of('c'));
  ASSERT_TRUE(cgroup.write("memory.max", "16777216"));
  ASSERT_TRUE(cgroup.write("memory.swap.max", "0"));
  const int child = run_in(cgroup, [] { touch(64UL << 20); });
  const int status = wait_for(child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  const auto* killed = next<model::MemoryEventsChanged>(
      [&](const auto& one) { return one.after.oom_kill > one.before.oom_kill; });
  ASSERT_NE(killed, nullptr);
  EXPECT_EQ(killed->ref->id, cgroup.id());
  EXPECT_EQ(killed->after.oom_kill, 1U);
  watcher_->take();
  std::size_t kills = 0;
  for (auto& event : watcher_->drain()) seen_.push_back(std::move(event));
  for (const auto& event : seen_) {
    const auto* what = std::get_if<model::MemoryEventsChanged>(&event.what);
    if (what != nullptr && what->after.oom_kill > what->before.oom_kill) ++kills;
  }
  EXPECT_EQ(kills, 1U);
}

TEST_F(WatchTest, TheLastSampleOfAContainerThatLivedLessThanATickIsKept) {
  const auto cgroup = make(id_of('d'));
  ASSERT_NE(next<model::ContainerAppeared>([&](const auto& one) { return one.ref->id == cgroup.id(); }),
            nullptr);
  const int child = run_in(cgroup, [] {
    touch(4UL << 20);
    burn(std::chrono::milliseconds(300));
  });
  wait_for(child);
  const auto last = kernel::parse_cpu_stat(*cgroup.read("cpu.stat"));
  // The runtime removes the cgroup once its process is reaped; the watcher is awake for "populated 0" then.
  ASSERT_TRUE(wait_until([&] {
    watcher_->drain();
    const auto snapshot = watcher_->snapshot();
    const auto* now = find(*snapshot, cgroup.id());
    return now != nullptr && now->sample.populated == false && now->sample.cpu->usage >= last->usage;
  }));
  ASSERT_TRUE(kernel::remove_cgroup_tree(cgroup.path()));
  model::ContainerRef told;
  told.container_id = id_of('d');
  watcher_->set_end({std::make_shared<const model::ContainerRef>(told),
                     {},
                     clock_.wall(),
                     model::Exit{clock_.wall(), 0, false}});
  ASSERT_NE(next<model::ContainerVanished>([&](const auto& one) { return one.ref->id == cgroup.id(); }),
            nullptr);
  const auto snapshot = watcher_->snapshot();
  ASSERT_EQ(snapshot->ended.size(), 1U);
  EXPECT_EQ(snapshot->ended[0].last.cpu->usage, last->usage);
  EXPECT_GT(snapshot->ended[0].last.memory.peak->value, 4UL << 20);
  ASSERT_TRUE(snapshot->ended[0].exit);
  EXPECT_EQ(snapshot->ended[0].exit->code, 0);
  EXPECT_EQ(find(*snapshot, cgroup.id()), nullptr);
}

TEST_F(WatchTest, MemoryPressureWakesTheWatcher) {
  const auto cgroup = make(id_of('e'));
  ASSERT_TRUE(cgroup.write("memory.max", "33554432"));
  ASSERT_NE(next<model::ContainerAppeared>([&](const auto& one) { return one.ref->id == cgroup.id(); }),
            nullptr);
  watcher_->take();  // arms the trigger: the container has a memory limit
  EXPECT_EQ(watcher_->stats().pressure_window, Microseconds(500'000));
  EXPECT_GE(watcher_->stats().pressure_triggers, 4U);
  ASSERT_TRUE(cgroup.write("memory.high", "8388608"));  // far above it: reclaim, and throttling
  ASSERT_TRUE(cgroup.write("memory.swap.max", "0"));
  run_in(cgroup, [] {
    touch(24UL << 20);
    while (true) touch(1UL << 20);
  });
  const auto* raised = next<model::PressureRaised>(
      [&](const auto& one) { return one.ref != nullptr && one.ref->id == cgroup.id(); });
  ASSERT_NE(raised, nullptr);
  EXPECT_EQ(raised->resource, "memory");
}

TEST_F(WatchTest, ALimitThatSomeoneElseWritesIsSeenWithoutATick) {
  const auto cgroup = make(id_of('f'));
  ASSERT_NE(next<model::ContainerAppeared>([&](const auto& one) { return one.ref->id == cgroup.id(); }),
            nullptr);
  ASSERT_TRUE(cgroup.write("memory.max", "1073741824"));
  std::vector<model::CgroupId> changed;
  ASSERT_TRUE(wait_until([&] {
    watcher_->drain();
    changed = watcher_->take_limit_changes();
    return !changed.empty();
  }));
  ASSERT_EQ(changed, std::vector{cgroup.id()});
  const auto snapshot = watcher_->snapshot();
  EXPECT_EQ(find(*snapshot, cgroup.id())->sample.limits.memory_max->value(), Bytes{1UL << 30});
}

TEST_F(WatchTest, ANameInUseAgainIsAnotherContainer) {
  std::vector<model::CgroupId> ids;
  for (int generation = 0; generation < 20; ++generation) {
    const auto cgroup = make(id_of('0'));
    ids.push_back(cgroup.id());
    if (generation % 2 == 0) {
      ASSERT_NE(next<model::ContainerAppeared>([&](const auto& one) { return one.ref->id == cgroup.id(); }),
                nullptr);
    }
    ASSERT_TRUE(kernel::remove_cgroup_tree(cgroup.path()));
  }
  const auto last = make(id_of('0'));
  ASSERT_NE(next<model::ContainerAppeared>([&](const auto& one) { return one.ref->id == last.id(); }),
            nullptr);
  const auto snapshot = watcher_->take();
  EXPECT_EQ(snapshot->containers.size(), 1U);
  EXPECT_EQ(snapshot->containers[0].ref->id, last.id());
  // Whoever was born has ended, once, but for the last; those that were too quick were not mistaken for
  // others.
  std::map<std::uint64_t, int> born;
  std::map<std::uint64_t, int> ended;
  for (const auto& event : seen_) {
    if (const auto* one = std::get_if<model::ContainerAppeared>(&event.what)) ++born[one->ref->id.inode];
    if (const auto* one = std::get_if<model::ContainerVanished>(&event.what)) ++ended[one->ref->id.inode];
  }
  EXPECT_GE(ended.size(), 10U);
  EXPECT_EQ(born.size(), ended.size() + 1);
  for (const auto& [inode, times] : born) EXPECT_EQ(times, 1);
  for (const auto& [inode, times] : ended) EXPECT_EQ(times, 1);
}

TEST_F(WatchTest, WhoFindsNoRoomInTheProbesIsCountedWhenAnotherHasEnded) {
  bpf::Probes::Options small{
      .types = "/sys/kernel/btf/vmlinux", .cgroup_mount = kMount, .most_containers = 1};
  for (const std::string_view name : bpf::probe_names()) {
    if (name != "lifecycle") small.off.emplace(name);
  }
  const auto probes = bpf::Probes::open(small);
  Options options;
  options.cgroup_mount = kMount;
  options.proc = "/proc";
  options.probes = probes.get();
  auto watcher = Watcher::open(std::move(options), clock_, nullptr);
  ASSERT_TRUE(watcher) << watcher.error().message();
  watcher_ = *std::move(watcher);
  const auto first = make(id_of('a'));
  const auto second = make(id_of('b'));
  const auto is_counted = [&](const kernel::Cgroup& cgroup) {
    const auto snapshot = watcher_->take();
    const auto* found = find(*snapshot, cgroup.id());
    return found != nullptr && found->sample.probes.lifecycle.has_value();
  };
  EXPECT_TRUE(is_counted(first));
  EXPECT_FALSE(is_counted(second));
  EXPECT_EQ(watcher_->take_warnings().size(), 1U) << "it is told once";
  ASSERT_TRUE(kernel::remove_cgroup_tree(first.path()));
  EXPECT_TRUE(wait_until([&] { return is_counted(second); }));
  watcher_.reset();  // before the probes
}

TEST_F(WatchTest, RuntimesLayoutsAreFoundWhereTheyAre) {
  const std::string pods = kMount + "/kubepods.slice";
  const std::string pod = pods + "/kubepods-pod00000000_1111_2222_3333_444444444444.slice";
  const std::vector<std::string> folders = {kMount + "/docker",
                                            kMount + "/docker/" + id_of('1'),
                                            pods,
                                            pod,
                                            pod + "/cri-containerd-" + id_of('2') + ".scope",
                                            kMount + "/libpod_parent",
                                            kMount + "/libpod_parent/libpod-" + id_of('3'),
                                            kMount + "/libpod_parent/libpod-" + id_of('3') + "/inside"};
  for (const auto& folder : folders) ASSERT_TRUE(kernel::Cgroup::create(folder)) << folder;
  std::map<std::string, std::shared_ptr<const model::ContainerRef>> found;
  next<model::ContainerAppeared>([&](const auto& one) {
    found[one.ref->container_id] = one.ref;
    return found.size() == 3;
  });
  for (const char* top : {"/docker", "/kubepods.slice", "/libpod_parent"}) {
    EXPECT_TRUE(kernel::remove_cgroup_tree(kMount + top));
  }
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[id_of('1')]->runtime, model::Runtime::kDocker);
  EXPECT_EQ(found[id_of('2')]->runtime, model::Runtime::kContainerd);
  EXPECT_EQ(found[id_of('3')]->runtime, model::Runtime::kPodman);
}

}  // namespace
}  // namespace plimsoll::watch
