// All containers read at once, and each for itself: the same numbers.
#include <gtest/gtest.h>

#include <vector>

#include "tests/vm/bpf_fixture.h"

namespace plimsoll::bpf {
namespace {

class ScanTest : public ProbesTest {
 protected:
  ScanTest() : ProbesTest({"lifecycle", "sched", "syscalls"}) {}
  void TearDown() override {
    for (const fs::path& one : containers_) fs::remove(one);
    ProbesTest::TearDown();
  }
  // Watched, with as many processes begun in it.
  model::CgroupId container(int processes) {
    const fs::path folder = folder_ / ("c" + std::to_string(containers_.size()));
    fs::create_directories(folder);
    containers_.push_back(folder);
    EXPECT_TRUE(probes_->watch(id_of(folder)));
    begin(folder, processes);
    return id_of(folder);
  }
  static void begin(const fs::path& folder, int processes) {
    run(folder, "for i in $(seq " + std::to_string(processes) + "); do /bin/true; done");
  }
  std::vector<fs::path> containers_;
};

void expect_same(const model::ProbeReadings& one, const model::ProbeReadings& other) {
  ASSERT_TRUE(one.lifecycle && one.scheduling && one.syscalls);
  ASSERT_TRUE(other.lifecycle && other.scheduling && other.syscalls);
  EXPECT_EQ(one.lifecycle->forks, other.lifecycle->forks);
  EXPECT_EQ(one.lifecycle->exits, other.lifecycle->exits);
  EXPECT_EQ(one.lifecycle->lifetimes.slots, other.lifecycle->lifetimes.slots);
  EXPECT_EQ(one.scheduling->on_cpu, other.scheduling->on_cpu);
  EXPECT_EQ(one.scheduling->waits.slots, other.scheduling->waits.slots);
  EXPECT_EQ(one.syscalls->calls, other.syscalls->calls);
  EXPECT_EQ(one.syscalls->errors.size(), other.syscalls->errors.size());
}

TEST_F(ScanTest, TellsTheSameAsReadingEach) {
  std::vector<model::CgroupId> ids;
  for (int i = 1; i <= 20; ++i) ids.push_back(container(i % 3 + 1));
  std::vector<model::ProbeReadings> one_by_one;
  for (const model::CgroupId id : ids) one_by_one.push_back(probes_->read(id));
  const auto scan = probes_->scan();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    SCOPED_TRACE(i);
    expect_same(probes_->read(ids[i]), one_by_one[i]);
    EXPECT_GE(one_by_one[i].lifecycle->exits, (i + 1) % 3 + 1);
  }
}

TEST_F(ScanTest, IsOfItsMoment) {
  const model::CgroupId id = container(1);
  const auto before = probes_->read(id);
  auto scan = probes_->scan();
  begin(containers_[0], 5);
  expect_same(probes_->read(id), before);
  scan.reset();
  EXPECT_GE(probes_->read(id).lifecycle->exits, before.lifecycle->exits + 5);
  EXPECT_GT(probes_->read(id).scheduling->on_cpu, before.scheduling->on_cpu);
}

// The next one gets its slot.
TEST_F(ScanTest, WhoComesMeanwhileHasNothingOfWhoWentBefore) {
  const model::CgroupId first = container(3);
  EXPECT_GT(probes_->read(first).scheduling->on_cpu, Nanoseconds(0));
  const auto scan = probes_->scan();
  probes_->forget(first);
  const fs::path folder = folder_ / "next";
  fs::create_directories(folder);
  containers_.push_back(folder);
  ASSERT_TRUE(probes_->watch(id_of(folder)));
  EXPECT_EQ(probes_->read(id_of(folder)).scheduling->on_cpu, Nanoseconds(0));
  EXPECT_FALSE(probes_->read(first).scheduling);
}

TEST_F(ScanTest, TheMatrixIsOfItToo) {
  container(2);
  const auto scan = probes_->scan();
  const auto matrix = probes_->interference();
  begin(containers_[0], 20);
  const auto again = probes_->interference();
  ASSERT_EQ(again.size(), matrix.size());
  for (std::size_t i = 0; i < matrix.size(); ++i) EXPECT_EQ(again[i].waited, matrix[i].waited);
}

TEST_F(ScanTest, AContainerWithoutRoomIsLostToEachProbe) {
  probes_ = Probes::open(only({"lifecycle", "sched", "syscalls"}, {.most_containers = 1}));
  container(1);
  fs::create_directories(folder_ / "child");
  for (int tries = 0; tries < 3; ++tries) EXPECT_FALSE(probes_->watch(id_of(folder_ / "child")));
  for (const model::ProbeState& probe : probes_->states()) {
    // lifecycle keeps others as well.
    if (!probe.up || probe.name == "lifecycle") continue;
    EXPECT_EQ(probe.lost_map_full, 1U) << probe.name;
  }
  probes_->forget(id_of(containers_[0]));
  EXPECT_TRUE(probes_->watch(id_of(folder_ / "child")));
}

}  // namespace
}  // namespace plimsoll::bpf
