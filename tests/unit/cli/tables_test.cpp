// What people read: tables, the live screen and help texts, rendered from prepared answers.
#include <ctime>

#include "agent/cli/flags.h"
#include "agent/cli/top_screen.h"
#include "fake_agent.h"

namespace plimsoll::cli_test {
namespace {

using cli::Words;

const std::string kId(64, 'a');
const std::string kOther(64, 'b');

json containers() {
  const std::int64_t now = std::time(nullptr);
  return {{{"Id", kId},
           {"Names", {"/web"}},
           {"Image", "alpine:3"},
           {"Command", "httpd -f -p 80"},
           {"Created", now - 7200},
           {"State", "running"},
           {"Status", "Up 2 hours"},
           {"Labels", {{"app", "web"}, {"tier", "front"}}}},
          {{"Id", kOther},
           {"Names", {"/größe"}},
           {"Image", "team/batch:2025-11"},
           {"Command", "sh -c while :; do work; done"},
           {"Created", now - 86400 * 3},
           {"State", "exited"},
           {"Status", "Exited (137) 5 minutes ago"},
           {"Labels", json::object()}}};
}

TEST(Tables, Ps) {
  FakeAgent agent;
  agent.answer("GET /containers/json", containers());
  expect_golden(say(agent, "ps", {"-a"}).out, "ps.txt");
  expect_golden(say(agent, "ps", {"-a", "--no-trunc"}).out, "ps-no-trunc.txt");
  EXPECT_EQ(say(agent, "ps", {"-aq"}).out, kId.substr(0, 12) + "\n" + kOther.substr(0, 12) + "\n");
  EXPECT_EQ(say(agent, "ps", {"--format", "{{.Names}}: {{.State}} {{ .Labels }}"}).out,
            "web: running app=web,tier=front\ngröße: exited \n");
  const Said as_json = say(agent, "ps", {"--format", "json"});
  std::istringstream lines(as_json.out);
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(json::parse(line)["Names"], "web");
  const Said wrong = say(agent, "ps", {"--format", "{{.Nope}}"});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_EQ(wrong.err,
            "--format: unknown field '.Nope'; known: .ID .Image .Command .CreatedAt .Status .Names .State "
            ".Labels\n");
  say(agent, "ps", {"-n", "3", "--filter", "label=a=b", "--filter", "label=c", "--filter", "status=exited"});
  EXPECT_EQ(agent.asked().back(),
            R"(GET /containers/json?all=1&limit=3&filters={"label":["a=b","c"],"status":["exited"]})");
}

TEST(Tables, PsOfNothing) {
  FakeAgent agent;
  agent.answer("GET /containers/json", json::array());
  expect_golden(say(agent, "ps", {}).out, "ps-empty.txt");
}

TEST(Tables, Images) {
  FakeAgent agent;
  const std::int64_t now = std::time(nullptr);
  agent.answer("GET /images/json", {{{"Id", "sha256:" + kId},
                                     {"RepoTags", {"alpine:3", "registry:5000/base:1"}},
                                     {"Created", now - 40},
                                     {"Size", 7'654'321}},
                                    {{"Id", "sha256:" + kOther},
                                     {"RepoTags", json::array()},
                                     {"Created", now - 86400 * 30},
                                     {"Size", 1'500'000'000}}});
  expect_golden(say(agent, "images", {}).out, "images.txt");
  EXPECT_EQ(say(agent, "images", {"-q", "--no-trunc"}).out, "sha256:" + kId + "\nsha256:" + kOther + "\n");
  EXPECT_EQ(say(agent, "images", {"--format", "{{.Repository}} {{.Tag}}"}).out,
            "alpine 3\nregistry:5000/base 1\n<none> <none>\n");
}

TEST(Tables, Stats) {
  FakeAgent agent;
  agent.answer("GET /containers/json", {{{"Id", kId}}, {{"Id", kOther}}});
  agent.answer(
      "GET /containers/" + kId + "/stats",
      {{"id", kId},
       {"name", "/web"},
       {"cpu_stats",
        {{"cpu_usage", {{"total_usage", 3'000'000'000}}},
         {"system_cpu_usage", 20'000'000'000},
         {"online_cpus", 2}}},
       {"precpu_stats",
        {{"cpu_usage", {{"total_usage", 2'500'000'000}}}, {"system_cpu_usage", 18'000'000'000}}},
       {"memory_stats",
        {{"usage", 100 << 20}, {"limit", 256 << 20}, {"stats", {{"inactive_file", 36 << 20}}}}},
       {"networks",
        {{"eth0", {{"rx_bytes", 1536}, {"tx_bytes", 0}}}, {"eth1", {{"rx_bytes", 512}, {"tx_bytes", 9}}}}},
       {"blkio_stats",
        {{"io_service_bytes_recursive",
          {{{"op", "read"}, {"value", 4096}}, {{"op", "Write"}, {"value", 8192}}}}}},
       {"pids_stats", {{"current", 7}}}});
  // One that ended between the list and the question.
  agent.answer(
      "GET /containers/" + kOther + "/stats",
      {{"id", kOther}, {"name", "/gone"}, {"memory_stats", json::object()}, {"pids_stats", json::object()}});
  expect_golden(say(agent, "stats", {"--no-stream"}).out, "stats.txt");
  EXPECT_EQ(say(agent, "stats", {"--no-stream", "--format", "{{.Name}} {{.CPUPerc}} {{.MemPerc}}", kId}).out,
            "web 50.00% 25.00%\n");
}

TEST(Tables, Inspect) {
  FakeAgent agent;
  agent.answer("GET /containers/web/json", {{"Id", kId},
                                            {"Name", "/web"},
                                            {"State", {{"Status", "running"}, {"ExitCode", 0}}},
                                            {"Config", {{"Cmd", {"sh", "-c"}}}}});
  agent.answer("GET /images/alpine/json", {{"Id", "sha256:" + kOther}, {"RepoTags", {"alpine:3"}}});
  expect_golden(say(agent, "inspect", {"web", "alpine"}).out, "inspect.txt");
  EXPECT_EQ(
      say(agent, "inspect", {"-f", "{{.State.Status}} {{.State.ExitCode}} {{json .Config.Cmd}}", "web"}).out,
      "running 0 [\"sh\",\"-c\"]\n");
  const Said nope = say(agent, "inspect", {"nope"});
  EXPECT_EQ(nope.status, 1);
  EXPECT_EQ(nope.err, "plimsoll: no such container or image: nope\n");
  EXPECT_EQ(say(agent, "inspect", {"-f", "{{.State.Nope}}", "web"}).err,
            "--format: no field 'Nope' in '.State.Nope'\n");
}

TEST(Tables, Noisy) {
  FakeAgent agent;
  agent.answer("GET /plimsoll/v1/interference",
               {{{"victim", "web"}, {"aggressor", "batch"}, {"seconds", 7.5}},
                {{"victim", "web"}, {"aggressor", "web"}, {"seconds", 2}},
                {{"victim", "web"}, {"aggressor", "(host)"}, {"seconds", 0.5}},
                {{"victim", "batch"}, {"aggressor", "web"}, {"seconds", 1.25}},
                {{"victim", "db"}, {"aggressor", "web"}, {"seconds", 0}}});
  expect_golden(say(agent, "noisy", {"--window", "0s"}).out, "noisy.txt");
}

TEST(Tables, Decisions) {
  ::setenv("TZ", "UTC", 1);
  FakeAgent agent;
  agent.answer("GET /plimsoll/v1/decisions",
               {{{"id", 41},
                 {"when", "2025-11-24T14:03:21.123456789Z"},
                 {"policy", "leaky"},
                 {"rule", "squeeze"},
                 {"cause", "rule"},
                 {"action", "set"},
                 {"outcome", "done"},
                 {"container", "leaky"},
                 {"detail", "memory.high"},
                 {"before", "max"},
                 {"after", "127504384"},
                 {"seen", json::array({json::array({"memory.working_set", "104857600"}),
                                       json::array({"limit", "134217728"})})},
                 {"breach_to_effect_ns", 12'400'000}},
                {{"id", 42},
                 {"when", "2025-11-24T14:03:25Z"},
                 {"policy", "batch"},
                 {"rule", ""},
                 {"cause", "hold"},
                 {"action", "kill"},
                 {"outcome", "failed"},
                 {"container", "batch"},
                 {"detail", "SIGKILL: No such process"},
                 {"seen", json::array()},
                 {"breach_to_effect_ns", 0}}});
  expect_golden(say(agent, "decisions", {"--since", "2025-11-24T14:00:00Z", "--container", "leaky"}).out,
                "decisions.txt");
  EXPECT_EQ(agent.asked().back(),
            "GET /plimsoll/v1/decisions?limit=100&since=1763992800.000000000&container=leaky&policy=");
  EXPECT_EQ(say(agent, "decisions", {"--since", "yesterday"}).err,
            "'yesterday' is no time: expected RFC 3339, Unix seconds, or a span such as 10m\n");
}

json screen() {
  return {{"host",
           {{"cpu_usage", 1.52},
            {"cpu_cores", 2},
            {"memory_available", 1ULL << 30},
            {"memory_total", 4ULL << 30},
            {"cpu_pressure", 12.4},
            {"memory_pressure", 0.0},
            {"io_pressure", nullptr}}},
          {"agent",
           {{"cpu_percent", 0.31},
            {"memory", 14 << 20},
            {"sample_seconds", 0.0021},
            {"policies", 3},
            {"decisions", 41}}},
          {"containers",
           {{{"name", "web"},
             {"runtime", "plimsoll"},
             {"cpu_usage", 0.04},
             {"cpu_limit", nullptr},
             {"memory_usage", 20 << 20},
             {"memory_limit", 64 << 20},
             {"cpu_pressure", 0.0},
             {"memory_pressure", 0.0},
             {"io_pressure", 0.0},
             {"oom_kills", 0},
             {"restarts", 0}},
            {{"name", "batch"},
             {"runtime", "plimsoll"},
             {"cpu_usage", 0.5},
             {"cpu_limit", 0.5},
             {"throttled_percent", 93.0},
             {"memory_usage", 3 << 20},
             {"memory_limit", nullptr},
             {"cpu_pressure", 55.2},
             {"memory_pressure", 0.0},
             {"io_pressure", 0.0},
             {"oom_kills", 0},
             {"restarts", 0}},
            {{"name", "a-container-with-a-very-long-name"},
             {"runtime", "docker"},
             {"cpu_usage", nullptr},
             {"cpu_limit", nullptr},
             {"memory_usage", 110 << 20},
             {"memory_limit", 128 << 20},
             {"oom_kills", 2},
             {"restarts", 3},
             {"last_decision",
              {{"when", "2025-11-24T14:03:21.5Z"},
               {"text", "leaky/squeeze set memory.high 127504384: done"}}}}}}};
}

TEST(TopScreen, BarsAgainstTheLimit) {
  ::setenv("TZ", "UTC", 1);
  FakeAgent agent;
  agent.answer("GET /plimsoll/v1/containers", screen());
  expect_golden(say(agent, "top", {"--once"}).out, "top.txt");
  expect_golden(cli::render_top(screen(), {.rows = 24, .columns = 100}, cli::TopOrder::kName, true),
                "top-100-columns-colours.txt");
  expect_golden(cli::render_top(screen(), {.rows = 7, .columns = 160}, cli::TopOrder::kMemory, false),
                "top-7-rows.txt");
  json recorded = screen();
  recorded.erase("agent");
  recorded["at"] = "2026-11-27T14:03:05.5Z";
  agent.answer("GET /plimsoll/v1/containers", recorded);
  say(agent, "top", {"--once"});  // takes the first answer
  EXPECT_NE(
      say(agent, "top", {"--once", "--at", "2026-11-27T14:03:06Z"}).out.find("\nrecorded at 2026-11-27 "),
      std::string::npos);
  EXPECT_EQ(say(agent, "top", {"--at", "noon"}).err,
            "--at: 'noon' is no time: expected RFC 3339, Unix seconds, or a span such as 10m\n");
  EXPECT_EQ(say(agent, "top", {"--at", "10m", "web"}).err,
            "--at: of all containers, not of one's processes\n");
  agent.answer("GET /containers/web/top",
               {{"Titles", {"UID", "PID", "PPID", "CMD"}}, {"Processes", {{"0", "812", "790", "httpd -f"}}}});
  EXPECT_EQ(say(agent, "top", {"web"}).out, "UID   PID   PPID   CMD\n0     812   790    httpd -f\n");
}

TEST(HelpTexts, EachVerbHasOneWithAnExample) {
  FakeAgent agent;
  for (const cli::Verb& verb : cli::verbs()) {
    const std::string name(verb.name);
    const Said help = say(agent, name, {"--help"});
    EXPECT_EQ(help.status, 0) << name << ": " << help.err;
    EXPECT_NE(help.out.find("\nUsage: plimsoll " + name), std::string::npos) << name;
    EXPECT_NE(help.out.find("\nExample:\n  plimsoll " + name), std::string::npos) << name;
    expect_golden(help.out, "help-" + name + ".txt");
  }
  EXPECT_EQ(agent.asked(), std::vector<std::string>{}) << "a help text asks nobody";
}

}  // namespace
}  // namespace plimsoll::cli_test
