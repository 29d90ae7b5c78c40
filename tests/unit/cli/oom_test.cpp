// `plimsoll oom`, from the agent's answers to what a person reads.
#include "fake_agent.h"

namespace plimsoll::cli_test {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

json process(int pid, const char* comm, const char* container, std::uint64_t mebibytes) {
  return {{"pid", pid},
          {"tid", pid},
          {"uid", 1000},
          {"comm", comm},
          {"container", container},
          {"container_id", std::string(container) + "-id"},
          {"resident_bytes", (mebibytes + 1) * kMiB},
          {"anon_bytes", mebibytes * kMiB},
          {"file_bytes", kMiB / 2},
          {"shmem_bytes", kMiB / 2},
          {"swap_bytes", 0},
          {"page_tables_bytes", 98304},
          {"virtual_bytes", 2 * mebibytes * kMiB},
          {"oom_score_adj", 0},
          {"cgroup", std::string("/plimsoll/") + container}};
}

// A container of 64 MiB that grew to its limit within half a minute.
json post_mortem() {
  json before = json::array();
  for (int second = 45; second >= 0; --second) {
    const std::uint64_t usage = second > 30 ? 20 : std::min<std::uint64_t>(64, 20 + 3 * (30 - second) / 2);
    before.push_back({{"seconds_before", second + 0.4},
                      {"usage_bytes", usage * kMiB},
                      {"anon_bytes", usage * kMiB - kMiB},
                      {"file_bytes", kMiB},
                      {"shmem_bytes", kMiB / 4},
                      {"swap_bytes", 0},
                      {"working_set_bytes", usage * kMiB},
                      {"max_bytes", 64 * kMiB},
                      {"high_bytes", nullptr},
                      {"pressure_some_10s", 12.5},
                      {"pressure_full_10s", 2.5}});
  }
  json asker = process(191, "hungry", "web", 16);
  asker["order"] = 0;
  asker["gfp"] = "0x140cca";
  return {{"id", 17},
          {"when", "2026-11-27T03:12:04.500000000Z"},
          {"constraint", "memcg"},
          {"kills", 1},
          {"untold", 0},
          {"container", {{"id", "web-id"}, {"name", "web"}, {"cgroup", "/plimsoll/web"}}},
          {"ran_out",
           {{"cgroup", "/plimsoll/web"},
            {"cgroup_id", 77},
            {"container", "web"},
            {"container_id", "web-id"},
            {"usage_bytes", 64 * kMiB - 8192},
            {"max_bytes", 64 * kMiB},
            {"high_bytes", nullptr},
            {"swap_bytes", 0},
            {"swap_max_bytes", 0},
            {"total_bytes", 64 * kMiB}}},
          {"asked_by", asker},
          {"victims", {process(190, "big", "web", 30)}},
          {"processes",
           {{"looked_seconds_before", 0.00025},
            {"considered", 14},
            {"top", {process(190, "big", "web", 30), process(191, "hungry", "web", 16)}}}},
          {"before", before}};
}

// The same of a limit above several containers, with a group killed.
json of_a_parent() {
  json one = post_mortem();
  one["id"] = 18;
  one["kills"] = 4;
  one["untold"] = 1;
  one["ran_out"]["cgroup"] = "/kubepods.slice/pod1";
  one["ran_out"]["container"] = one["ran_out"]["container_id"] = nullptr;
  one["victims"].push_back(process(192, "helper", "web", 2));
  one["asked_by"]["container"] = nullptr;
  one["asked_by"]["cgroup"] = "/kubepods.slice/pod1/pause";
  return one;
}

json of_the_machine() {
  json one = post_mortem();
  one["id"] = 19;
  one["constraint"] = "global";
  one["container"] = nullptr;
  one["ran_out"] = {{"cgroup", nullptr},
                    {"container", nullptr},
                    {"max_bytes", nullptr},
                    {"usage_bytes", nullptr},
                    {"total_bytes", 2048 * kMiB}};
  one["victims"][0]["container"] = nullptr;
  one["victims"][0]["cgroup"] = "/user.slice";
  one["asked_by"]["pid"] = 190;
  one["processes"]["top"] = json::array();
  one["before"] = json::array();
  return one;
}

TEST(Oom, List) {
  ::setenv("TZ", "UTC", 1);
  FakeAgent agent;
  agent.answer("GET /plimsoll/v1/ooms", {post_mortem(), of_a_parent(), of_the_machine()});
  expect_golden(say(agent, "oom", {}).out, "oom.txt");
  EXPECT_EQ(say(agent, "oom", {"web", "--format", "{{.Victim}} {{.Limit}}"}).out,
            "big (190) 64.0 MiB\nbig (190) and 1 more 64.0 MiB\nbig (190) (the machine)\n");
  EXPECT_EQ(agent.asked().back(), "GET /plimsoll/v1/ooms?limit=100&container=web");
  EXPECT_TRUE(say(agent, "oom", {"--format", "json"}).out.starts_with("{\"asked_by\":"));
}

TEST(Oom, NothingSeenIsNotNobodyLooked) {
  const auto said_of = [](const json& health) {
    FakeAgent agent;
    agent.answer("GET /plimsoll/v1/ooms", json::array());
    agent.answer("GET /plimsoll/v1/health", health);
    return say(agent, "oom", {}).err;
  };
  EXPECT_EQ(said_of(json::object()), "") << "an agent that does not say";
  EXPECT_EQ(said_of({{"probes", {{{"name", "oom"}, {"up", true}}}}}), "");
  EXPECT_EQ(said_of({{"probes", {{{"name", "oom"}, {"up", false}, {"why", "switched off"}}}}}),
            "plimsoll: the BPF probe oom is not up: switched off\n");
  EXPECT_EQ(said_of({{"probes", json::array()}}),
            "plimsoll: the BPF probe oom is not up: the agent was told to do without all probes\n");
}

TEST(Oom, Page) {
  ::setenv("TZ", "UTC", 1);
  FakeAgent agent;
  agent.answer("GET /plimsoll/v1/ooms/17", post_mortem());
  agent.answer("GET /plimsoll/v1/ooms/18", of_a_parent());
  agent.answer("GET /plimsoll/v1/ooms/19", of_the_machine());
  expect_golden(say(agent, "oom", {"17"}).out, "oom-page.txt");
  expect_golden(say(agent, "oom", {"18"}).out, "oom-page-parent.txt");
  expect_golden(say(agent, "oom", {"19"}).out, "oom-page-machine.txt");
  EXPECT_EQ(json::parse(say(agent, "oom", {"17", "--format", "json"}).out), post_mortem());
  EXPECT_EQ(say(agent, "oom", {"17", "--format", "{{.ID}}"}).status, 1);
}

TEST(Oom, WhatIsNotThereIsNamed) {
  FakeAgent agent;
  agent.answer("GET /plimsoll/v1/ooms", json::array());
  agent.answer(
      "GET /plimsoll/v1/containers",
      {{"containers", {{{"name", "quiet"}, {"id", "4f1c2a99d0e8"}}, {{"name", "12"}, {"id", "77"}}}}});
  agent.answer("GET /containers/ended/json", {{"Id", "aa"}});
  for (const char* word : {"nosuch", "4711"}) {
    const Said said = say(agent, "oom", {word});
    EXPECT_EQ(said.status, 1) << word;
    EXPECT_EQ(said.out, "") << word;
    EXPECT_EQ(said.err, std::string("No such OOM kill or container: ") + word + "\n");
  }
  for (const char* word : {"quiet", "4f1c2a", "12", "ended"}) {
    const Said said = say(agent, "oom", {word});
    EXPECT_EQ(said.status, 0) << word << said.err;
    EXPECT_TRUE(said.out.starts_with("ID ")) << "an empty table: " << said.out;
  }
  EXPECT_EQ(say(agent, "oom", {}).status, 0);
  const Said none = say(agent, "oom", {"--last", "0"});
  EXPECT_EQ(none.status, 1);
  EXPECT_NE(none.err.find("--last '0'"), std::string::npos) << none.err;
}

TEST(Oom, OfAContainerThatEndedItsRecordsAreShown) {
  FakeAgent agent;
  agent.answer("GET /plimsoll/v1/ooms", json::array({post_mortem()}));
  agent.answer("GET /plimsoll/v1/containers", {{"containers", json::array()}});
  const Said said = say(agent, "oom", {"web"});
  EXPECT_EQ(said.status, 0) << said.err;
  EXPECT_NE(said.out.find("big (190)"), std::string::npos) << said.out;
}

TEST(Oom, AContainerMayBeCalledByANumber) {
  FakeAgent agent;
  agent.answer("GET /plimsoll/v1/ooms", json::array({post_mortem()}));
  EXPECT_NE(say(agent, "oom", {"4711"}).out.find("big (190)"), std::string::npos);
  FakeAgent empty;
  empty.answer("GET /plimsoll/v1/ooms", json::array());
  EXPECT_EQ(say(empty, "oom", {"4711"}).status, 1);
}

// An agent of another version may leave things out.
TEST(Oom, WhatIsMissingIsLeftOut) {
  FakeAgent agent;
  agent.answer("GET /plimsoll/v1/ooms/1", json::object());
  EXPECT_EQ(say(agent, "oom", {"1"}).status, 0);
  agent.answer("GET /plimsoll/v1/ooms", json::array({json::object()}));
  EXPECT_EQ(say(agent, "oom", {}).status, 0);
}

}  // namespace
}  // namespace plimsoll::cli_test
