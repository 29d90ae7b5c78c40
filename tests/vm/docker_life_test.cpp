// What is done with containers that are there: ps, inspect, logs, exec, stop and the rest.
#include "tests/vm/docker_fixture.h"

namespace plimsoll::docker_test {
namespace {

using LifeCli = DockerCli;

// Counts up, a line each 100 ms; ends with 5 when told to stop.
constexpr const char* kCounter =
    "trap 'exit 5' TERM; i=0; while :; do echo line $i; i=$((i+1)); sleep 0.1; done";

TEST_F(LifeCli, ListsAndFilters) {
  start("web", "sleep 1000", {"--label", "app=web", "--label", "tier=front"});
  start("job", "exit 3", {"--label", "app=job"});
  ASSERT_TRUE(exited("job"));
  told({"create", "--name", "waiting", "demo", "true"});
  const std::string id = api("/containers/web/json")["Id"];
  EXPECT_THAT(told({"ps"}),
              MatchesRegex("CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n" +
                           id.substr(0, 12) + " +demo +\"sh -c 'sleep 1000'\" +[^\n]* ago +Up [^\n]* web"));
  EXPECT_EQ(told({"ps", "-q", "--no-trunc"}), id);
  EXPECT_EQ(told({"ps", "-a", "--format", "{{.Names}} {{.State}}"}),
            "waiting created\njob exited\nweb running");
  EXPECT_THAT(told({"ps", "-a", "--filter", "name=job", "--format",
                    "{{.Status}}|{{.Image}}|{{.Labels}}|{{.Command}}"}),
              MatchesRegex("Exited \\(3\\) .* ago\\|demo\\|app=job\\|\"sh -c 'exit 3'\""));
  const struct {
    const char* filter;
    const char* names;
  } cases[] = {{"label=app=web", "web"},
               {"label=tier", "web"},
               {"status=exited", "job"},
               {"exited=3", "job"},
               {"exited=4", ""},
               {"ancestor=demo", "waiting\njob\nweb"},
               {"name=^/w.*$", "waiting\nweb"},
               {"since=job", "waiting"},
               {"before=job", "web"}};
  for (const auto& one : cases)
    EXPECT_EQ(told({"ps", "-a", "--filter", one.filter, "--format", "{{.Names}}"}), one.names) << one.filter;
  EXPECT_EQ(told({"ps", "-n", "2", "--format", "{{.Names}}"}), "waiting\njob");
  EXPECT_EQ(told({"ps", "-l", "--format", "{{.Names}}"}), "waiting");
  EXPECT_THAT(told({"ps", "-s", "--format", "{{.Size}}"}), MatchesRegex("[0-9.]+k?B \\(virtual .*MB\\)"));
  expect_refused({"ps", "--filter", "health=healthy"}, 1, {"health"});
  expect_refused({"ps", "--filter", "nonsense=1"}, 1, {"nonsense"});
}

TEST_F(LifeCli, Inspects) {
  start("web", "sleep 1000",
        {"--memory", "64m", "--cpus", "0.5", "-e", "A=b", "--restart", "always", "--pids-limit", "50"});
  EXPECT_EQ(
      told({"inspect", "--format",
            "{{.Name}} {{.State.Running}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} "
            "{{.HostConfig.PidsLimit}} "
            "{{.HostConfig.RestartPolicy.Name}} {{.Config.Image}} {{json .Config.Cmd}} {{.Path}} {{.Args}}",
            "web"}),
      "/web true 67108864 500000000 50 always demo [\"sh\",\"-c\",\"sleep 1000\"] sh [-c sleep 1000]");
  EXPECT_EQ(told({"inspect", "--format", "{{range .Config.Env}}{{.}} {{end}}", "web"}), "COLOUR=blue A=b ");
  const std::string pid = told({"inspect", "--format", "{{.State.Pid}}", "web"});
  EXPECT_EQ(text_of("/proc/" + pid + "/comm"), "sleep\n");
  const auto whole = nlohmann::json::parse(told({"inspect", "web", "demo"}));
  ASSERT_EQ(whole.size(), 2U);
  EXPECT_EQ(whole[0]["Image"], whole[1]["Id"]);
  EXPECT_THAT(told({"port", "web"}), "");
  expect_refused({"inspect", "--type", "container", "nope"}, 1, {"No such container: nope"});
  const Outcome nope = docker({"inspect", "nope"});
  EXPECT_EQ(nope.status, 1);
  EXPECT_THAT(nope.err, HasSubstr("No such object: nope"));
}

TEST_F(LifeCli, Logs) {
  start("talker", "echo one; echo two >&2; echo three; echo four");
  ASSERT_TRUE(exited("talker"));
  const Outcome both = docker({"logs", "talker"});
  EXPECT_EQ(both.out, "one\nthree\nfour\n");
  EXPECT_EQ(both.err, "two\n");
  // Lines that are read together have one time.
  start("plain", "echo one; echo two; sleep 1; echo three; echo four");
  ASSERT_TRUE(exited("plain"));
  const std::string stamped = told({"logs", "--timestamps", "--tail", "2", "plain"});
  EXPECT_THAT(stamped, MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{9}Z three\n[^ ]*Z four"));
  EXPECT_EQ(docker({"logs", "--tail", "0", "talker"}).out, "");
  EXPECT_EQ(docker({"logs", "--since", stamped.substr(0, stamped.find(' ')), "plain"}).out, "three\nfour\n");
  EXPECT_EQ(docker({"logs", "--until", "1h", "talker"}).out, "");
  EXPECT_EQ(docker({"logs", "--since", "1h", "talker"}).out, "one\nthree\nfour\n");
  expect_refused({"logs", "--details", "talker"}, 1, {"details"});
  expect_refused({"logs", "nope"}, 1, {"No such container: nope"});
}

TEST_F(LifeCli, FollowsLogsToTheEnd) {
  start("counter", "i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); sleep 0.1; done");
  const Outcome all = docker({"logs", "-f", "counter"});
  EXPECT_EQ(all.status, 0) << all.err;
  std::string want;
  for (int i = 0; i < 30; ++i) want += "line " + std::to_string(i) + "\n";
  EXPECT_EQ(all.out, want);
  EXPECT_EQ(docker({"logs", "-f", "--tail", "1", "counter"}).out, "line 29\n");
}

TEST_F(LifeCli, Executes) {
  start("web", "sleep 1000", {"-e", "A=1"});
  const Outcome three = docker({"exec", "web", "sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(three.status, 3);
  EXPECT_EQ(three.out, "out\n");
  EXPECT_EQ(three.err, "err\n");
  EXPECT_EQ(told({"exec", "-i", "web", "wc", "-c"}, "twelve bytes"), "12");
  EXPECT_EQ(
      told({"exec", "-e", "B=2", "-w", "/srv", "-u", "web", "web", "sh", "-c", "echo $A $B; pwd; id -u"}),
      "1 2\n/srv\n7");
  EXPECT_EQ(told({"exec", "-d", "web", "sh", "-c", "echo done >/tmp/mark"}), "");
  EXPECT_TRUE(eventually([] { return docker({"exec", "web", "cat", "/tmp/mark"}).out == "done\n"; }));
  const Outcome missing = docker({"exec", "web", "nothing"});
  EXPECT_EQ(missing.status, 127) << missing.err;
  EXPECT_THAT(missing.out + missing.err, HasSubstr("executable file not found"));
  const Outcome denied = docker({"exec", "web", "/etc/data"});
  EXPECT_EQ(denied.status, 126) << denied.err;
  EXPECT_THAT(denied.out + denied.err, HasSubstr("permission denied"));
  EXPECT_EQ(docker({"exec", "web", "sh", "-c", "kill -9 $$"}).status, 137);
  expect_refused({"exec", "nope", "true"}, 1, {"No such container: nope"});
  told({"stop", "-t", "0", "web"});
  expect_refused({"exec", "web", "true"}, 1, {"is not running"});
}

TEST_F(LifeCli, ExecutesOnATerminal) {
  start("web", "sleep 1000");
  Terminal terminal(command({"exec", "-it", "web", "sh"}), 30, 90);
  EXPECT_TRUE(terminal.ask("tty\n", "/dev/pts/")) << terminal.unseen();
  EXPECT_TRUE(terminal.ask("stty size\n", "30 90")) << terminal.unseen();
  terminal.type("exit 6\n");
  EXPECT_EQ(terminal.wait(), 6) << terminal.unseen();
}

TEST_F(LifeCli, StopsStartsAndRestarts) {
  start("counter", kCounter);
  EXPECT_TRUE(eventually([] { return docker({"logs", "counter"}).out.starts_with("line 0\n"); }));
  EXPECT_EQ(told({"stop", "counter"}), "counter");
  EXPECT_EQ(told({"inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "counter"}), "exited 5");
  EXPECT_EQ(told({"stop", "counter"}), "counter");  // once more is no error
  EXPECT_EQ(told({"start", "counter"}), "counter");
  const std::string pid = told({"inspect", "-f", "{{.State.Pid}}", "counter"});
  EXPECT_EQ(told({"restart", "-t", "20", "counter"}), "counter");
  EXPECT_NE(told({"inspect", "-f", "{{.State.Pid}}", "counter"}), pid);
  EXPECT_EQ(state("counter")["Status"], "running");
  // A process that ignores SIGTERM is killed.
  start("deaf", "trap '' TERM; echo deaf; while :; do sleep 0.1; done");
  EXPECT_TRUE(eventually([] { return docker({"logs", "deaf"}).out == "deaf\n"; }));
  EXPECT_EQ(told({"stop", "-t", "1", "deaf"}), "deaf");
  EXPECT_EQ(state("deaf")["ExitCode"], 137);
  const Outcome nope = docker({"stop", "counter", "nope"});
  EXPECT_EQ(nope.status, 1);
  EXPECT_EQ(nope.out, "counter\n");
  EXPECT_THAT(nope.err, HasSubstr("No such container: nope"));
}

TEST_F(LifeCli, StartsAttached) {
  told({"create", "-i", "--name", "once", "demo", "sh", "-c", "cat; echo over; exit 9"});
  const Outcome ended = docker({"start", "-a", "-i", "once"}, "hello\n");
  EXPECT_EQ(ended.status, 9) << ended.err;
  EXPECT_EQ(ended.out, "hello\nover\n");
}

TEST_F(LifeCli, KillsWaitsAndRemoves) {
  start("counter", "trap 'echo hup' HUP; echo up; while :; do sleep 0.1; done");
  EXPECT_TRUE(eventually([] { return docker({"logs", "counter"}).out == "up\n"; }));
  EXPECT_EQ(told({"kill", "-s", "HUP", "counter"}), "counter");
  EXPECT_TRUE(eventually([] { return docker({"logs", "counter"}).out == "up\nhup\n"; }));
  expect_refused({"kill", "-s", "NOPE", "counter"}, 1, {"NOPE"});
  expect_refused({"rm", "counter"}, 1, {"running"});
  auto waiting = background({"wait", "counter"});
  EXPECT_EQ(told({"kill", "counter"}), "counter");
  EXPECT_EQ(waiting.get().out, "137\n");
  EXPECT_EQ(told({"wait", "counter"}), "137");
  expect_refused({"kill", "counter"}, 1, {"is not running"});
  EXPECT_EQ(told({"rm", "counter"}), "counter");
  expect_refused({"rm", "counter"}, 1, {"No such container: counter"});
  start("other", "sleep 1000");
  EXPECT_EQ(told({"rm", "-f", "other"}), "other");
  EXPECT_EQ(told({"ps", "-aq"}), "");
  start("third", "sleep 1000");
  EXPECT_EQ(told({"rm", "-f", "-v", "third"}), "third");
}

TEST_F(LifeCli, Renames) {
  start("old", "sleep 1000");
  EXPECT_EQ(told({"rename", "old", "new"}), "");
  EXPECT_EQ(told({"ps", "--format", "{{.Names}}"}), "new");
  start("other", "sleep 1000");
  expect_refused({"rename", "other", "new"}, 1, {"new", "in use"});
  expect_refused({"rename", "other", "n w"}, 1, {"n w"});
}

TEST_F(LifeCli, TopAndStats) {
  start("web", "trap : TERM; while :; do :; done", {"--memory", "64m", "--cpus", "0.5"});
  const std::string top = told({"top", "web"});
  EXPECT_THAT(top, MatchesRegex("UID +PID +PPID +[^\n]*CMD\n.*sh -c trap.*"));
  expect_refused({"top", "web", "-o", "pid"}, 1, {"-o pid"});
  // An emulated guest may give it no CPU for the second that is looked at.
  std::string stats;
  EXPECT_TRUE(eventually([&] {
    stats = told({"stats", "--no-stream", "--format", "{{.Name}}|{{.CPUPerc}}|{{.MemUsage}}|{{.PIDs}}"});
    return stats.starts_with("web|") && std::stod(stats.substr(4)) > 5;
  })) << stats;
  EXPECT_THAT(stats, MatchesRegex("web\\|[0-9.]+%\\|[0-9.]+[KM]iB / 64MiB\\|1"));
  EXPECT_THAT(told({"stats", "--no-stream"}),
              StartsWith("CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT"));
}

TEST_F(LifeCli, OutlivesTheAgent) {
  start("counter", kCounter);
  agent().kill();
  agent().start(GuestAgent::With::kProbes);  // from here on as users start it
  EXPECT_THAT(told({"ps", "--format", "{{.Names}} {{.Status}}"}), StartsWith("counter Up "));
  told({"stop", "counter"});
  EXPECT_EQ(state("counter")["ExitCode"], 5);
  const std::string log = docker({"logs", "counter"}).out;
  std::istringstream lines(log);
  int next = 0;
  for (std::string line; std::getline(lines, line); ++next) ASSERT_EQ(line, "line " + std::to_string(next));
  EXPECT_GT(next, 1);
}

TEST_F(LifeCli, WhatIsNotThereYetSaysSo) {
  start("web", "sleep 1000");
  const Words cases[] = {{"pause", "web"},
                         {"unpause", "web"},
                         {"update", "--memory", "64m", "web"},
                         {"diff", "web"},
                         {"export", "web"},
                         {"commit", "web", "other"},
                         {"cp", "web:/etc/passwd", "/tmp/"},
                         {"save", "demo"},
                         {"history", "demo"},
                         {"container", "prune", "-f"},
                         {"image", "prune", "-f"},
                         {"system", "df"},
                         {"network", "create", "other"},
                         {"volume", "create", "other"},
                         {"search", "other"},
                         {"swarm", "init"}};
  std::vector<Refusal> all;
  for (const Words& one : cases) all.push_back({one, {"not supported"}});
  expect_all_refused(all, 1);
}

}  // namespace
}  // namespace plimsoll::docker_test
