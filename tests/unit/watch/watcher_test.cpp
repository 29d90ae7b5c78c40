// The watch flow over trees of ordinary files, which any file system can hold. What only a kernel can show
// (ENODEV, notifications, triggers) is in tests/vm/watch_test.cpp.
#include "agent/watch/watcher.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "agent/kernel/cgroup.h"
#include "temporary_tree.h"

namespace plimsoll::watch {
namespace {

using namespace std::chrono_literals;

const std::string kId(64, 'c');
const std::string kWeb = "plimsoll/" + kId;

class TestClock final : public Clock {
 public:
  WallTime wall() const override { return WallTime(now); }
  BootTime boot() const override { return {now}; }
  std::chrono::nanoseconds now = std::chrono::hours(1);
};

class Ours final : public IdentitySource {
 public:
  std::optional<Identity> identify(const std::string& container_id) override {
    ++asked;
    if (container_id != kId || !known) return std::nullopt;
    Identity identity;
    identity.name = "web";
    identity.image = "web:1";
    return identity;
  }
  bool known = true;
  int asked = 0;
};

void put_cgroup(Tree& tree, const std::string& path, const std::string& usage = "100") {
  tree.put(path + "/cpu.stat", "usage_usec " + usage + "\nuser_usec 1\nsystem_usec 1\n");
  tree.put(path + "/memory.current", "4096\n");
  tree.put(path + "/memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
  tree.put(path + "/memory.max", "max\n");
  tree.put(path + "/cgroup.events", "populated 1\nfrozen 0\n");
  tree.put(path + "/cgroup.procs", "");
}

// What a runtime tells of a container's end.
model::EndedContainer end_of(const std::string& container_id, const Clock& clock, int code,
                             Microseconds usage, std::uint64_t inode = 0) {
  model::ContainerRef ref;
  ref.id.inode = inode;
  ref.container_id = container_id;
  ref.name = "web";
  ref.image = "web:1";
  model::Sample last;
  last.cpu = {.usage = usage};
  return {std::make_shared<const model::ContainerRef>(std::move(ref)), last, clock.wall(),
          model::Exit{clock.wall(), code, false}};
}

class WatcherTest : public ::testing::Test {
 protected:
  WatcherTest() {
    proc_.put("stat", "cpu  100 0 100 0 0 0 0 0 0 0\ncpu0 100 0 100 0 0 0 0 0 0 0\n");
    proc_.put("meminfo",
              "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 500 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
    put_cgroup(cgroups_, kWeb);
  }
  void open() {
    options_.cgroup_mount = cgroups_.root();
    options_.proc = proc_.root();
    options_.most_pressure_triggers = 0;
    auto watcher = Watcher::open(options_, clock_, &ours_);
    ASSERT_TRUE(watcher) << watcher.error().message();
    watcher_ = *std::move(watcher);
  }
  template <typename What>
  std::vector<What> drain() {
    std::vector<What> found;
    for (const auto& event : watcher_->drain()) {
      if (const auto* what = std::get_if<What>(&event.what)) found.push_back(*what);
    }
    return found;
  }
  bool ready() const {
    pollfd poll_one{watcher_->event_fd(), POLLIN, 0};
    return ::poll(&poll_one, 1, 0) == 1;
  }

  Tree cgroups_, proc_;
  TestClock clock_;
  Ours ours_;
  Options options_;
  std::unique_ptr<Watcher> watcher_;
};

TEST_F(WatcherTest, FindsWhatIsThereAndSamplesIt) {
  open();
  const auto born = drain<model::ContainerAppeared>();
  ASSERT_EQ(born.size(), 1U);
  EXPECT_EQ(born[0].ref->name, "web");
  const auto snapshot = watcher_->take();
  ASSERT_EQ(snapshot->containers.size(), 1U);
  const auto& container = snapshot->containers[0];
  EXPECT_EQ(container.ref->image, "web:1");
  EXPECT_EQ(container.ref->cgroup, "/" + kWeb);
  EXPECT_EQ(container.sample.cpu->usage, Microseconds(100));
  EXPECT_EQ(container.sample.memory.current, Bytes{4096});
  EXPECT_EQ(container.sample.memory.peak, std::nullopt);
  EXPECT_TRUE(container.sample.limits.memory_max->is_max());
  EXPECT_EQ(container.sample.populated, true);
  EXPECT_EQ(snapshot->host.memory_total, Bytes{1000 * 1024});
  EXPECT_EQ(snapshot->host.cpu_cores, 1);
}

TEST_F(WatcherTest, BirthDeathAndItsLastSample) {
  open();
  watcher_->take();
  watcher_->drain();
  EXPECT_FALSE(ready());
  cgroups_.put("system.slice/");
  put_cgroup(cgroups_, "system.slice/cron.service", "7");
  EXPECT_TRUE(ready());
  const auto born = drain<model::ContainerAppeared>();
  ASSERT_EQ(born.size(), 1U);
  EXPECT_EQ(born[0].ref->name, "cron.service");
  EXPECT_EQ(watcher_->take()->containers.size(), 2U);
  cgroups_.remove("system.slice/cron.service");
  const auto gone = drain<model::ContainerVanished>();
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone[0].last.cpu->usage, Microseconds(7));
  watcher_->set_end(end_of("cron.service", clock_, 3, 9us));
  auto snapshot = watcher_->snapshot();
  ASSERT_EQ(snapshot->ended.size(), 1U);
  EXPECT_EQ(snapshot->ended[0].exit->code, 3);
  EXPECT_EQ(snapshot->ended[0].last.cpu->usage, 9us);
  clock_.now += std::chrono::minutes(11);
  snapshot = watcher_->take();
  EXPECT_TRUE(snapshot->ended.empty());
}

TEST_F(WatcherTest, AnExitToldBeforeTheCgroupVanishedIsNotLost) {
  open();
  watcher_->set_end(end_of(kId, clock_, 137, 1us));
  cgroups_.remove("plimsoll/" + kId);
  EXPECT_EQ(drain<model::ContainerVanished>().size(), 1U);
  const auto ended = watcher_->snapshot()->ended;
  EXPECT_EQ(ended.at(0).exit->code, 137);
  EXPECT_EQ(ended.at(0).last.cpu->usage, 100us);  // what was read here is more
}

TEST_F(WatcherTest, WhatEndedUnseenIsKeptAndCountedOnce) {
  open();
  watcher_->take();
  const std::string saved = watcher_->save("boot");  // 100 us of web
  const std::uint64_t inode = kernel::Cgroup::open(cgroups_.root() + "/" + kWeb)->id().inode;
  cgroups_.remove(kWeb);
  watcher_.reset();
  open();  // the next agent
  ASSERT_TRUE(watcher_->restore(saved, "boot"));
  const auto end = end_of(kId, clock_, 7, 130us, inode);
  watcher_->set_end(end);
  clock_.now += 1s;
  watcher_->set_end(end_of("other", clock_, 8, 5us));
  const auto snapshot = watcher_->take();
  ASSERT_EQ(snapshot->ended.size(), 2U);
  EXPECT_EQ(snapshot->ended[0].exit->code, 7);
  EXPECT_EQ(snapshot->ended[0].last.cpu->usage, 130us);
  EXPECT_EQ(snapshot->ended[1].exit->code, 8);
  ASSERT_EQ(snapshot->workloads->size(), 1U);
  EXPECT_EQ(snapshot->workloads->at(0).cpu_usage, 130us);
  EXPECT_EQ(snapshot->workloads->at(0).starts, 1U);
}

TEST_F(WatcherTest, MemoryEventsAreToldOnceWhoeverReadsThemFirst) {
  open();
  watcher_->take();
  watcher_->drain();
  cgroups_.put(kWeb + "/memory.events", "low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\n");
  watcher_->take();  // the tick comes first
  auto changed = drain<model::MemoryEventsChanged>();
  ASSERT_EQ(changed.size(), 1U);
  EXPECT_EQ(changed[0].before.oom_kill, 0U);
  EXPECT_EQ(changed[0].after.oom_kill, 1U);
  EXPECT_EQ(drain<model::MemoryEventsChanged>().size(), 0U);
  cgroups_.put(kWeb + "/memory.events", "low 0\nhigh 0\nmax 5\noom 2\noom_kill 2\n");
  changed = drain<model::MemoryEventsChanged>();  // the notification comes first
  ASSERT_EQ(changed.size(), 1U);
  EXPECT_EQ(changed[0].before.oom_kill, 1U);
  watcher_->take();
  EXPECT_EQ(drain<model::MemoryEventsChanged>().size(), 0U);
  EXPECT_EQ(watcher_->snapshot()->workloads->at(0).oom_kills, 2U);
}

TEST_F(WatcherTest, ALimitWrittenByAnyoneIsSeen) {
  open();
  watcher_->drain();
  const auto id = watcher_->take()->containers[0].ref->id;
  cgroups_.put(kWeb + "/memory.max", "8192\n");
  watcher_->drain();
  EXPECT_EQ(watcher_->take_limit_changes(), std::vector{id});
  EXPECT_TRUE(watcher_->take_limit_changes().empty());
  EXPECT_EQ(watcher_->snapshot()->containers[0].sample.limits.memory_max->value(), Bytes{8192});
}

TEST_F(WatcherTest, ALimitJustWrittenIsSeenBeforeInotifyTellsOfIt) {
  open();
  const auto id = watcher_->take()->containers[0].ref->id;
  cgroups_.put(kWeb + "/memory.max", "8192\n");
  ASSERT_TRUE(watcher_->refresh(id));
  EXPECT_EQ(watcher_->snapshot()->containers[0].sample.limits.memory_max->value(), Bytes{8192});
}

TEST_F(WatcherTest, IdentityThatComesLateIsWaitedForButNotForEver) {
  ours_.known = false;
  open();
  EXPECT_EQ(watcher_->take()->containers[0].ref->name, kId.substr(0, 12));
  ours_.known = true;
  EXPECT_EQ(watcher_->take()->containers[0].ref->name, "web");
  ours_.known = false;
  watcher_->identity_changed(kId);
  const int asked = ours_.asked;
  for (int tick = 0; tick < 30; ++tick) watcher_->take();
  EXPECT_EQ(ours_.asked, asked + 9);
  EXPECT_EQ(watcher_->take()->containers[0].ref->name, "web");
}

TEST_F(WatcherTest, ABrokenIdentityFileIsAWarning) {
  const std::string id(64, 'd');
  put_cgroup(cgroups_, "docker/" + id);
  proc_.put("docker/" + id + "/config.v2.json", "{");
  options_.identity.docker = proc_.root() + "/docker";
  open();
  for (int tick = 0; tick < 20; ++tick) watcher_->take();
  const auto warnings = watcher_->take_warnings();
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("config.v2.json: not a JSON object"), std::string::npos) << warnings[0];
  EXPECT_EQ(watcher_->snapshot()->containers.size(), 2U);
}

TEST_F(WatcherTest, WhatInotifyMissedTheWalkFinds) {
  options_.cadence.verify = 2;
  open();
  watcher_->take();
  cgroups_.put("system.slice/");
  watcher_->drain();
  // A name that changes hands between two walks.
  const auto first = watcher_->take()->containers[0].ref->id;
  const Tree keep_inode_taken;
  cgroups_.remove(kWeb);
  put_cgroup(cgroups_, "plimsoll/" + std::string(64, 'e'));
  put_cgroup(cgroups_, kWeb, "9");
  watcher_->take();
  const auto snapshot = watcher_->take();
  ASSERT_EQ(snapshot->containers.size(), 2U);
  EXPECT_NE(snapshot->containers[0].ref->id, first);
  EXPECT_EQ(snapshot->containers[0].sample.cpu->usage, Microseconds(9));
}

TEST_F(WatcherTest, NestedCgroupsBelongToTheirContainer) {
  put_cgroup(cgroups_, kWeb + "/docker/" + std::string(64, 'f'));
  cgroups_.put(kWeb + "/docker/" + std::string(64, 'f') + "/cgroup.procs", "7\n8\n");
  cgroups_.put(kWeb + "/cgroup.procs", "6\n");
  open();
  const auto snapshot = watcher_->take();
  ASSERT_EQ(snapshot->containers.size(), 1U);
  EXPECT_EQ(snapshot->containers[0].sample.processes, 3U);
}

TEST_F(WatcherTest, WithoutDescriptorsFilesAreOpenedEachTimeAndNothingGoesUnread) {
  DescriptorBudget budget(2);
  const auto folder = kernel::Cgroup::open(cgroups_.root() + "/" + kWeb);
  ASSERT_TRUE(folder);
  std::string buffer;
  model::Sample sample;
  {
    auto reader = CgroupReader::open(folder->path(), folder->id(), budget);
    ASSERT_TRUE(reader);
    EXPECT_EQ(reader->kept(), 2U);
    EXPECT_EQ(reader->reopened(), 1U);
    ASSERT_TRUE(reader->read(sample, buffer));
    EXPECT_TRUE(sample.cpu && sample.memory.current && sample.memory.events);
  }
  EXPECT_EQ(budget.left(), 2U);
}

TEST_F(WatcherTest, NoCgroupMountIsAnError) {
  options_.proc = "/nowhere";
  options_.cgroup_mount = cgroups_.root();
  EXPECT_FALSE(Watcher::open(options_, clock_, nullptr));
}

}  // namespace
}  // namespace plimsoll::watch
