// Images, and what the daemon tells of itself: import, images, tag, rmi, version, info, events.
#include "tests/vm/docker_fixture.h"

namespace plimsoll::docker_test {
namespace {

using ImageCli = DockerCli;

TEST_F(ImageCli, ImportsListsTagsAndRemoves) {
  const std::string id =
      told({"import", "-c", "CMD [\"echo\",\"default\"]", "-c", "ENV A=b", "-c", "WORKDIR /srv", "-c",
            "LABEL team=ship", "-m", "from a tar", kImageTar, "team/app:2"});
  EXPECT_THAT(id, MatchesRegex("sha256:[0-9a-f]{64}"));
  EXPECT_EQ(told({"run", "--rm", "team/app:2"}), "default");
  EXPECT_EQ(told({"run", "--rm", "team/app:2", "sh", "-c", "echo $A; pwd"}), "b\n/srv");
  EXPECT_EQ(
      told({"inspect", "-f", "{{.Id}} {{.Comment}} {{.Config.Cmd}} {{.RepoTags}} {{.Os}}/{{.Architecture}}",
            "team/app:2"}),
      id + " from a tar [echo default] [team/app:2] linux/amd64");
  EXPECT_THAT(told({"images", "team/app"}),
              MatchesRegex("REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\nteam/app +2 +" + id.substr(7, 12) +
                           " +[^\n]* ago +[0-9.]+MB"));
  EXPECT_EQ(told({"images", "-q", "--no-trunc", "--filter", "label=team=ship"}), id);
  EXPECT_EQ(told({"images", "--filter", "reference=team/*", "--format", "{{.Repository}}:{{.Tag}}"}),
            "team/app:2");
  expect_refused({"images", "--filter", "nonsense=1"}, 1, {"nonsense"});

  EXPECT_EQ(told({"tag", "team/app:2", "app"}), "");
  EXPECT_EQ(told({"images", "--format", "{{.ID}}", "app:latest"}), id.substr(7, 12));
  EXPECT_EQ(told({"rmi", "app"}), "Untagged: app:latest");
  expect_refused({"tag", "nope", "other"}, 1, {"No such image: nope"});
  expect_refused({"tag", "demo", "Wrong"}, 1, {"repository name", "must be lowercase"});
  EXPECT_EQ(told({"rmi", "team/app:2"}), "Untagged: team/app:2\nDeleted: " + id);
  expect_refused({"rmi", "team/app:2"}, 1, {"No such image: team/app:2"});
}

TEST_F(ImageCli, ImportsFromItsInput) {
  const std::string id = told({"import", "-"}, text_of(kImageTar));
  EXPECT_THAT(id, MatchesRegex("sha256:[0-9a-f]{64}"));
  EXPECT_EQ(told({"images", "--filter", "dangling=true", "-q", "--no-trunc"}), id);
  EXPECT_EQ(told({"rmi", id.substr(7, 12)}), "Deleted: " + id);
}

TEST_F(ImageCli, RefusesWhatIsNoImage) {
  expect_refused({"import", "/etc/passwd", "bad"}, 1, {"tar"});
  expect_refused({"import", "-c", "RUN true", kImageTar, "bad"}, 1, {"RUN"});
  expect_refused({"import", kImageTar, "bad:t@g"}, 1, {"invalid reference format"});
  expect_refused({"import", "http://localhost/image.tar", "bad"}, 1, {"http://localhost/image.tar"});
  EXPECT_EQ(told({"images", "-aq"}), told({"images", "-q", "demo"}));
  EXPECT_TRUE(std::filesystem::is_empty("/var/lib/plimsoll/images/incoming"));
  expect_refused({"pull", "nope"}, 1, {"nope"});
}

TEST_F(ImageCli, AnImageInUseStays) {
  told({"create", "--name", "user", "demo", "true"});
  expect_refused({"rmi", "demo"}, 1, {"is using it"});
  EXPECT_EQ(told({"images", "-q", "demo"}).size(), 12U);
}

TEST_F(ImageCli, VersionAndInfo) {
  EXPECT_EQ(told({"version", "--format",
                  "{{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Server.Os}}/{{.Server.Arch}}"}),
            "1.47 1.24 linux/amd64");
  EXPECT_THAT(told({"version"}), HasSubstr("Server: Plimsoll"));
  start("web", "sleep 1000");
  told({"create", "demo", "true"});
  EXPECT_EQ(
      told({"info", "--format",
            "{{.Containers}} {{.ContainersRunning}} {{.ContainersStopped}} {{.Images}} {{.CgroupVersion}} "
            "{{.CgroupDriver}} {{.NCPU}} {{.LiveRestoreEnabled}}"}),
      "2 1 1 1 2 cgroupfs 2 true");
  const std::string text = told({"info"});
  EXPECT_THAT(text, HasSubstr("Running: 1"));
  EXPECT_THAT(text, HasSubstr("Docker Root Dir: /var/lib/plimsoll"));
}

TEST_F(ImageCli, Events) {
  const std::string before = std::to_string(std::time(nullptr));
  Terminal live(command({"events", "--since", before, "--filter", "container=job", "--filter", "event=die",
                         "--filter", "event=start", "--format",
                         "{{.Status}} {{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}"}));
  start("job", "exit 3", {"--label", "app=job"});
  ASSERT_TRUE(exited("job"));
  start("other", "exit 0");
  ASSERT_TRUE(exited("other"));
  told({"rm", "job"});
  const std::string now = std::to_string(std::time(nullptr) + 1);
  EXPECT_EQ(told({"events", "--since", before, "--until", now, "--filter", "container=job", "--format",
                  "{{.Action}}"}),
            "create\nstart\ndie\ndestroy");
  EXPECT_EQ(
      told({"events", "--since", before, "--until", now, "--filter", "label=app=job", "--filter", "event=die",
            "--format", "{{.Type}} {{.Actor.Attributes.image}} {{.Actor.Attributes.exitCode}}"}),
      "container demo 3");
  EXPECT_EQ(told({"events", "--since", before, "--until", now, "--filter", "type=image"}), "");
  expect_refused({"events", "--since", before, "--until", now, "--filter", "nonsense=1"}, 1, {"nonsense"});
  EXPECT_TRUE(live.see("start job <no value>\r\ndie job 3\r\n")) << live.unseen();
}

}  // namespace
}  // namespace plimsoll::docker_test
