#include "bpf/oom_records.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

namespace plimsoll::bpf {
namespace {

constexpr std::uint64_t kPage = 4096;

template <typename Record>
std::span<const std::byte> bytes(const Record& record) {
  return std::as_bytes(std::span(&record, 1));
}

wire_process process(std::uint32_t pid, const char* comm, std::uint64_t anon) {
  wire_process out{
      .container = 7, .cgroup = 8, .total_vm = 1000, .anon = anon, .file = 2, .shmem = 3, .swap = 4};
  out.page_tables = 8192;
  out.pid = out.tid = pid;
  out.score_adj = -5;
  std::strncpy(out.comm, comm, sizeof out.comm - 1);
  return out;
}

wire_oom_victim victim(std::uint64_t of, std::uint32_t pid) {
  wire_oom_victim out{.event = {.container = 7, .kind = WIRE_EVENT_OOM_VICTIM},
                      .oom = of,
                      .process = process(pid, "java", 100)};
  std::strcpy(out.path, "/a/b");
  return out;
}

wire_oom end(std::uint64_t began, std::uint32_t victims) {
  wire_oom out{.event = {.container = 7, .kind = WIRE_EVENT_OOM}, .began = began, .killed_at = began + 5};
  out.memcg = 8;
  out.usage = 1023;
  out.max = 1024;
  out.high = out.swap_max = std::uint64_t{std::numeric_limits<std::int64_t>::max()} / kPage;
  out.constraint = WIRE_OOM_MEMCG;
  out.victims = victims;
  out.considered = 12;
  out.ranked = 2;
  out.asker = process(9, "asker", 1);
  out.top[0] = process(1, "less", 10);
  out.top[1] = process(2, "more", 20);
  std::strcpy(out.path, "/a");
  return out;
}

TEST(OomRecords, ANameCannotForgeLinesOrSpeakToATerminal) {
  OomRecords records(kPage);
  wire_oom_victim wire = victim(50, 4242);
  std::strcpy(wire.process.comm, "a\nb\x1b[2J\x7f\xc3\xa9");
  std::strcpy(wire.path, "/a\x1b");
  const auto one = records.victim(bytes(wire));
  ASSERT_TRUE(one);
  EXPECT_EQ(one->process.comm, "a?b?[2J?\xc3\xa9");
  EXPECT_EQ(one->cgroup_path, "/a?");
}

TEST(OomRecords, AKillIsPutTogether) {
  OomRecords records(kPage);
  const auto one = records.victim(bytes(victim(50, 4242)));
  ASSERT_TRUE(one);
  EXPECT_EQ(one->process.container.inode, 7U);
  const auto kill = records.end(bytes(end(50, 1)));
  ASSERT_TRUE(kill);
  EXPECT_EQ(kill->killed - kill->began, Nanoseconds(5));
  EXPECT_EQ(kill->constraint, model::OomConstraint::kMemcg);
  EXPECT_EQ(kill->usage.value, 1023 * kPage);
  EXPECT_EQ(kill->max, model::Bound<Bytes>(Bytes{1024 * kPage}));
  EXPECT_TRUE(kill->high.is_max());
  EXPECT_TRUE(kill->swap_max.is_max());
  EXPECT_EQ(kill->path, "/a");
  ASSERT_EQ(kill->victims.size(), 1U);
  const model::OomProcess& process = kill->victims[0].process;
  EXPECT_EQ(process.pid, 4242);
  EXPECT_EQ(process.comm, "java");
  EXPECT_EQ(process.anon.value, 100 * kPage);
  EXPECT_EQ(process.resident().value, 105 * kPage);
  EXPECT_EQ(process.page_tables.value, 8192U);
  EXPECT_EQ(process.score_adj, -5);
  EXPECT_EQ(kill->victims[0].cgroup_path, "/a/b");
  EXPECT_EQ(kill->untold, 0U);
  ASSERT_EQ(kill->top.size(), 2U);
  EXPECT_EQ(kill->top[0].comm, "more") << "largest first";
}

TEST(OomRecords, TheChosenOneOfAGroupIsNamedOnce) {
  OomRecords records(kPage);
  for (const std::uint32_t pid : {3U, 1U, 2U, 3U}) EXPECT_TRUE(records.victim(bytes(victim(50, pid))));
  const auto kill = records.end(bytes(end(50, 4)));
  ASSERT_TRUE(kill);
  EXPECT_EQ(kill->kills, 4U);
  EXPECT_EQ(kill->untold, 0U);
  ASSERT_EQ(kill->victims.size(), 3U);
  EXPECT_EQ(kill->victims[0].process.pid, 3);
}

TEST(OomRecords, WhatWasLostIsSaid) {
  OomRecords records(kPage);
  EXPECT_TRUE(records.victim(bytes(victim(40, 1))));  // its end never comes
  EXPECT_TRUE(records.victim(bytes(victim(50, 2))));
  const auto kill = records.end(bytes(end(50, 3)));
  ASSERT_TRUE(kill);
  ASSERT_EQ(kill->victims.size(), 1U);
  EXPECT_EQ(kill->victims[0].process.pid, 2);
  EXPECT_EQ(kill->untold, 2U);
  EXPECT_TRUE(records.victim(bytes(victim(60, 5))));
  const auto other = records.end(bytes(end(70, 1)));
  ASSERT_TRUE(other);
  EXPECT_TRUE(other->victims.empty());
  EXPECT_EQ(other->untold, 1U);
}

TEST(OomRecords, BadRecordsAreRefused) {
  OomRecords records(kPage);
  const auto with = [](auto record, auto change) {
    change(record);
    return record;
  };
  const wire_oom_victim good = victim(50, 1);
  EXPECT_FALSE(records.victim(bytes(good).first(sizeof good - 1)));
  EXPECT_FALSE(records.victim(bytes(with(good, [](auto& one) { one.event.kind = WIRE_EVENT_OOM; }))));
  EXPECT_FALSE(records.victim(bytes(with(good, [](auto& one) { one.process.pid = 0; }))));
  EXPECT_FALSE(records.victim(bytes(with(good, [](auto& one) { one.process.pid = 1U << 31; }))));
  EXPECT_FALSE(records.victim(
      bytes(with(good, [](auto& one) { std::memset(one.process.comm, 'x', sizeof one.process.comm); }))));
  EXPECT_FALSE(
      records.victim(bytes(with(good, [](auto& one) { std::memset(one.path, 'x', sizeof one.path); }))));
  const wire_oom last = end(50, 1);
  EXPECT_FALSE(records.end(bytes(last).first(100)));
  EXPECT_FALSE(records.end(bytes(with(last, [](auto& one) { one.constraint = WIRE_OOM_CONSTRAINTS; }))));
  EXPECT_FALSE(records.end(bytes(with(last, [](auto& one) { one.ranked = WIRE_TOP + 1; }))));
  EXPECT_FALSE(records.end(bytes(with(last, [](auto& one) { one.victims = 0; }))));
  EXPECT_FALSE(records.end(
      bytes(with(last, [](auto& one) { std::memset(one.asker_path, 'x', sizeof one.asker_path); }))));
  EXPECT_TRUE(records.end(bytes(last)));
}

}  // namespace
}  // namespace plimsoll::bpf
