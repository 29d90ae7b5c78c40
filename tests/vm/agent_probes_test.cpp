// What BPF probes saw, from the kernel to the scrape, the doctor and the policies.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/vm/agent_fixture.h"
#include "tests/vm/program.h"

namespace plimsoll {
namespace {

using ProbesVm = WholeAgentVm;

// The sum of a family's series of one container.
std::optional<double> sum_of(const std::string& scrape, const std::string& family, const std::string& id) {
  std::optional<double> sum;
  for (auto at = scrape.find("\n" + family + "{"); at != std::string::npos;
       at = scrape.find("\n" + family + "{", at + 1)) {
    const std::string line = scrape.substr(at + 1, scrape.find('\n', at + 1) - at - 1);
    if (line.find(id) != std::string::npos) sum = sum.value_or(0) + std::stod(line.substr(line.rfind(' ')));
  }
  return sum;
}

TEST_F(ProbesVm, ShortProcessesAreCountedFromTheContainersBirth) {
  run("--name burst", "i=0; while [ $i -lt 50 ]; do /bin/busybox true; i=$((i+1)); done; sleep 1000");
  const std::string id = inspect("burst")["Id"];
  std::string scrape;
  const auto value = [&](const std::string& family) { return sum_of(scrape, family, id).value_or(-1); };
  // The last of them is the sleep, which goes on.
  ASSERT_TRUE(until([&] {
    scrape = ask("/metrics", GuestAgent::kListen).text;
    return value("plimsoll_process_starts_total") >= 51;
  })) << scrape;
  EXPECT_EQ(value("plimsoll_process_ends_total"), 50);
  EXPECT_EQ(value("plimsoll_process_lifetime_seconds_count"), 50);
  EXPECT_GE(value("plimsoll_program_starts_total"), 52);
  EXPECT_EQ(metric("plimsoll_probe_up{probe=\"lifecycle\"}"), 1);
  EXPECT_EQ(metric("plimsoll_probe_lost_total{probe=\"lifecycle\",why=\"map_full\"}"), 0);
  const Answer doctor = sh("doctor");
  EXPECT_NE(doctor.text.find("probe lifecycle"), std::string::npos) << doctor.text;
}

// Of a container on the host's network net/dev tells nothing.
TEST_F(ProbesVm, WhatAContainerSaysOverTheHostsNetworkIsCounted) {
  policy("talks",
         "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: talks}\nspec:\n"
         "  select: {names: [talker]}\n  rules:\n    - name: talks\n"
         "      when: net.retransmits >= 0 and net.connect.p99 > 0\n"
         "      then: [{notify: \"{{net.connect.p99}}\"}]\n      cooldown: 1h\n");
  run("--name talker --network host",
      "/bin/busybox httpd -p 127.0.0.1:8088 -h /bin; while :; do "
      "/bin/busybox wget -q -O /dev/null http://127.0.0.1:8088/busybox; "
      "/bin/busybox wget -q -O /dev/null http://127.0.0.1:1/; done");
  const std::string id = inspect("talker")["Id"];
  std::string scrape;
  const auto value = [&](const std::string& family) { return sum_of(scrape, family, id).value_or(-1); };
  ASSERT_TRUE(until([&] {
    scrape = ask("/metrics", GuestAgent::kListen).text;
    return value("plimsoll_net_connect_seconds_count") >= 2 && value("plimsoll_net_bytes_total") > 1e6;
  })) << scrape;
  EXPECT_GE(value("plimsoll_net_accepts_total"), 2);
  EXPECT_GE(value("plimsoll_net_connects_total"), 3);
  EXPECT_GE(value("plimsoll_net_tcp_resets_total"), 1);
  EXPECT_GE(value("plimsoll_net_tcp_retransmits_total"), 0);
  EXPECT_EQ(metric("plimsoll_probe_up{probe=\"net\"}"), 1);
  EXPECT_EQ(metric("plimsoll_probe_up{probe=\"syscalls\"}"), 0) << "nobody asked for it";
  EXPECT_TRUE(until([&] { return !decisions("policy=talks").empty(); })) << sh("policy explain talker").text;
}

TEST_F(ProbesVm, APolicySeesABurstOfForks) {
  policy("forks",
         "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: forks}\nspec:\n"
         "  select: {names: [storm]}\n  rules:\n    - name: storm\n      when: pids.forks > 5\n"
         "      then: [{notify: \"{{pids.forks}}\"}]\n      cooldown: 1h\n");
  run("--name storm", "while :; do /bin/busybox true; done");
  EXPECT_TRUE(until([&] { return !decisions("policy=forks").empty(); }));
}

TEST_F(ProbesVm, WhoTookTheCpuIsNamed) {
  policy("robbed",
         "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: robbed}\nspec:\n"
         "  select: {names: [quiet]}\n  rules:\n    - name: robbed\n"
         "      when: cpu.stolen_by_others > 30% and cpu.wait > 0.2 and cpu.wait.p99 > 100us\n"
         "      then: [{notify: \"{{cpu.stolen_by_others}}\"}]\n      cooldown: 1h\n");
  run("--name loud --cpuset-cpus 0", "while :; do :; done");
  run("--name quiet --cpuset-cpus 0", "while :; do :; done");
  EXPECT_TRUE(until([&] {
    const Answer told = sh("noisy --window 2s --format \"{{.Victim}} {{.Aggressor}}\"");
    return told.text.find("quiet loud\n") != std::string::npos &&
           told.text.find("loud quiet\n") != std::string::npos;
  })) << sh("noisy --window 0s").text
      << sh("doctor").text;
  EXPECT_TRUE(until([&] { return !decisions("policy=robbed").empty(); })) << sh("policy explain quiet").text;
  const auto waited = [&] {
    const std::string loud = inspect("loud")["Id"], quiet = inspect("quiet")["Id"];
    return metric(R"(plimsoll_cpu_interference_seconds_total{victim="quiet",aggressor="loud",victim_id=")" +
                  quiet + R"(",aggressor_id=")" + loud + "\"}")
        .value_or(0);
  };
  const double before = waited();
  EXPECT_GT(before, 0);
  // Who has ended is still named, with all that was waited for it.
  ASSERT_EQ(sh("kill loud").status, 0);
  ASSERT_TRUE(until([&] { return inspect("loud")["State"]["Status"] == "exited"; }));
  EXPECT_GE(waited(), before);
  EXPECT_NE(sh("noisy --window 0s --format \"{{.Victim}} {{.Aggressor}}\"").text.find("quiet loud\n"),
            std::string::npos);
}

// A shell of the host that joins the container's cgroup and becomes `command`, whose standard input is
// `file`: opened before, since a container may not open the host's devices.
class Intruder {
 public:
  Intruder(const fs::path& cgroup, const std::string& file, const std::string& command) {
    pid_ = ::fork();
    if (pid_ == 0) {
      vm_test::become(
          {"/bin/sh", "-c",
           "exec < " + file + "; echo $$ > " + (cgroup / "cgroup.procs").string() + "; exec " + command});
    }
  }
  ~Intruder() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Intruder(const Intruder&) = delete;
  Intruder& operator=(const Intruder&) = delete;

