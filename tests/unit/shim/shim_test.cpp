#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/shim/exit_record.h"
#include "agent/shim/frames.h"
#include "agent/shim/log_writer.h"
#include "agent/shim/options.h"

namespace plimsoll::shim {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'795'507'200)};
constexpr const char* kStamp = "2026-11-24T08:00:00.000000000Z";

class Folder : public testing::Test {
 protected:
  Folder() {
    std::string name = testing::TempDir() + "/shim.XXXXXX";
    path_ = ::mkdtemp(name.data());
    fd_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~Folder() override { std::filesystem::remove_all(path_); }
  std::string text(const std::string& name) const {
    std::ostringstream out;
    out << std::ifstream(path_ + "/" + name).rdbuf();
    return out.str();
  }
  std::string path_;
  UniqueFd fd_;
};

using Log = Folder;

TEST_F(Log, LinesOfBothStreams) {
  LogWriter log = LogWriter::open(fd_.get(), 0, 1).value();
  ASSERT_TRUE(log.add(Stream::kStdout, "one\ntw", kNow));
  ASSERT_TRUE(log.add(Stream::kStderr, "bad\n\n", kNow));
  ASSERT_TRUE(log.add(Stream::kStdout, "o\nend", kNow));
  ASSERT_TRUE(log.finish(kNow));
  const std::string stamp = kStamp;
  EXPECT_EQ(text("log"), stamp + " stdout F one\n" + stamp + " stderr F bad\n" + stamp + " stderr F \n" +
                             stamp + " stdout F two\n" + stamp + " stdout F end\n");
}

TEST_F(Log, LongLinesAreCut) {
  LogWriter log = LogWriter::open(fd_.get(), 0, 1).value();
  const std::string line(kLineLimit + 5, 'x');
  ASSERT_TRUE(log.add(Stream::kStdout, line + "\n", kNow));
  const std::string stamp = kStamp;
  EXPECT_EQ(text("log"),
            stamp + " stdout P " + std::string(kLineLimit, 'x') + "\n" + stamp + " stdout F xxxxx\n");
}

TEST_F(Log, RotatesBetweenLines) {
  LogWriter log = LogWriter::open(fd_.get(), 200, 3).value();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(log.add(Stream::kStdout, "line " + std::to_string(i) + "\n", kNow));
  }
  std::string all;
  for (const char* name : {"log.2", "log.1", "log"}) {
    const std::string part = text(name);
    EXPECT_LE(part.size(), 200U) << name;
    EXPECT_TRUE(part.ends_with("\n")) << name;
    all += part;
  }
  EXPECT_TRUE(all.ends_with("line 19\n"));
  EXPECT_EQ(all.find("line 17\n") != std::string::npos, true);
  EXPECT_FALSE(std::filesystem::exists(path_ + "/log.3"));
}

TEST_F(Log, OneBigWriteIsRotatedToo) {
  LogWriter log = LogWriter::open(fd_.get(), 100, 100).value();
  std::string text_in;
  for (int i = 0; i < 40; ++i) text_in += "line " + std::to_string(i) + "\n";
  ASSERT_TRUE(log.add(Stream::kStdout, text_in, kNow));
  int lines = 0;
  for (const auto& file : std::filesystem::directory_iterator(path_)) {
    const std::string part = text(file.path().filename());
    EXPECT_LE(part.size(), 100U);
    lines += static_cast<int>(std::ranges::count(part, '\n'));
  }
  EXPECT_EQ(lines, 40);
}

TEST_F(Log, GoesOnWhereAnEarlierOneEnded) {
  ASSERT_TRUE(LogWriter::open(fd_.get(), 0, 1).value().add(Stream::kStdout, "a\n", kNow));
  ASSERT_TRUE(LogWriter::open(fd_.get(), 0, 1).value().add(Stream::kStdout, "b\n", kNow));
  EXPECT_EQ(std::ranges::count(text("log"), '\n'), 2);
}

TEST(FullDisk, IsToldOnceAndIsNoEnd) {
  std::string name = testing::TempDir() + "/full.XXXXXX";
  const std::string path = ::mkdtemp(name.data());
  std::filesystem::create_symlink("/dev/full", path + "/log");
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  LogWriter log = LogWriter::open(fd.get(), 0, 1).value();
  const auto first = log.add(Stream::kStdout, "a\n", kNow);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().message(), "write the container's log: lines are lost: No space left on device");
  EXPECT_TRUE(log.add(Stream::kStdout, "b\n", kNow));
  std::filesystem::remove_all(path);
}

TEST(Frames, CutAnyStreamIntoTheSameFrames) {
  const std::string stream = make_frame(FrameKind::kStdin, "hello") + make_frame(FrameKind::kStart, "") +
                             make_frame(FrameKind::kResize, "1 2");
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    FrameReader reader;
    std::vector<std::string> got;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      reader.add(std::string_view(stream).substr(at, step));
      while (true) {
        const auto frame = reader.next();
        ASSERT_TRUE(frame);
        if (!*frame) break;
        got.push_back(std::to_string(static_cast<int>((*frame)->kind)) + ":" + (*frame)->payload);
      }
    }
    EXPECT_EQ(got, (std::vector<std::string>{"16:hello", "19:", "21:1 2"}));
  }
}

TEST(Frames, RefuseWhatIsTooLong) {
  FrameReader reader;
  reader.add(std::string("\x10\0\0\0\0\x01\0\x01", 8));
  const auto frame = reader.next();
  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().message(), "a frame of 65537 bytes: more than 65536");
}

TEST(ExitJson, Signalled) {
  ExitRecord record{.wait_status = 9, .started = kNow, .exited = kNow};
  record.usage = {.cpu_usec = 5, .memory_peak = 7, .oom_kills = 1};
  EXPECT_EQ(exit_json(record),
            std::string(R"({"exitCode":137,"signal":9,"oomKilled":true,"oomKills":1,"startedAt":")") +
                kStamp + R"(","exitedAt":")" + kStamp + R"(","cpuUsageUsec":5,"memoryPeakBytes":7})" + "\n");
}

TEST(ExitJson, ExitedBeforeItStarted) {
  const ExitRecord record{.wait_status = 3 << 8, .exited = kNow};
  EXPECT_EQ(exit_json(record),
            std::string(R"({"exitCode":3,"signal":0,"oomKilled":false,"oomKills":0,"exitedAt":")") + kStamp +
                "\"}\n");
}

TEST(Options, Errors) {
  EXPECT_EQ(parse_options({"--id"}).error().message(), "shim: unknown flag or missing value: --id");
  EXPECT_EQ(parse_options({"--moon", "x"}).error().message(), "shim: unknown flag --moon");
  EXPECT_EQ(parse_options({"--id", "x"}).error().message(), "shim: --root is missing");
  EXPECT_EQ(parse_options({"--log-size", "x"}).error().message(),
            "shim: --log-size: expected a number, got 'x'");
}

}  // namespace
}  // namespace plimsoll::shim
