// What verbs ask of the agent, and the exit statuses that come of its answers.
#include <gmock/gmock.h>

#include "agent/cli/container_flags.h"
#include "agent/cli/flags.h"
#include "agent/container/config_json.h"
#include "fake_agent.h"

namespace plimsoll::cli_test {
namespace {

using cli::Words;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kContainer(64, 'c');

class RunVerb : public testing::Test {
 protected:
  void prepare(int exit_code) {
    agent_.answer("POST /containers/create", {{"Id", kContainer}, {"Warnings", json::array()}}, 201);
    agent_.answer_stream("POST /containers/" + kContainer + "/attach", "out\n", "err\n");
    agent_.answer("POST /containers/" + kContainer + "/wait", {{"StatusCode", exit_code}});
    agent_.answer("DELETE /containers/" + kContainer, nullptr, 204);
  }
  void starts() { agent_.answer("POST /containers/" + kContainer + "/start", nullptr, 204); }
  void does_not_start(const std::string& why, int status) {
    agent_.answer("POST /containers/" + kContainer + "/start", {{"message", why}}, status);
  }
  FakeAgent agent_;
};

TEST_F(RunVerb, PassesStreamsAndTheExitCodeOn) {
  prepare(7);
  starts();
  const Said said = say(agent_, "run", {"--rm", "demo", "sh", "-c", "x"});
  EXPECT_EQ(said.status, 7);
  EXPECT_EQ(said.out, "out\n");
  EXPECT_EQ(said.err, "err\n");
  std::vector<std::string> paths;
  for (const std::string& one : agent_.asked()) paths.push_back(one.substr(0, one.find(" {")));
  EXPECT_THAT(paths, ElementsAre("POST /containers/create",
                                 "POST /containers/" + kContainer + "/attach?stream=1&stdout=1&stderr=1",
                                 "POST /containers/" + kContainer + "/wait?condition=removed",
                                 "POST /containers/" + kContainer + "/start"));
}

TEST_F(RunVerb, ExitStatusesOfFailuresAreDockers) {
  const struct {
    const char* why;
    int status;
  } cases[] = {
      {"exec nothing: executable file not found in $PATH", 127},
      {"exec /bin/nothing: no such file or directory", 127},
      {"exec /etc/data: permission denied", 126},
      {"exec /etc: is a directory", 126},
      {"write memory.max: Invalid argument", 125},
  };
  for (const auto& one : cases) {
    FakeAgent agent;
    agent.answer("POST /containers/create", {{"Id", kContainer}}, 201);
    agent.answer_stream("POST /containers/" + kContainer + "/attach", "", "");
    agent.answer("POST /containers/" + kContainer + "/wait", {{"StatusCode", 0}});
    agent.answer("POST /containers/" + kContainer + "/start", {{"message", one.why}}, 400);
    const Said said = say(agent, "run", {"demo", "x"});
    EXPECT_EQ(said.status, one.status) << one.why;
    EXPECT_EQ(said.err, std::string("plimsoll: ") + one.why + "\n");
  }
  prepare(137);
  starts();
  EXPECT_EQ(say(agent_, "run", {"demo"}).status, 137);
  EXPECT_EQ(say(agent_, "run", {}).status, 125);
  EXPECT_EQ(say(agent_, "run", {"--nonsense", "demo"}).err,
            "plimsoll: run: unknown or ambiguous flag --nonsense; see plimsoll run --help\n");
  EXPECT_EQ(say(agent_, "run", {"--memory"}).err,
            "plimsoll: run: no value given for flag --memory; see plimsoll run --help\n");
}

TEST_F(RunVerb, DetachedPrintsTheId) {
  prepare(0);
  starts();
  const Said said = say(agent_, "run", {"-d", "--name", "web", "demo"});
  EXPECT_EQ(said.status, 0);
  EXPECT_EQ(said.out, kContainer + "\n");
  EXPECT_THAT(agent_.asked().front(), HasSubstr("POST /containers/create?name=web"));
}

TEST_F(RunVerb, NoSuchImage) {
  agent_.answer("POST /containers/create", {{"message", "No such image: nope:latest"}}, 404);
  const Said said = say(agent_, "run", {"nope"});
  EXPECT_EQ(said.status, 125);
  EXPECT_EQ(said.err, "plimsoll: No such image: nope:latest\n");
}

TEST_F(RunVerb, NoAgent) {
  const cli::Verb* ps = cli::find_verb("ps");
  const auto status = ps->run(cli::Connection("/nowhere/s"), {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(),
            "cannot reach the agent at /nowhere/s: No such file or directory; is `plimsoll agent` running?");
}

// Every flag, and that the agent's own parser takes what becomes of it.
TEST_F(RunVerb, FlagsBecomeWhatTheAgentReads) {
  prepare(0);
  starts();
  ::setenv("CLI_TEST_PASSED", "on", 1);
  const Said said = say(agent_, "run",
                        {"-d",
                         "-i",
                         "-t",
                         "--name",
                         "n",
                         "--restart",
                         "on-failure:3",
                         "-e",
                         "A=1",
                         "-e",
                         "CLI_TEST_PASSED",
                         "-l",
                         "a=b",
                         "-v",
                         "/tmp:/data:ro",
                         "--tmpfs",
                         "/run:size=1m",
                         "-w",
                         "/srv",
                         "-u",
                         "1:2",
                         "--entrypoint",
                         "/e",
                         "-h",
                         "host",
                         "-m",
                         "256m",
                         "--memory-swap",
                         "-1",
                         "--memory-reservation",
                         "64m",
                         "--shm-size",
                         "8m",
                         "--cpus",
                         "0.5",
                         "-c",
                         "512",
                         "--cpuset-cpus",
                         "0-1",
                         "--pids-limit",
                         "20",
                         "--network",
                         "host",
                         "--read-only",
                         "--cap-add",
                         "NET_ADMIN",
                         "--cap-drop",
                         "ALL",
                         "--security-opt",
                         "no-new-privileges",
                         "--sysctl",
                         "net.ipv4.ip_forward=1",
                         "--ulimit",
                         "nofile=10:20",
                         "--device",
                         "/dev/null:/dev/x:r",
                         "--oom-score-adj",
                         "5",
                         "--stop-signal",
                         "INT",
                         "--stop-timeout",
                         "4",
                         "--log-opt",
                         "max-size=1m",
                         "demo",
                         "one",
                         "-two"});
  EXPECT_EQ(said.status, 0) << said.err;
  const auto config = container::config_from_json(agent_.body_of("POST /containers/create"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->image, "demo");
  EXPECT_THAT(*config->cmd, ElementsAre("one", "-two"));
  EXPECT_THAT(*config->entrypoint, ElementsAre("/e"));
  EXPECT_THAT(config->env, ElementsAre("A=1", "CLI_TEST_PASSED=on"));
  EXPECT_EQ(config->labels, (std::map<std::string, std::string>{{"a", "b"}}));
  EXPECT_TRUE(config->tty && config->open_stdin && config->readonly_rootfs && config->no_new_privileges);
  EXPECT_EQ(config->restart, (container::RestartPolicy{container::RestartKind::kOnFailure, 3}));
  EXPECT_EQ(config->limits.memory.value, 256U << 20);
  EXPECT_EQ(config->limits.memory_swap, -1);
  EXPECT_EQ(config->limits.memory_reservation.value, 64U << 20);
  EXPECT_EQ(config->limits.nano_cpus, 500'000'000);
  EXPECT_EQ(config->limits.cpu_shares, 512);
  EXPECT_EQ(config->limits.cpuset_cpus, "0-1");
  EXPECT_EQ(config->limits.pids, 20);
  EXPECT_EQ(config->network_mode, "host");
  EXPECT_EQ(config->mounts.size(), 2U);
  EXPECT_EQ(config->shm_size.value, 8U << 20);
  EXPECT_EQ(config->stop_signal, "INT");
  EXPECT_EQ(config->stop_timeout, 4);
  EXPECT_EQ(config->oom_score_adj, 5);
  EXPECT_EQ(config->log_size.value, 1U << 20);
  ASSERT_EQ(config->ulimits.size(), 1U);
  EXPECT_EQ(config->ulimits[0].hard, 20);
  ASSERT_EQ(config->devices.size(), 1U);
  EXPECT_EQ(config->devices[0].access, "r");
}

TEST_F(RunVerb, FlagsThatMakeNoSenseAreNamed) {
  const struct {
    Words flags;
    const char* error;
  } cases[] = {
      {{"-m", "lots"}, "--memory 'lots': expected a size such as 256m or 1.5g"},
      {{"--cpus", "0"}, "--cpus '0': expected a number of cores such as 0.5"},
      {{"--restart", "sometimes"},
       "--restart 'sometimes': expected no, always, unless-stopped, on-failure or on-failure:N"},
      {{"--rm", "--restart", "always"}, "--rm and --restart exclude each other"},
      {{"-e", "=x"}, "--env '=x': expected KEY=VALUE or KEY"},
      {{"-v", "data:/data"}, "--volume 'data:/data': expected /HOST/FOLDER:/CONTAINER/FOLDER[:ro]"},
      {{"--ulimit", "nofile"}, "--ulimit 'nofile': expected NAME=SOFT[:HARD] such as nofile=1024:4096"},
      {{"--pids-limit", "1.5"}, "--pids-limit '1.5': expected a whole number"},
      {{"--env-file", "/nowhere"}, "open /nowhere: No such file or directory"},
  };
  for (const auto& one : cases) {
    Words words = one.flags;
    words.emplace_back("demo");
    const Said said = say(agent_, "run", words);
    EXPECT_EQ(said.status, 125);
    EXPECT_EQ(said.err, std::string("plimsoll: ") + one.error + "\n");
  }
  EXPECT_EQ(agent_.asked(), std::vector<std::string>{});
}

TEST(ExecVerb, GivesTheExitCodeOfItsProcess) {
  FakeAgent agent;
  agent.answer("POST /containers/web/exec", {{"Id", "e1"}}, 201);
  agent.answer_stream("POST /exec/e1/start", "hello\n", "");
  agent.answer("GET /exec/e1/json", {{"ExitCode", 3}});
  const Said said = say(agent, "exec", {"-e", "A=b", "-w", "/srv", "web", "sh", "-c", "exit 3"});
  EXPECT_EQ(said.status, 3);
  EXPECT_EQ(said.out, "hello\n");
  const json body = agent.body_of("POST /containers/web/exec");
  EXPECT_EQ(body["Cmd"], json({"sh", "-c", "exit 3"}));
  EXPECT_EQ(body["Env"], json({"A=b"}));
  EXPECT_EQ(body["WorkingDir"], "/srv");
  agent.answer("GET /exec/e1/json", {{"ExitCode", 127}});
  EXPECT_EQ(say(agent, "exec", {"nope", "true"}).status, 1);
  EXPECT_EQ(say(agent, "exec", {"web"}).err,
            "exec: expected a container and a command; see plimsoll exec --help\n");
}

TEST(LifecycleVerbs, ActOnEachAndGoOnAfterAFailure) {
  FakeAgent agent;
  agent.answer("POST /containers/a/stop", nullptr, 204);
  agent.answer("POST /containers/c/stop", nullptr, 304);
  const Said stopped = say(agent, "stop", {"-t", "3", "a", "b", "c"});
  EXPECT_EQ(stopped.status, 1);
  EXPECT_EQ(stopped.out, "a\nc\n");
  EXPECT_EQ(stopped.err, "plimsoll: No such object: /containers/b/stop\n");
  EXPECT_THAT(agent.asked(), ElementsAre("POST /containers/a/stop?t=3", "POST /containers/b/stop?t=3",
                                         "POST /containers/c/stop?t=3"));
  agent.answer("POST /containers/a/wait", {{"StatusCode", 137}});
  EXPECT_EQ(say(agent, "wait", {"a"}).out, "137\n");
  agent.answer("DELETE /containers/a", nullptr, 204);
  EXPECT_EQ(say(agent, "rm", {"-f", "a"}).out, "a\n");
  EXPECT_EQ(agent.asked().back(), "DELETE /containers/a?force=1&v=0");
  agent.answer("POST /containers/a/kill", nullptr, 204);
  EXPECT_EQ(say(agent, "kill", {"-s", "HUP", "a"}).status, 0);
  EXPECT_EQ(agent.asked().back(), "POST /containers/a/kill?signal=HUP");
  EXPECT_EQ(say(agent, "kill", {}).err, "kill: expected one or more containers; see plimsoll kill --help\n");
}

TEST(ImageVerbs, ImportTagAndRemove) {
  FakeAgent agent;
  agent.answer("POST /images/create", {{"status", "sha256:1234"}});
  EXPECT_EQ(say(agent, "import", {"-c", "CMD [\"sh\"]", "/dev/null", "team/app:2"}).out, "sha256:1234\n");
  EXPECT_EQ(agent.asked().back(), "POST /images/create?fromSrc=-&repo=team/app&tag=2&changes=CMD [\"sh\"]");
  EXPECT_EQ(say(agent, "import", {"/nowhere", "x"}).err, "open /nowhere: No such file or directory\n");
  agent.answer("POST /images/app/tag", nullptr, 201);
  EXPECT_EQ(say(agent, "tag", {"app", "registry:5000/app:1"}).status, 0);
  EXPECT_EQ(agent.asked().back(), "POST /images/app/tag?repo=registry:5000/app&tag=1");
  agent.answer("DELETE /images/app:1", {{{"Untagged", "app:1"}}, {{"Deleted", "sha256:1234"}}});
  EXPECT_EQ(say(agent, "rmi", {"app:1"}).out, "Untagged: app:1\nDeleted: sha256:1234\n");
}

TEST(VersionVerb, TellsBothSides) {
  FakeAgent agent;
  agent.answer("GET /version",
               {{"Version", "0.1.0"}, {"ApiVersion", "1.47"}, {"KernelVersion", "6.12"}, {"Arch", "amd64"}});
  EXPECT_THAT(say(agent, "version", {}).out,
              HasSubstr("Server: plimsoll 0.1.0 (API 1.47, kernel 6.12, amd64)"));
}

}  // namespace
}  // namespace plimsoll::cli_test