 private:
  pid_t pid_;
};

TEST_F(ProbesVm, APolicySeesWhoIsHeldUpOverMemoryHigh) {
  policy(
      "stalled",
      "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: stalled}\nspec:\n"
      "  select: {names: [hungry, sated]}\n  rules:\n    - name: stalled\n      when: memory.stall > 0.05\n"
      "      then: [{notify: \"{{memory.stall}}\"}]\n      cooldown: 1h\n");
  run("--name sated", "x=$(yes abcdefghijklmnop | head -c 30000000); sleep 1000");
  run("--name hungry", "while :; do x=$(yes abcdefghijklmnop | head -c 30000000); done");
  std::ofstream(cgroup("hungry") / "memory.high") << "8388608" << std::flush;
  EXPECT_TRUE(until([&] { return !decisions("policy=stalled&container=hungry").empty(); }))
      << sh("policy explain hungry").text;
  EXPECT_TRUE(decisions("policy=stalled&container=sated").empty());
  const std::string scrape = ask("/metrics", GuestAgent::kListen).text;
  const std::string hungry = inspect("hungry")["Id"], sated = inspect("sated")["Id"];
  EXPECT_GT(sum_of(scrape, "plimsoll_memory_stall_seconds_total", hungry).value_or(0), 0);
  EXPECT_GT(sum_of(scrape, "plimsoll_memory_reclaim_stall_seconds_count", hungry).value_or(0), 0);
  EXPECT_EQ(sum_of(scrape, "plimsoll_memory_stall_seconds_total", sated), 0);
}

TEST_F(ProbesVm, APolicySeesASlowDisk) {
  ASSERT_EQ(
      std::system("modprobe null_blk nr_devices=1 irqmode=2 completion_nsec=20000000 && test -b /dev/nullb0"),
      0);
  policy("slow",
         "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: slow}\nspec:\n"
         "  select: {names: [reader]}\n  rules:\n    - name: slow\n      when: io.latency.p99 > 10ms\n"
         "      then: [{notify: \"{{io.latency.p99}}\"}]\n      cooldown: 1h\n");
  run("--name reader", "sleep 1000");
  const std::string id = inspect("reader")["Id"];
  {
    const Intruder dd(cgroup("reader"), "/dev/nullb0",
                      "dd of=/dev/null iflag=direct bs=4k count=1000000 status=none");
    EXPECT_TRUE(until([&] { return !decisions("policy=slow").empty(); })) << sh("policy explain reader").text;
  }
  // The agent looks for the names of new disks every 10 ticks; until then it goes by its number.
  std::string scrape;
  EXPECT_TRUE(until([&] {
    scrape = ask("/metrics", GuestAgent::kListen).text;
    return scrape.find("device=\"nullb0\",operation=\"read\"") != std::string::npos;
  }));
  const double reads = sum_of(scrape, "plimsoll_io_latency_seconds_count", id).value_or(0);
  EXPECT_GT(reads, 0);
  EXPECT_GE(sum_of(scrape, "plimsoll_io_bytes_total", id).value_or(0), reads * 4096);
  EXPECT_GE(sum_of(scrape, "plimsoll_io_device_seconds_total", id).value_or(0), reads * 0.02);
  EXPECT_EQ(std::system("rmmod null_blk"), 0);
}

}  // namespace
}  // namespace plimsoll
