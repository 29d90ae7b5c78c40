#include "agent/enforce/audit_log.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace plimsoll::enforce {
namespace {

class AuditLogTest : public testing::Test {
 protected:
  AuditLogTest() {
    std::string pattern = testing::TempDir() + "/audit-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ + "/decisions.db";
  }
  ~AuditLogTest() override { std::filesystem::remove_all(folder_); }

  static model::DecisionRecord record(std::string policy, std::string container, int second = 1) {
    model::DecisionRecord one;
    one.when = WallTime(std::chrono::seconds(second));
    one.policy = std::move(policy);
    one.rule = "squeeze";
    one.cause = "rule";
    one.action = "set";
    one.outcome = "done";
    one.container = std::move(container);
    one.container_id = "abcdef" + one.container;
    one.detail = "memory.high";
    one.before = "max";
    one.after = "134217728";
    one.seen = {{"memory.usage", "110MiB"}};
    one.breach_to_effect = std::chrono::milliseconds(12);
    return one;
  }
  static void append(AuditLog& log, std::vector<model::DecisionRecord> records) {
    const auto stored = log.append(records);
    ASSERT_TRUE(stored) << stored.error().message();
  }

  std::string folder_, path_;
};

TEST_F(AuditLogTest, GivesBackWhatWasStored) {
  auto log = *AuditLog::open(path_);
  append(*log, {record("batch", "etl-1"), record("web", "front")});
  const auto all = *log->query({});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].policy, "batch");
  EXPECT_EQ(all[0].seen, (std::vector<std::pair<std::string, std::string>>{{"memory.usage", "110MiB"}}));
  EXPECT_EQ(all[0].breach_to_effect, std::chrono::milliseconds(12));
  EXPECT_LT(all[0].id, all[1].id);
}

TEST_F(AuditLogTest, SmallStepsWithoutEndAreOneRowForTenMinutes) {
  auto log = *AuditLog::open(path_);
  const auto step = [&](int second, const std::string& container) {
    auto one = record("cold", container, second);
    one.cause = "autosize";
    one.action = "reclaim";
    one.detail = "memory.reclaim 1MiB";
    one.after = std::to_string(second);
    return one;
  };
  for (int second = 0; second <= 600; second += 30) append(*log, {step(second, "a"), step(second, "b")});
  append(*log, {record("web", "front", 700)});
  const auto rows = *log->query({});
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[0].detail, "20 times in 9m30s, last memory.reclaim 1MiB");
  EXPECT_EQ(rows[0].after, "570");
  EXPECT_EQ(rows[2].detail, "memory.reclaim 1MiB") << "the next ten minutes";
  std::uint64_t counted = 0;
  const auto counts = *log->counts();
  for (const auto& one : counts) counted += one.policy == "cold" ? one.count : 0;
  EXPECT_EQ(counted, 42U);
}

TEST_F(AuditLogTest, FiltersByNameIdPrefixPolicyTimeAndLimit) {
  auto log = *AuditLog::open(path_);
  append(*log, {record("a", "one", 1), record("a", "two", 2), record("b", "one", 3)});
  EXPECT_EQ(log->query({.container = "one"})->size(), 2U);
  EXPECT_EQ(log->query({.container = "abcdeft"})->size(), 1U);
  EXPECT_EQ(log->query({.policy = "b"})->size(), 1U);
  EXPECT_EQ(log->query({.since = WallTime(std::chrono::seconds(2))})->size(), 2U);
  const auto newest = *log->query({.limit = 1});
  ASSERT_EQ(newest.size(), 1U);
  EXPECT_EQ(newest[0].policy, "b");
  EXPECT_TRUE(log->query({.after_id = newest[0].id})->empty());
}

TEST_F(AuditLogTest, CountsOutliveRetentionAndReopening) {
  {
    auto log = *AuditLog::open(path_, 5);
    for (int i = 0; i < 12; ++i) append(*log, {record("batch", "etl")});
    EXPECT_EQ(log->query({})->size(), 5U);
    ASSERT_TRUE(log->put_state("engine", "{}"));
  }
  auto log = *AuditLog::open(path_, 5);
  const auto counts = *log->counts();
  ASSERT_EQ(counts.size(), 1U);
  EXPECT_EQ(counts[0].count, 12U);
  EXPECT_EQ(*log->get_state("engine"), "{}");
  EXPECT_EQ(*log->get_state("other"), std::nullopt);
}

TEST_F(AuditLogTest, MovesACorruptFileAsideAndSaysSo) {
  std::ofstream(path_) << std::string(8192, 'x');
  auto log = AuditLog::open(path_);
  ASSERT_TRUE(log) << log.error().message();
  EXPECT_NE((*log)->warning().find("corrupt-1"), std::string::npos) << (*log)->warning();
  EXPECT_TRUE(std::filesystem::exists(path_ + ".corrupt-1"));
  append(**log, {record("a", "b")});
}

TEST_F(AuditLogTest, AFolderThatIsNotThereIsAnError) {
  const auto log = AuditLog::open(folder_ + "/missing/decisions.db");
  ASSERT_FALSE(log);
  EXPECT_NE(log.error().message().find("missing/decisions.db"), std::string::npos);
}

TEST_F(AuditLogTest, WaitsForTheNextRecord) {
  auto log = *AuditLog::open(path_);
  EXPECT_FALSE(log->wait_newer(0, std::chrono::milliseconds(1)));
  std::jthread writer([&] { append(*log, {record("a", "b")}); });
  EXPECT_TRUE(log->wait_newer(0, std::chrono::seconds(30)));
}

TEST_F(AuditLogTest, AKilledWriterLosesNoStoredRecord) {
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto log = *AuditLog::open(path_);
    for (int i = 0;; ++i) {
      std::vector<model::DecisionRecord> batch = {record("a", "b"), record("a", "b")};
      if (!log->append(batch)) ::_exit(1);
      if (::write(pipe_fds[1], "x", 1) != 1) ::_exit(1);
    }
  }
  ::close(pipe_fds[1]);
  char buffer = 0;
  for (int i = 0; i < 20; ++i) ASSERT_EQ(::read(pipe_fds[0], &buffer, 1), 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  std::size_t told = 20;
  while (::read(pipe_fds[0], &buffer, 1) == 1) ++told;
  ::close(pipe_fds[0]);
  auto log = *AuditLog::open(path_);
  EXPECT_EQ(log->warning(), "");
  const auto stored = log->query({.limit = 1'000'000})->size();
  EXPECT_GE(stored, 2 * told);
  EXPECT_EQ(stored % 2, 0U);
}

TEST(DecisionJson, HasTheKeysThatTheCommandLineReads) {
  model::DecisionRecord one;
  one.id = 7;
  one.when = WallTime(std::chrono::seconds(1764000000) + std::chrono::nanoseconds(5));
  one.seen = {{"memory.usage", "1MiB"}};
  EXPECT_EQ(to_json(one),
            R"({"id":7,"when":"2025-11-24T16:00:00.000000005Z","policy":"","rule":"","cause":"","action":"",)"
            R"("outcome":"","container":"","container_id":"","cgroup":"","detail":"","before":"","after":"",)"
            R"("seen":[["memory.usage","1MiB"]],"breach_to_effect_ns":0})");
}

}  // namespace
}  // namespace plimsoll::enforce
