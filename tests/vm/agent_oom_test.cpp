// OOM kills, from the kernel to the post-mortem that a person reads.
#include <algorithm>

#include "agent/base/rfc3339.h"
#include "agent/base/units.h"
#include "tests/vm/agent_fixture.h"
#include "tests/vm/eaters.h"

namespace plimsoll {
namespace {

using vm_test::Eater;

constexpr std::uint64_t kMiB = 1 << 20;
// What a process touches between telling and being killed.
constexpr double kMargin = 32 * 4096;

class OomVm : public WholeAgentVm {
 protected:
  void TearDown() override {
    eaters_.end();
    WholeAgentVm::TearDown();
  }
  static std::vector<json> ooms(const std::string& container) {
    std::vector<json> rows;
    for (const json& one : get("/plimsoll/v1/ooms?limit=1000&container=" + container)) rows.push_back(one);
    return rows;
  }
  static json whole(const json& one) { return get("/plimsoll/v1/ooms/" + one["id"].dump()); }
  // plimsoll_oom_kills_total of a container by what ran out; -1: there is no such series.
  static double kills_metric(const std::string& container_id, const std::string& constraint) {
    std::istringstream scrape(ask("/metrics", GuestAgent::kListen).text);
    for (std::string line; std::getline(scrape, line);) {
      if (line.starts_with("plimsoll_oom_kills_total{") && line.find(container_id) != std::string::npos &&
          line.find("constraint=\"" + constraint + "\"") != std::string::npos)
        return std::stod(line.substr(line.rfind(' ')));
    }
    return -1;
  }
  static std::uint64_t kernels_count(const std::string& name) {
    return vm_test::Eaters::field(cgroup(name) / "memory.events", "oom_kill");
  }
  // One of that limit with a quiet process in it, that has been sampled for some ticks.
  void quiet(const std::string& name, const std::string& limit) {
    run("--name " + name + " -m " + limit + " --memory-swap " + limit, "sleep 1000");
    ASSERT_TRUE(until([&] { return row(name).value("memory_limit", json()).is_number(); })) << row(name);
    const auto ticks = [] { return metric("plimsoll_agent_sample_duration_seconds_count").value_or(0); };
    const double began = ticks();
    ASSERT_TRUE(until([&] { return ticks() >= began + 3; }));
  }

