#include "agent/daemon/post_mortem.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace plimsoll::daemon {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

std::shared_ptr<const model::ContainerRef> ref(std::uint64_t inode, const std::string& name) {
  auto out = std::make_shared<model::ContainerRef>();
  out->id = {inode};
  out->name = name;
  out->container_id = name + "-0123456789";
  out->cgroup = "/c/" + name;
  return out;
}

model::OomProcess process(int pid, std::uint64_t container, std::uint64_t anon) {
  return {
      .pid = pid, .tid = pid, .comm = "p" + std::to_string(pid), .container = {container}, .anon = {anon}};
}

model::OomKill kill() {
  model::OomKill out;
  out.began = {99'998ms};
  out.killed = {100s};
  out.constraint = model::OomConstraint::kMemcg;
  out.cgroup = {1};
  out.path = "/c/web";
  out.container = {1};
  out.usage = {4096};
  out.max = model::Bound<Bytes>(Bytes{8192});
  out.asker = process(9, 3, 1);
  out.gfp = 0xcc0;
  out.kills = 1;
  out.victims = {{process(4, 1, 100), "/c/web/child"}};
  out.considered = 2;
  out.top = {process(4, 1, 100), process(9, 3, 1)};
  return out;
}

model::Snapshot now() {
  model::Snapshot out;
  out.wall = WallTime(1'764'213'124s);
  out.boot = {104s};
  out.containers.push_back({ref(3, "batch"), {}});
  out.containers.push_back({ref(5, "other"), {}});
  out.ended.push_back({ref(1, "web"), {}, {}, {}});
  return out;
}

watch::MemoryHistory history() {
  watch::MemoryHistory out;
  model::Snapshot tick;
  for (const auto second : {98s, 99s}) {
    tick.boot = {second};
    model::Sample sample;
    sample.taken = {second + 500ms};
    sample.memory.current = Bytes{4096};
    tick.containers = {{ref(1, "web"), sample}};
    out.note(tick);
  }
  return out;
}

TEST(PostMortem, NamesTheLivingAndTheEnded) {
  const auto one = post_mortem(kill(), now(), history());
  ASSERT_TRUE(one.container);
  EXPECT_EQ(one.container->name, "web");
  EXPECT_EQ(one.when, WallTime(1'764'213'120s));
  const json told = post_mortem_json(one);
  EXPECT_EQ(told["container"]["name"], "web");
  EXPECT_EQ(told["ran_out"]["container"], "web");
  EXPECT_EQ(told["ran_out"]["max_bytes"], 8192);
  EXPECT_TRUE(told["ran_out"]["high_bytes"].is_null());
  EXPECT_EQ(told["asked_by"]["container"], "batch");
  EXPECT_EQ(told["asked_by"]["gfp"], "0xcc0");
  EXPECT_EQ(told["victims"][0]["cgroup"], "/c/web/child");
  EXPECT_EQ(told["processes"]["looked_seconds_before"], 0.002);
  ASSERT_EQ(told["before"].size(), 2U);
  EXPECT_EQ(told["before"][1]["seconds_before"], 0.5);
  EXPECT_EQ(told["before"][1]["usage_bytes"], 4096);
  EXPECT_TRUE(told["before"][1]["anon_bytes"].is_null());
  EXPECT_EQ(summary_line(one), "OOM kill: p4 (pid 4) of web, 100B; memory.max of /c/web ran out");
}

TEST(PostMortem, WhatIsNobodysIsNull) {
  model::OomKill of = kill();
  of.cgroup = of.container = of.victims[0].process.container = {};
  of.path = "";
  of.constraint = model::OomConstraint::kNone;
  const auto one = post_mortem(of, now(), history());
  const json told = post_mortem_json(one);
  EXPECT_EQ(told["constraint"], "global");
  EXPECT_TRUE(told["container"].is_null());
  EXPECT_TRUE(told["ran_out"]["cgroup"].is_null());
  EXPECT_TRUE(told["ran_out"]["max_bytes"].is_null());
  EXPECT_TRUE(told["victims"][0]["container"].is_null());
  EXPECT_TRUE(told["before"].empty());
  EXPECT_EQ(summary_line(one), "OOM kill: p4 (pid 4) of /c/web/child, 100B; the machine's memory ran out");
}

TEST(PostMortem, IsFoundByItsContainer) {
  const json told = post_mortem_json(post_mortem(kill(), now(), history()));
  EXPECT_TRUE(concerns(told, ""));
  EXPECT_TRUE(concerns(told, "web"));
  EXPECT_TRUE(concerns(told, "web-01"));
  EXPECT_FALSE(concerns(told, "batch")) << "it only asked";
  EXPECT_FALSE(concerns(json("torn"), "web"));
  const json summary = post_mortem_summary(told);
  EXPECT_FALSE(summary.contains("before"));
  EXPECT_FALSE(summary.contains("processes"));
  EXPECT_TRUE(concerns(summary, "web"));
}

}  // namespace
}  // namespace plimsoll::daemon
