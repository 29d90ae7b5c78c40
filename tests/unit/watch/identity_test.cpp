#include "agent/watch/identity.h"

#include <gtest/gtest.h>

#include "temporary_tree.h"

namespace plimsoll::watch {
namespace {

using model::Runtime;
const std::string kContainer(64, 'a');

WallTime at(std::int64_t seconds, std::int64_t nanoseconds = 0) {
  return WallTime(std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanoseconds));
}

TEST(Identity, OfDocker) {
  const Tree tree(
      {{kContainer + "/config.v2.json", R"({"ID":"a","Created":"2026-11-24T08:00:00.5Z","Name":"/web-1",
    "State":{"Running":true,"Pid":4711,"StartedAt":"2026-11-24T08:00:01Z"},"RestartCount":3,
    "Config":{"Image":"nginx:1.25","Labels":{"tier":"front","odd":7}}})"}});
  const auto found = read_identity({.docker = tree.root()}, {Runtime::kDocker, kContainer, ""});
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->name, "web-1");
  EXPECT_EQ((*found)->image, "nginx:1.25");
  EXPECT_EQ((*found)->labels, (std::map<std::string, std::string>{{"tier", "front"}}));
  EXPECT_EQ((*found)->created, at(1795507200, 500000000));
  EXPECT_EQ((*found)->started, at(1795507201));
  EXPECT_EQ((*found)->init_pid, 4711);
  EXPECT_EQ((*found)->restarts, 3U);
}

TEST(Identity, OfKubernetesOnContainerd) {
  const Tree tree({{"k8s.io/" + kContainer + "/config.json", R"({"ociVersion":"1.0.2","annotations":{
    "io.kubernetes.cri.container-name":"app","io.kubernetes.cri.container-type":"container",
    "io.kubernetes.cri.image-name":"registry.local/app:2","io.kubernetes.cri.sandbox-id":"b",
    "io.kubernetes.cri.sandbox-name":"app-7f9c","io.kubernetes.cri.sandbox-namespace":"prod","mine":"kept"}})"},
                   {"k8s.io/" + kContainer + "/init.pid", "1234"},
                   {"moby/", ""}});
  const auto found = read_identity({.containerd = tree.root()}, {Runtime::kContainerd, kContainer, "uid"});
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->name, "app-7f9c/app");
  EXPECT_EQ((*found)->pod, "app-7f9c");
  EXPECT_EQ((*found)->kube_namespace, "prod");
  EXPECT_EQ((*found)->kube_container, "app");
  EXPECT_EQ((*found)->image, "registry.local/app:2");
  EXPECT_EQ((*found)->init_pid, 1234);
  EXPECT_EQ((*found)->labels, (std::map<std::string, std::string>{{"mine", "kept"}}));
}

TEST(Identity, OfDockerBehindKubernetesWithCgroupfs) {
  const Tree tree(
      {{kContainer + "/config.v2.json", R"({"Name":"/k8s_app_web_prod_uid_0","Config":{"Image":"sha256:1",
    "Labels":{"io.kubernetes.pod.name":"web","io.kubernetes.pod.namespace":"prod",
              "io.kubernetes.container.name":"app"}}})"}});
  const auto found = read_identity({.containerd = "/nowhere", .docker = tree.root()},
                                   {Runtime::kContainerd, kContainer, "uid"});
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->name, "web/app");
  EXPECT_EQ((*found)->kube_namespace, "prod");
}

TEST(Identity, OfPodman) {
  const Tree tree(
      {{"overlay-containers/" + kContainer + "/userdata/config.json",
        R"({"annotations":{"org.opencontainers.image.stopSignal":"15"}})"},
       {"overlay-containers/containers.json", R"([{"id":"other","names":["no"]},{"id":")" + kContainer +
                                                  R"(","names":["jolly"],"created":"2026-11-24T08:00:00Z",
                        "metadata":"{\"image-name\":\"docker.io/library/alpine:latest\",\"name\":\"jolly\"}"}])"}});
  const auto found = read_identity({.containers_storage = tree.root()}, {Runtime::kPodman, kContainer, ""});
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->name, "jolly");
  EXPECT_EQ((*found)->image, "docker.io/library/alpine:latest");
  EXPECT_EQ((*found)->created, at(1795507200));
}

TEST(Identity, OfCrio) {
  const Tree tree({{"overlay-containers/" + kContainer + "/userdata/config.json", R"({"annotations":{
    "io.kubernetes.cri-o.Name":"k8s_app_web_prod_uid_0","io.kubernetes.cri-o.ImageName":"quay.io/app:1",
    "io.kubernetes.cri-o.Created":"2026-11-24T08:00:00Z",
    "io.kubernetes.cri-o.Labels":"{\"io.kubernetes.pod.name\":\"web\",\"io.kubernetes.pod.namespace\":\"prod\",\"io.kubernetes.container.name\":\"app\",\"tier\":\"x\"}"}})"}});
  const auto found = read_identity({.containers_storage = tree.root()}, {Runtime::kCrio, kContainer, "uid"});
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->name, "web/app");
  EXPECT_EQ((*found)->image, "quay.io/app:1");
  EXPECT_EQ((*found)->labels, (std::map<std::string, std::string>{{"tier", "x"}}));
}

TEST(Identity, OfServicesIsTheUnitsName) {
  const auto found = read_identity({}, {Runtime::kSystemd, "cron.service", ""});
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->name, "cron.service");
}

TEST(Identity, NotYetThereIsNotAnErrorButBrokenIs) {
  const Tree tree({{"half/config.v2.json", "{\"Name\":"}, {"list/config.v2.json", "[]"}});
  const IdentityRoots roots{.docker = tree.root()};
  const auto missing = read_identity(roots, {Runtime::kDocker, kContainer, ""});
  ASSERT_TRUE(missing);
  EXPECT_FALSE(*missing);
  const auto half = read_identity(roots, {Runtime::kDocker, "half", ""});
  ASSERT_FALSE(half);
  EXPECT_EQ(half.error().message(), tree.root() + "/half/config.v2.json: not a JSON object");
  EXPECT_FALSE(read_identity(roots, {Runtime::kDocker, "list", ""}));
  // Fields of another type than expected are left out, nothing more.
  EXPECT_TRUE(parse_docker_config(R"({"Name":5,"State":[],"Config":"x","RestartCount":-1,"Created":{}})"));
}

}  // namespace
}  // namespace plimsoll::watch
