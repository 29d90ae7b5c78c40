#include "agent/api/pump.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <future>

#include "agent/api/docker_words.h"
#include "agent/container/shim_client.h"

namespace plimsoll::api {
namespace {

using container::send_frame;
using shim::FrameKind;

// The pump's two ends in this test's hands.
class PumpTest : public testing::Test {
 protected:
  void begin(const PumpOptions& options, const std::string& early = "") {
    std::tie(client_, client_end_) = pair();
    std::tie(shim_, shim_end_) = pair();
    result_ = std::async(std::launch::async, [this, options, early] {
      const bool ended = pump(client_end_, shim_end_, early, options);
      client_end_.reset();
      shim_end_.reset();
      return ended;
    });
  }
  static std::pair<UniqueFd, UniqueFd> pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
  }
  void type(const std::string& text) {
    EXPECT_EQ(::send(client_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  static std::string all_of(const UniqueFd& socket) {
    std::string text;
    char bytes[1000];
    for (ssize_t got = 0; (got = ::recv(socket.get(), bytes, sizeof bytes, 0)) > 0;)
      text.append(bytes, static_cast<std::size_t>(got));
    return text;
  }
  // What the shim was sent, as KIND:PAYLOAD, after the pump has ended.
  std::string sent_to_shim() {
    container::FrameBuffer frames;
    const std::string bytes = all_of(shim_);
    frames.feed(bytes.data(), bytes.size());
    std::string text;
    while (true) {
      const auto frame = frames.next();
      if (!frame || !*frame) return text;
      text += std::to_string(static_cast<int>((*frame)->kind)) + ":" + (*frame)->payload + ";";
    }
  }

  UniqueFd client_, client_end_, shim_, shim_end_;
  std::future<bool> result_;
};

TEST_F(PumpTest, PassesFramesOnAndEndsWithTheProcess) {
  begin({});
  (void)send_frame(shim_.get(), FrameKind::kStatus, "running 5");
  (void)send_frame(shim_.get(), FrameKind::kStdout, "out");
  (void)send_frame(shim_.get(), FrameKind::kStderr, "err");
  (void)send_frame(shim_.get(), FrameKind::kExited, "{}");
  EXPECT_TRUE(result_.get());
  EXPECT_EQ(all_of(client_), framed(false, "out") + framed(true, "err"));
}

TEST_F(PumpTest, ATerminalsOutputIsRaw) {
  begin({.tty = true});
  (void)send_frame(shim_.get(), FrameKind::kStdout, "plain\r\n");
  (void)send_frame(shim_.get(), FrameKind::kExited, "{}");
  EXPECT_TRUE(result_.get());
  EXPECT_EQ(all_of(client_), "plain\r\n");
}

TEST_F(PumpTest, OutputGoesOnAfterTheInputsEnd) {
  begin({.input = true, .end_input = true}, "early ");
  type("late");
  ::shutdown(client_.get(), SHUT_WR);
  (void)send_frame(shim_.get(), FrameKind::kStdout, "answer");
  (void)send_frame(shim_.get(), FrameKind::kExited, "{}");
  EXPECT_TRUE(result_.get());
  EXPECT_EQ(all_of(client_), framed(false, "answer"));
}

TEST_F(PumpTest, InputEndsTheProcessesInputOnlyWhereItIsItsOwn) {
  for (const bool own : {true, false}) {
    begin({.input = true, .end_input = own}, "bytes");
    ::shutdown(client_.get(), SHUT_WR);
    // The frame is there before the shim's end is told: the pump reads the client first or last, but reads
    // it.
    char bytes[200];
    const std::size_t want = own ? 21 : 13;
    EXPECT_EQ(::recv(shim_.get(), bytes, want, MSG_WAITALL), static_cast<ssize_t>(want));
    EXPECT_EQ(std::string(bytes + 8, 5), "bytes");
    if (own) {
      EXPECT_EQ(bytes[13], static_cast<char>(FrameKind::kStdinEnd));
    }
    (void)send_frame(shim_.get(), FrameKind::kExited, "{}");
    EXPECT_TRUE(result_.get());
    EXPECT_EQ(sent_to_shim(), "");
  }
}

TEST_F(PumpTest, TheDetachKeysEndItAndAreNotPassedOn) {
  begin({.tty = true, .input = true}, "ls\x10");
  type(
      "x\x10\x11"
      "after");
  EXPECT_FALSE(result_.get());
  const std::string sent = sent_to_shim();
  EXPECT_EQ(sent, "16:ls;16:\x10x;");
}

TEST_F(PumpTest, EndsWhenTheShimIsGone) {
  begin({});
  shim_.reset();
  EXPECT_FALSE(result_.get());
}

TEST(DetachKeys, AreDockersWords) {
  EXPECT_EQ(detach_sequence("ctrl-p,ctrl-q"), "\x10\x11");
  EXPECT_EQ(detach_sequence("ctrl-a,x"), "\x01x");
  EXPECT_EQ(detach_sequence("ctrl-[,q"), "\x1bq");
  for (const char* keys : {"", "ctrl-", "ctrl-pq", "shift-a", "a,,b"})
    EXPECT_EQ(detach_sequence(keys), "") << keys;
}

}  // namespace
}  // namespace plimsoll::api
