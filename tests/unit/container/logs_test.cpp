#include "agent/container/logs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

namespace plimsoll::container {
namespace {

namespace fs = std::filesystem;

class Logs : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("plimsoll-logs-" + std::to_string(::getpid()) + "-" +
                                           testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& text, const char* stream = "stdout", const char* second = "00") {
    std::ofstream(folder_ / "log", std::ios::app)
        << "2026-11-24T08:00:" << second << ".000000000Z " << stream << " F " << text << "\n";
  }
  void rotate(int files) {
    for (int i = files - 1; i > 0; --i) {
      const fs::path older = folder_ / (i == 1 ? "log" : "log." + std::to_string(i - 1));
      if (fs::exists(older)) fs::rename(older, folder_ / ("log." + std::to_string(i)));
    }
  }
  std::vector<std::string> read(LogOptions options) {
    auto reader = LogReader::open(folder_, options, [] { return false; });
    EXPECT_TRUE(reader);
    std::vector<std::string> out;
    for (auto line = (*reader)->next(); line && *line; line = (*reader)->next()) out.push_back((*line)->text);
    EXPECT_TRUE((*reader)->ended());
    return out;
  }
  fs::path folder_;
};

using Texts = std::vector<std::string>;

TEST_F(Logs, ReadsAllFilesOldestFirst) {
  write("a");
  rotate(3);
  write("b");
  rotate(3);
  write("c", "stderr", "05");
  EXPECT_EQ(read({}), (Texts{"a", "b", "c"}));
  EXPECT_EQ(read({.err = false}), (Texts{"a", "b"}));
  EXPECT_EQ(read({.tail = 2}), (Texts{"b", "c"}));
  EXPECT_EQ(read({.tail = 0}), Texts{});
  const auto line = parse_log_line("2026-11-24T08:00:03Z stdout F x");
  ASSERT_TRUE(line);
  EXPECT_EQ(read({.since = line->when}), Texts{"c"});
  EXPECT_EQ(read({.until = line->when}), (Texts{"a", "b"}));
}

TEST_F(Logs, SkipsWhatIsNotALine) {
  std::ofstream(folder_ / "log") << "junk\n2026-11-24T08:00:00Z stdout F good\nunfinished";
  EXPECT_EQ(read({}), Texts{"good"});
}

TEST_F(Logs, FollowsOverRotationsWithoutLossOrDouble) {
  constexpr int kLines = 4000, kAFile = 100, kFiles = 50;
  std::atomic<bool> alive = true;
  auto reader = LogReader::open(folder_, {.follow = true}, [&] { return alive.load(); });
  ASSERT_TRUE(reader);
  std::thread writer([&] {
    for (int i = 0; i < kLines; ++i) {
      if (i % kAFile == 0 && i > 0) rotate(kFiles);
      write(std::to_string(i));
    }
    alive = false;
  });
  int expected = 0;
  while (!(*reader)->ended()) {
    auto line = (*reader)->next();
    ASSERT_TRUE(line);
    if (*line) {
      ASSERT_EQ((*line)->text, std::to_string(expected++));
    }
  }
  writer.join();
  EXPECT_EQ(expected, kLines);
}

}  // namespace
}  // namespace plimsoll::container
