#include "agent/history/recorder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/history/reader.h"
#include "tests/unit/history/moments.h"

namespace plimsoll::history {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class RecorderTest : public testing::Test {
 protected:
  RecorderTest() {
    std::string name = (fs::temp_directory_path() / "plimsoll-history-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~RecorderTest() override { fs::remove_all(folder_); }
  std::unique_ptr<Recorder> recorder(RecorderOptions options = {}) {
    options.folder = (folder_ / "history").string();
    options.boot_id = "boot-1";
    auto made = Recorder::open(options);
    EXPECT_TRUE(made) << made.error().message();
    return *std::move(made);
  }
  void record(Recorder& into, int moments, double share = 0.3) {
    for (int i = 0; i < moments; ++i) {
      into.note({.snapshot = host_.go_on(share), .tick = true});
      told_.push_back(words_of(host_.snapshot()));
    }
  }
  std::vector<SegmentFile> files() const { return *segments_of((folder_ / "history").string()); }
  Reader reader(WallTime from = WallTime{}, WallTime to = WallTime::max()) const {
    return *Reader::open((folder_ / "history").string(), from, to);
  }
  // How many of what was told, from `first` on, come back, in order.
  std::size_t read_back(std::size_t first = 0) {
    Reader from = reader();
    std::size_t count = 0;
    while (auto moment = from.next()) {
      if (first + count >= told_.size() || words_of(*moment->snapshot) != told_[first + count]) {
        ADD_FAILURE() << "moment " << count << " is not what was told";
        break;
      }
      ++count;
    }
    problems_ = from.problems();
    return count;
  }
  fs::path folder_;
  Host host_{5};
  std::vector<std::pair<Words, std::vector<std::string>>> told_;
  std::vector<std::string> problems_;
};

TEST_F(RecorderTest, WhatWasToldComesBack) {
  record(*recorder(), 100);
  EXPECT_EQ(read_back(), 100U);
  EXPECT_TRUE(problems_.empty());
  EXPECT_EQ(files().size(), 1U);
}

TEST_F(RecorderTest, EachStartIsAFileOfItsOwnAndSoIsEachSpan) {
  record(*recorder({.segment = 10s}), 25);
  record(*recorder(), 5);
  EXPECT_EQ(files().size(), 4U);
  EXPECT_EQ(read_back(), 30U);
}

TEST_F(RecorderTest, ARangeIsReadFromItsBeginningToItsEnd) {
  record(*recorder({.segment = 10s}), 60);
  const WallTime begin = WallTime(std::chrono::seconds(1'700'000'001));
  Reader from = reader(begin + 25s, begin + 34s);
  std::vector<WallTime> seen;
  while (auto moment = from.next()) seen.push_back(moment->snapshot->wall);
  ASSERT_EQ(seen.size(), 10U);
  EXPECT_EQ(seen.front(), begin + 25s);
  EXPECT_EQ(seen.back(), begin + 34s);
}

TEST_F(RecorderTest, AMomentIsFoundWithTheTickBefore) {
  record(*recorder({.segment = 10s}), 60);
  const WallTime begin = WallTime(std::chrono::seconds(1'700'000'001));
  const auto then = moment_at((folder_ / "history").string(), begin + 20s + 300ms);
  ASSERT_TRUE(then && *then);
  EXPECT_EQ((*then)->now.snapshot->wall, begin + 20s);
  ASSERT_TRUE((*then)->before);
  EXPECT_EQ((*then)->before->snapshot->wall, begin + 19s);
  const auto never = moment_at((folder_ / "history").string(), begin - 1s);
  ASSERT_TRUE(never);
  EXPECT_FALSE(*never);
}

// A power cut may leave any part of the last block.
TEST_F(RecorderTest, ATornFileIsReadUpToTheTear) {
  record(*recorder({.every = 1s}), 30);
  ASSERT_EQ(files().size(), 1U);
  const std::string path = files()[0].path;
  std::ifstream in(path, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  std::size_t last = 30;
  for (std::size_t cut = whole.size(); cut > 100; cut -= std::min<std::size_t>(cut - 100, 97)) {
    fs::resize_file(path, cut);
    const std::size_t got = read_back();
    EXPECT_LE(got, last);
    EXPECT_LE(problems_.size(), 1U);
    last = got;
  }
  EXPECT_LT(last, 3U);
}

TEST_F(RecorderTest, ADamagedBlockIsNotBelieved) {
  record(*recorder({.every = 1s}), 30);
  const std::string path = files()[0].path;
  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(fs::file_size(path) / 2));
    file.put('\x5a').put('\xa5');
  }
  const std::size_t got = read_back();
  EXPECT_GT(got, 0U);
  EXPECT_LT(got, 30U);
  ASSERT_EQ(problems_.size(), 1U);
  EXPECT_NE(problems_[0].find(path), std::string::npos);
}

TEST_F(RecorderTest, WhatIsNoHistoryIsNamedAndLeftOut) {
  record(*recorder(), 3);
  std::ofstream(folder_ / "history/00000000000000000001.history") << "something else\n";
  std::ofstream(folder_ / "history/readme.txt") << "a note\n";
  EXPECT_EQ(read_back(), 3U);
  ASSERT_EQ(problems_.size(), 1U);
  EXPECT_NE(problems_[0].find("expected a file of history"), std::string::npos);
}

TEST_F(RecorderTest, TheOldestGoWhenThereIsTooMuch) {
  record(*recorder({.most_bytes = 60'000, .every = 1s, .segment = 5s}), 200, 1);
  std::uint64_t bytes = 0;
  for (const SegmentFile& one : files()) bytes += one.bytes;
  EXPECT_LT(bytes, 60'000U + 2 * files().back().bytes + 20'000);
  Reader from = reader();
  std::size_t count = 0;
  while (from.next()) ++count;
  EXPECT_LT(count, 200U);
  EXPECT_GT(count, 5U);
}

TEST_F(RecorderTest, WhatIsOlderThanWantedGoes) {
  record(*recorder({.keep = 20s, .every = 1s, .segment = 5s}), 100);
  EXPECT_LE(files().size(), 6U);
  EXPECT_GE(files().size(), 4U);
}

// The disk refuses for a while: what was told then is counted as lost, and it goes on in a new file.
TEST_F(RecorderTest, ADiskThatRefusesIsTriedAgain) {
  auto into = recorder({.every = 1s});
  record(*into, 10);
  const auto settled = [&](auto state) {
    for (int i = 0; i < 1000 && !state(into->stats()); ++i) std::this_thread::sleep_for(10ms);
    return state(into->stats());
  };
  ASSERT_TRUE(settled([](const Recorder::Stats& stats) { return stats.bytes > 0; }));
  fs::rename(folder_ / "history", folder_ / "away");
  record(*into, 700);  // begins another segment
  ASSERT_TRUE(settled([](const Recorder::Stats& stats) { return stats.lost > 0; }));
  EXPECT_FALSE(into->stats().problem.empty());
  fs::create_directories(folder_ / "history");
  record(*into, 20);
  into.reset();
  Reader from = reader();
  std::size_t count = 0;
  while (from.next()) ++count;
  EXPECT_GE(count, 15U);
  EXPECT_TRUE(from.problems().empty());
}

}  // namespace
}  // namespace plimsoll::history
