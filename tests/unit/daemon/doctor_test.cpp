#include "agent/daemon/doctor.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace plimsoll::daemon {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kAll = ~std::uint64_t{0};

class DoctorTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "doctor.XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    base_ = name;
    fs::create_directories(base_ / "proc/sys/fs/inotify");
    write("proc/filesystems", "nodev\tproc\nnodev\toverlay\n");
    write("proc/sys/fs/inotify/max_user_watches", "1000000\n");
    facts_.kernel_version = "6.1.0-37-amd64";
    facts_.cgroup_mount = "/sys/fs/cgroup";
    facts_.controllers = {"cpuset", "cpu", "io", "memory", "pids"};
    facts_.psi = true;
  }
  void TearDown() override { fs::remove_all(base_); }
  void write(const std::string& file, const std::string& text) { std::ofstream(base_ / file) << text; }
  std::vector<Finding> examine(std::uint64_t capabilities = kAll, std::uint64_t files = 1'000'000) {
    return examine_host({.proc = base_ / "proc", .sys = base_ / "sys", .etc = base_ / "etc"}, facts_,
                        {.capabilities = capabilities,
                         .open_files = files,
                         .runtime_binary = "/opt/plimsoll-runtime",
                         .has_runtime_binary = true});
  }
  static Finding about(const std::vector<Finding>& all, const std::string& subject) {
    const auto found = std::ranges::find(all, subject, &Finding::subject);
    return found == all.end() ? Finding{} : *found;
  }

  fs::path base_;
  model::HostFacts facts_;
};

TEST_F(DoctorTest, AHostThatHasAllIsGood) {
  const auto all = examine();
  EXPECT_EQ(worst(all), Health::kGood) << findings_text(all);
  for (const Finding& one : all) EXPECT_EQ(one.remedy, "") << one.subject;
}

TEST_F(DoctorTest, AControllerHeldByV1IsToldWithItsRemedy) {
  facts_.controllers = {"hugetlb"};
  write("proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t4\t10\t1\nmemory\t0\t1\t0\n");
  const auto all = examine();
  EXPECT_EQ(worst(all), Health::kBad);
  EXPECT_EQ(about(all, "controller cpu").found, "held by cgroup v1: no CPU limits and weights");
  EXPECT_EQ(about(all, "controller memory").remedy, "boot with cgroup_enable=memory");
}

TEST_F(DoctorTest, AnOldKernelIsToldWhatItLacks) {
  facts_.kernel_version = "5.10.0-30-amd64";
  const Finding finding = about(examine(), "kernel");
  EXPECT_EQ(finding.health, Health::kBad);
  EXPECT_NE(finding.found.find("cgroup.kill (5.14)"), std::string::npos) << finding.found;
}

TEST_F(DoctorTest, MissingPrivilegesAreNamedWithWhatTheyAreFor) {
  const auto all = examine(kAll & ~(std::uint64_t{1} << 24), 1024);  // CAP_SYS_RESOURCE
  const Finding finding = about(all, "privileges");
  EXPECT_EQ(finding.health, Health::kLimited);
  EXPECT_NE(finding.found.find("CAP_SYS_RESOURCE (pressure windows"), std::string::npos) << finding.found;
  EXPECT_EQ(about(all, "open files").health, Health::kLimited);
}

TEST(DoctorAgentTest, PolicyErrorsAndAStandingLoopAreBad) {
  const auto all = examine_agent(
      R"({"healthy":false,"sample_age_seconds":30,"containers":2,"paused":true})",
      R"({"policies":[{}],"diagnostics":[{"file":"a.yaml","line":3,"column":5,"severity":"error","message":"no"}]})");
  EXPECT_EQ(worst(all), Health::kBad);
  EXPECT_EQ(findings_text(all),
            "bad      agent        2 containers watched, last sample 30.0 s ago\n"
            "                      -> its loop stands still: look at its log, restart it (containers go on)\n"
            "limited  enforcement  paused\n"
            "                      -> plimsoll pause --resume\n"
            "bad      policies     1 in force; the folder as it stands is refused\n"
            "                      -> a.yaml:3:5: no\n");
}

TEST(DoctorAgentTest, WhatAProbeLostIsToldWithWhatHelps) {
  EXPECT_EQ(findings_text(examine_agent(R"({"healthy":true,"containers":2,"sample_age_seconds":0.5,"probes":[
                {"name":"net","up":true,"lost":0,"lost_map_full":0},
                {"name":"oom","up":true,"lost":3,"lost_map_full":0},
                {"name":"sched","up":true,"lost":7,"lost_map_full":7}]})",
                                        "")),
            "good     agent        2 containers watched, last sample 0.5 s ago\n"
            "good     probe net    attached\n"
            "limited  probe oom    attached; 3 not counted\n"
            "                      -> plimsoll_probe_lost_total says why\n"
            "limited  probe sched  attached; 7 not counted\n"
            "                      -> raise --probe-containers or --probe-cells\n");
}

TEST(DoctorAgentTest, ATargetThatCannotBeToldIsNamedWithWhy) {
  EXPECT_EQ(
      findings_text(examine_agent(R"({"healthy":true,"containers":2,"sample_age_seconds":0.5,"targets":[
                {"name":"oncall","kind":"webhook","where":"https://hooks.example.com","sent":3,"pending":2,
                 "failed":1,"dropped":1,"last_error":"answered 503: busy"},
                {"name":"ops","kind":"alertmanager","where":"http://am:9093","sent":7}]})",
                                  "")),
      "good     agent          2 containers watched, last sample 0.5 s ago\n"
      "limited  target oncall  webhook at https://hooks.example.com: 3 sent, 2 waiting, 2 given up; the last "
      "try failed: answered 503: busy\n"
      "                        -> mend what it says, or the target's document; what waits is tried again for "
      "an hour\n"
      "good     target ops     alertmanager at http://am:9093: 7 sent, 0 waiting, 0 given up\n");
}

TEST(DoctorAgentTest, AnAgentWithoutProbesSaysSo) {
  const auto all = examine_agent(R"({"healthy":true,"probes":[]})", "");
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].subject, "probes");
  EXPECT_EQ(all[1].found, "none: the agent was told to do without");
}

TEST(DoctorAgentTest, AnswersThatCannotBeReadAreTold) {
  EXPECT_EQ(worst(examine_agent("gibberish", "")), Health::kBad);
  EXPECT_EQ(worst(examine_agent(R"({"healthy":true})", "gibberish")), Health::kGood);
}

}  // namespace
}  // namespace plimsoll::daemon