  vm_test::Eaters eaters_;
};

TEST_F(OomVm, APostMortemTellsAllOfIt) {
  policy("ooms",
         "apiVersion: plimsoll/v1\nkind: Policy\nmetadata: {name: ooms}\nspec:\n"
         "  select: {names: [crowded]}\n  rules:\n    - name: killed\n      when: oom.kills > 0\n"
         "      then: [{notify: \"{{oom.kills}}\"}]\n      cooldown: 1h\n");
  quiet("crowded", "64m");
  const fs::path folder = cgroup("crowded");
  const Eater small = eaters_.eat(folder, "small", 6 * kMiB);
  const Eater middle = eaters_.eat(folder, "middle", 12 * kMiB);
  const Eater big = eaters_.eat(folder, "big", 30 * kMiB);
  const Eater hungry = eaters_.eat(folder, "hungry", 24 * kMiB);
  ASSERT_GT(hungry.anon, 0U);
  ASSERT_TRUE(until([&] { return ooms("crowded").size() == 1; }));
  const json one = whole(ooms("crowded")[0]);
  EXPECT_EQ(one["constraint"], "memcg");
  EXPECT_EQ(one["container"]["name"], "crowded");
  EXPECT_EQ(one["ran_out"]["container"], "crowded");
  EXPECT_EQ("/sys/fs/cgroup" + one["ran_out"]["cgroup"].get<std::string>(), folder.string());
  EXPECT_EQ(one["ran_out"]["max_bytes"], 64 * kMiB);
  EXPECT_EQ(one["ran_out"]["swap_max_bytes"], 0);
  EXPECT_NEAR(one["ran_out"]["usage_bytes"].get<double>(), 64.0 * kMiB, 1.0 * kMiB);
  ASSERT_EQ(one["victims"].size(), 1U);
  const json& victim = one["victims"][0];
  EXPECT_EQ(victim["pid"], big.pid);
  EXPECT_EQ(victim["comm"], "big");
  EXPECT_EQ(victim["container"], "crowded");
  EXPECT_NEAR(victim["anon_bytes"].get<double>(), static_cast<double>(big.anon), kMargin);
  EXPECT_EQ(one["asked_by"]["pid"], hungry.pid);
  EXPECT_EQ(one["asked_by"]["comm"], "hungry");
  std::vector<int> largest;
  for (const json& process : one["processes"]["top"]) largest.push_back(process["pid"]);
  ASSERT_EQ(largest.size(), 5U) << "the container's own is the fifth";
  EXPECT_EQ((std::vector<int>{largest.begin(), largest.begin() + 4}),
            (std::vector<int>{big.pid, hungry.pid, middle.pid, small.pid}));
  EXPECT_EQ(one["processes"]["top"][4]["comm"], "sleep");
  ASSERT_GE(one["before"].size(), 3U);
  double later = 61;
  for (const json& moment : one["before"]) {
    EXPECT_LT(moment["seconds_before"].get<double>(), later) << "oldest first";
    later = moment["seconds_before"];
    EXPECT_GE(later, 0);
    EXPECT_EQ(moment["max_bytes"], 64 * kMiB);
    EXPECT_LE(moment["usage_bytes"], 64 * kMiB);
    EXPECT_TRUE(moment["anon_bytes"].is_number());
    EXPECT_TRUE(moment["shmem_bytes"].is_number());
    EXPECT_TRUE(moment["working_set_bytes"].is_number());
  }
  ASSERT_TRUE(until([&] { return decisions("policy=ooms").size() == 1; }));
  const auto killed = parse_rfc3339(one["when"].get<std::string>());
  const auto decided = parse_rfc3339(decisions("policy=ooms")[0]["when"].get<std::string>());
  ASSERT_TRUE(killed && decided);
  EXPECT_GE(*decided, *killed);
  std::printf("decided %s after the kill\n", format_duration(*decided - *killed).c_str());
  const std::string id = inspect("crowded")["Id"];
  EXPECT_TRUE(until([&] { return kills_metric(id, "memcg") == 1; }));
  EXPECT_EQ(kills_metric(id, "global"), 0);
  EXPECT_EQ(kernels_count("crowded"), 1U);
  const Answer list = sh("oom crowded --format '{{.Container}} {{.Victim}} {{.Limit}} {{.AskedBy}}'");
  EXPECT_EQ(list.text, "crowded big (" + std::to_string(big.pid) + ") 64.0 MiB hungry (" +
                           std::to_string(hungry.pid) + ")\n");
  const Answer page = sh("oom " + one["id"].dump());
  std::printf("%s", page.text.c_str());
  EXPECT_NE(page.text.find("crowded reached its memory limit of 64.0 MiB."), std::string::npos) << page.text;
  EXPECT_NE(page.text.find("in the minute before"), std::string::npos) << page.text;
  // The next agent has it too, under the same number.
  agent_.kill();
  start_agent();
  EXPECT_EQ(whole(one), one);
  EXPECT_EQ(ooms("nobody").size(), 0U);
  EXPECT_EQ(ask("/plimsoll/v1/ooms/999999").status, 404);
}

TEST_F(OomVm, AsManyAsTheKernelCountsAndGroupsAsOne) {
  quiet("group", "48m");
  const fs::path folder = cgroup("group");
  for (int i = 0; i < 5; ++i) eaters_.eat(folder, "one", 100 * kMiB);
  ASSERT_TRUE(until([&] { return ooms("group").size() == 5; })) << ooms("group").size();
  EXPECT_EQ(kernels_count("group"), 5U);
  // The limit is on a cgroup below: its whole group is killed, and the container goes on.
  const fs::path child = folder / "child";
  fs::create_directories(folder / "rest");
  fs::create_directories(child);
  std::istringstream inside(read_text(folder / "cgroup.procs"));
  for (std::string pid; std::getline(inside, pid);)
    vm_test::Eaters::write(folder / "rest" / "cgroup.procs", pid);
  vm_test::Eaters::write(folder / "cgroup.subtree_control", "+memory");
  vm_test::Eaters::write(child / "memory.max", std::to_string(24 * kMiB));
  vm_test::Eaters::write(child / "memory.oom.group", "1");
  std::vector<int> pids;
  for (int i = 0; i < 3; ++i) pids.push_back(eaters_.eat(child, "member", 2 * kMiB).pid);
  pids.push_back(eaters_.eat(child, "hungry", 100 * kMiB).pid);
  ASSERT_TRUE(until([&] { return ooms("group").size() == 6; })) << ooms("group").size();
  const json one = ooms("group")[5];
  EXPECT_EQ("/sys/fs/cgroup" + one["ran_out"]["cgroup"].get<std::string>(), child.string());
  EXPECT_EQ(one["ran_out"]["container"], "group");
  EXPECT_EQ(one["ran_out"]["max_bytes"], 24 * kMiB);
  std::vector<int> named;
  for (const json& victim : one["victims"]) named.push_back(victim["pid"]);
  std::ranges::sort(named);
  std::ranges::sort(pids);
  EXPECT_EQ(named, pids);
  std::uint64_t kills = 0;
  for (const json& each : ooms("group")) kills += each["kills"].get<std::uint64_t>();
  EXPECT_EQ(kills, kernels_count("group"));
  EXPECT_EQ(row("group")["name"], "group") << "it goes on";
  eaters_.end();
}

// Its own process is killed, and with it the container ends: it is named all the same.
TEST_F(OomVm, AContainerThatDiesOfItIsNamed) {
  run("--name leaky -m 24m --memory-swap 24m", "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done");
  ASSERT_TRUE(until([&] { return !ooms("leaky").empty(); }));
  const json one = whole(ooms("leaky")[0]);
  EXPECT_EQ(one["container"]["name"], "leaky");
  EXPECT_EQ(one["victims"][0]["comm"], "sh");
  EXPECT_EQ(one["asked_by"]["pid"], one["victims"][0]["pid"]);
  EXPECT_EQ(one["ran_out"]["max_bytes"], 24 * kMiB);
  EXPECT_GT(one["victims"][0]["anon_bytes"], 8 * kMiB);
}

}  // namespace
}  // namespace plimsoll
