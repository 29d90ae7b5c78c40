#include "agent/watch/oom_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace plimsoll::watch {
namespace {

namespace fs = std::filesystem;

class OomLogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/ooms-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::unique_ptr<OomLog> open(std::size_t most = 1000) {
    auto log = OomLog::open(folder_ + "/ooms", most);
    EXPECT_TRUE(log) << log.error().message();
    return *std::move(log);
  }
  std::string folder_;
};

TEST_F(OomLogTest, NumbersGoOnOverARestart) {
  auto log = open();
  EXPECT_EQ(log->next_id(), 1);
  ASSERT_TRUE(log->append("one"));
  ASSERT_TRUE(log->append("two"));
  log = open();
  EXPECT_EQ(log->ids(), (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(log->read(1).value_or(""), "one");
  EXPECT_EQ(log->next_id(), 3);
  EXPECT_EQ(log->read(3).error().kind(), ErrorKind::kNotFound);
}

TEST_F(OomLogTest, TheOldestGoOut) {
  auto log = open(3);
  for (int i = 1; i <= 5; ++i) ASSERT_TRUE(log->append(std::to_string(i)));
  EXPECT_EQ(log->ids(), (std::vector<std::int64_t>{5, 4, 3}));
  EXPECT_EQ(log->read(2).error().kind(), ErrorKind::kNotFound);
  EXPECT_FALSE(fs::exists(folder_ + "/ooms/2.json"));
  EXPECT_EQ(open(3)->next_id(), 6);
}

TEST_F(OomLogTest, WhatIsNoPostMortemIsLeftAlone) {
  ASSERT_TRUE(open()->append("one"));
  for (const char* name : {"2.json.new", "notes.txt", "0.json", "-4.json", "99999999999999999999.json"})
    std::ofstream(folder_ + "/ooms/" + name) << "x";
  auto log = open();
  EXPECT_EQ(log->ids(), (std::vector<std::int64_t>{1}));
  ASSERT_TRUE(log->append("two"));
  EXPECT_EQ(log->read(2).value_or(""), "two");
  EXPECT_TRUE(fs::exists(folder_ + "/ooms/notes.txt"));
}

TEST_F(OomLogTest, AFolderThatCannotBeIsAnError) {
  std::ofstream(folder_ + "/ooms") << "a file";
  EXPECT_FALSE(OomLog::open(folder_ + "/ooms"));
}

}  // namespace
}  // namespace plimsoll::watch
