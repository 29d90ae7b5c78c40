// What the agent is told on its command line, and refuses before it begins.
#include "agent/daemon/config.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "bpf/probes.h"
#include "policies/signal.h"

namespace plimsoll::daemon {
namespace {

// What is said against these probes; "": nothing.
std::string refusal(const std::set<std::string>& on, const std::set<std::string>& off) {
  Config config;
  config.runtime_binary = "/bin/true";
  config.probes_on = on;
  config.probes_off = off;
  const auto whole = completed(config);
  return whole ? "" : whole.error().message();
}

TEST(Config, AProbeIsWantedOrNot) {
  EXPECT_EQ(refusal({"syscalls"}, {"net"}), "");
  EXPECT_EQ(refusal({}, {"all"}), "");
  EXPECT_EQ(refusal({"all"}, {"net"}), "") << "all but one";
  EXPECT_EQ(refusal({"net", "syscalls"}, {"net"}), "--probe 'net': --no-probe 'net' is there too");
  EXPECT_EQ(refusal({"net"}, {"all"}), "--probe 'net': --no-probe 'all' is there too");
  EXPECT_EQ(refusal({"all"}, {"all"}), "--probe 'all': --no-probe 'all' is there too");
}

TEST(Config, AProbeThatThereIsNotIsNamed) {
  for (const bool on : {true, false}) {
    const std::string said = on ? refusal({"network"}, {}) : refusal({}, {"network"});
    EXPECT_TRUE(said.starts_with(std::string(on ? "--probe" : "--no-probe") +
                                 " 'network': expected one of all, lifecycle, "))
        << said;
  }
}

// Policies do not know the probes, but by name.
TEST(Config, TheProbesThatSignalsNameAreThere) {
  const auto known = bpf::probe_names();
  int needed = 0;
  for (const policies::SignalInfo& signal : policies::signals()) {
    if (signal.probe.empty()) continue;
    ++needed;
    EXPECT_NE(std::ranges::find(known, signal.probe), known.end()) << signal.name << ": " << signal.probe;
  }
  EXPECT_GE(needed, 8);
}

TEST(Config, ProbesLeaveTheHostItsMemory) {
  Config config;
  config.probe_containers = 1'000'000;
  EXPECT_TRUE(check_probe_room(config, Bytes{64 << 20}, Bytes{1 << 30}));
  const auto refused = check_probe_room(config, Bytes{65 << 20}, Bytes{1 << 30});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "--probe-containers 1000000, --probe-cells 16384: their maps would take 65MiB, and a 16th of "
            "this host's memory is 64MiB");
  EXPECT_GT(bpf::Probes::memory_of({.most_containers = 2000}),
            bpf::Probes::memory_of({.most_containers = 1000}));
  EXPECT_GT(bpf::Probes::memory_of({.most_cells = 1'000'000}), Bytes{100'000'000});
}

}  // namespace
}  // namespace plimsoll::daemon
